"""Every listing of the chapter of the book is type-checked and run."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator

import pytest

import lcast
from conftest import AGENTS, Applications, Realm

CHAPTER = Path(__file__).resolve().parents[3] / "docs/book/src/python.md"


def listings() -> Dict[str, str]:
    """The programs by the title of their part."""
    found = {}
    for part in CHAPTER.read_text().split("\n## ")[1:]:
        for index, text in enumerate(re.findall(r"```python\n(.*?)```", part, re.DOTALL)):
            assert index == 0, "one program a part"
            found[part.splitlines()[0]] = text
    return found


class Program:
    """A listing that runs."""

    def __init__(self, folder: Path, title: str) -> None:
        path = folder / "program.py"
        path.write_text(listings()[title])
        self.process = subprocess.Popen(
            [sys.executable, str(path)],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def heard(self, part: str) -> str:
        """Reads what it prints until this is in it."""
        assert self.process.stdout is not None
        text = b""
        while part.encode() not in text:
            byte = self.process.stdout.read(1)
            if not byte:
                _, error = self.process.communicate()
                raise AssertionError(f"no {part!r} in {text!r}: {error.decode()}")
            text += byte
        return text.decode()

    def interrupt(self) -> str:
        """Ends it by Ctrl-C; what it printed to the end."""
        self.process.send_signal(signal.SIGINT)
        rest, error = self.process.communicate(timeout=20)
        assert (self.process.returncode, error) == (0, b""), error
        return rest.decode()


@pytest.fixture
def folder(realm: Realm, tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "queue.credential").write_bytes(realm.credential("app1").read_bytes())
    (tmp_path / "queue.credential").chmod(0o600)
    yield tmp_path


def test_the_listings_are_typed(tmp_path: Path) -> None:
    assert len(listings()) == 5
    paths = []
    for index, text in enumerate(listings().values()):
        paths.append(tmp_path / f"listing{index}.py")
        paths[-1].write_text(text)
    command = [sys.executable, "-m", "mypy", "--strict", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_ten_lines(node: lcast.Node, folder: Path) -> None:
    text = listings()["Ten lines"]
    assert len(text.splitlines()) == 10
    # So low a bound that every agent is above it.
    (folder / "program.py").write_text(text.replace("> 4.0", "> -1.0"))
    node.set("app.level", 1.0, only=AGENTS)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    for name in AGENTS:
        assert f"{name} " in done.stdout
    assert "1 expected: 1 answered" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("missing"), "credentials of the tests run nowhere"
    levels = [reply["app.level"] for reply in node.get("app.level", only=AGENTS)]
    assert levels == [0.5] * 3


def test_a_monitor_acts_on_what_it_sees(
    node: lcast.Node, applications: Applications, folder: Path
) -> None:
    app = applications("app2")
    length = app.expose("app.queue.length", int)
    workers = app.expose_setting("app.queue.workers", int, 4, min=1, max=64)
    length.publish(7)
    monitor = Program(folder, "A monitor that acts on what it sees")
    length.publish(170)
    assert "app2: 170 jobs wait; 1 expected: 1 answered" in monitor.heard("\n")
    assert workers.changed(timeout=20.0) == 8
    app.close()
    assert "app2 left: left" in monitor.heard("\n")
    monitor.interrupt()


def test_an_application_with_variables_and_settings(node: lcast.Node, folder: Path) -> None:
    application = Program(folder, "An application with its own variables and settings")
    application.heard("working with 4\n")
    only = {"only": ["app1"], "expect": ["app1"], "timeout": 20.0}
    watch = node.watch("app.queue", **only)  # type: ignore[arg-type]
    values: Dict[str, lcast.ReplyValue] = {}
    while "app.queue.length" not in values:
        item = watch.next(timeout=20.0)
        if isinstance(item, (lcast.Reply, lcast.Changed)):
            values.update(item.values)
    assert (values["app.queue.length"].value, values["app.queue.length"].unit) == (0, "{job}")
    assert isinstance(values["app.queue.released"].value, lcast.Timestamp)
    assert node.set("app.queue.workers", 9, **only).is_complete  # type: ignore[arg-type]
    application.heard("working with 9 from here on\n")
    application.interrupt()


def test_a_dashboard_line(node: lcast.Node, folder: Path) -> None:
    dashboard = Program(folder, "A dashboard line that watches")
    line = dashboard.heard("web2 ")
    assert "db1 " in line or "web1 " in line or line.endswith("web2 ")
    dashboard.interrupt()


def test_which_variables_there_are(node: lcast.Node, folder: Path) -> None:
    (folder / "program.py").write_text(listings()["Which variables there are"])
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    for name in AGENTS:
        assert f"{name} system.uptime float s not settable time since" in done.stdout
        assert f"{name} app.level float  0.0 to 1.5 " in done.stdout
