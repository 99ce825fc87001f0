"""A realm with real agents for all tests; start them by `run.py`, which makes the network."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

import lcast

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that runs the tests in the background ignores it, and so would all they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

AGENTS = ("web1", "web2", "db1")
"""The agents that run during all tests, each a process of the program `librecast`."""

CONFIG = """
[[variable]]
name = "app.owner"
value = "team-{name}"

[[setting]]
name = "app.greeting"
type = "text"
max_len = 64
default = ""

[[setting]]
name = "app.level"
type = "float"
min = 0
max = 1.5
default = 1
"""

APPLICATIONS = ("app1", "app2", "app3", "app4", "app5", "app6")
"""Members whose credentials the tests use for nodes of their own."""


def pytest_sessionstart() -> None:
    outside = os.environ.get("LCAST_TEST_NAMESPACE")
    if outside is None or outside == os.readlink("/proc/self/ns/net"):
        pytest.exit("these tests need a network of their own: python tests/run.py", returncode=2)


class Realm:
    """The realm, its home and its agents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.binary = os.environ["LIBRECAST_BIN"]
        self.environment: Dict[str, str] = {
            **os.environ,
            "LIBRECAST_HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder),
            "LIBRECAST_REALM": "lab",
        }
        self.agents: Dict[str, "subprocess.Popen[bytes]"] = {}
        self.librecast("realm", "create", "lab", "--scope", "link", "--interface", "lcast0")
        for name in AGENTS:
            self.issue(name, "--label", "role=" + name.rstrip("0123456789"))
        for name in APPLICATIONS:
            self.issue(name, "--label", "role=app")
        self.issue("reader", "--client")
        for name in AGENTS:
            self.start(name)

    def librecast(self, *words: str) -> str:
        """What the program prints."""
        command = [self.binary, *words]
        done = subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, check=True, text=True
        )
        return done.stdout

    def credential(self, name: str) -> Path:
        """The credential file of a member."""
        return self.folder / f"{name}.credential"

    def issue(self, name: str, *words: str) -> None:
        """Makes a member."""
        out = str(self.credential(name))
        self.librecast("realm", "issue", "--realm", "lab", "--name", name, *words, "--out", out)

    def start(self, name: str) -> None:
        """Starts an agent, and waits until it says that it is ready."""
        config = self.folder / f"{name}.toml"
        config.write_text(CONFIG.format(name=name))
        path = str(self.folder / f"{name}.ready")
        Path(path).unlink(missing_ok=True)
        ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        ready.bind(path)
        ready.settimeout(30)
        words = [self.binary, "agent", "--credential", str(self.credential(name))]
        words += ["--state", str(self.folder / f"state-{name}"), "--config", str(config)]
        environment = {**self.environment, "NOTIFY_SOCKET": path}
        with open(self.folder / f"{name}.log", "ab") as log:
            self.agents[name] = subprocess.Popen(
                words, env=environment, stdin=subprocess.DEVNULL, stderr=log
            )
        while b"READY=1" not in ready.recv(4096):
            pass
        ready.close()

    def kill(self, name: str) -> None:
        """Kills an agent."""
        agent = self.agents.pop(name)
        agent.kill()
        agent.wait()


@pytest.fixture(scope="session")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    """The realm `lab`, and this process's environment as that of its client `admin`."""
    realm = Realm(tmp_path_factory.mktemp("lab"))
    os.environ.update(realm.environment)
    yield realm
    for name in list(realm.agents):
        realm.kill(name)


@pytest.fixture(scope="session")
def node(realm: Realm) -> Iterator[lcast.Node]:
    """The client `admin`."""
    with lcast.Node() as node:
        report = node.get("host.name", only=AGENTS, expect=AGENTS, timeout=20.0).report()
        assert report.is_complete, report
        yield node


@pytest.fixture
def applications(realm: Realm) -> Iterator["Applications"]:
    """Nodes of applications, closed at the end of the test."""
    made = Applications(realm)
    yield made
    for node in made.nodes:
        node.close()


class Applications:
    """Makes nodes of members beside the agents."""

    def __init__(self, realm: Realm) -> None:
        self.realm = realm
        self.nodes: List[lcast.Node] = []

    def __call__(self, name: str) -> lcast.Node:
        node = lcast.Node(credential=self.realm.credential(name))
        self.nodes.append(node)
        return node
