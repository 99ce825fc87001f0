"""Opening nodes, and what stands in the way."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import lcast
from conftest import Realm


def test_a_credential_opens_a_node_from_file_and_from_memory(realm: Realm) -> None:
    path = realm.credential("reader")
    for credential in (path, str(path), path.read_bytes()):
        with lcast.Node(credential=credential) as node:
            assert (node.name, node.realm) == ("reader", "lab")
            assert "'reader'" in repr(node)


def test_no_such_realm(realm: Realm) -> None:
    with pytest.raises(lcast.NoRealmError, match="no realm 'nonesuch'") as caught:
        lcast.Node("nonesuch")
    assert caught.value.kind == "no_realm" and isinstance(caught.value, LookupError)


def test_what_is_no_credential(realm: Realm, tmp_path: Path) -> None:
    with pytest.raises(lcast.CredentialError, match="nothing"):
        lcast.Node(credential=tmp_path / "nothing")
    with pytest.raises(lcast.CredentialError):
        lcast.Node(credential=b"no credential")
    with pytest.raises(lcast.CredentialError):
        lcast.Node(credential="a\0b")
    open_to_all = tmp_path / "open"
    open_to_all.write_bytes(realm.credential("reader").read_bytes())
    open_to_all.chmod(0o644)
    with pytest.raises(lcast.PermissionError, match="0644") as caught:
        lcast.Node(credential=open_to_all)
    assert isinstance(caught.value, PermissionError)


def test_arguments_that_exclude_each_other(realm: Realm) -> None:
    with pytest.raises(lcast.InvalidError, match="not both"):
        lcast.Node("lab", credential=b"")
    with pytest.raises(lcast.InvalidError, match="agent"):
        lcast.Node(credential=b"", agent=True)


def test_a_state_folder_belongs_to_one_node(realm: Realm, tmp_path: Path) -> None:
    credential = realm.credential("app6")
    with lcast.Node(credential=credential, state=tmp_path / "state"):
        with pytest.raises(lcast.BusyError, match=str(os.getpid())):
            lcast.Node(credential=credential, state=tmp_path / "state")
    lcast.Node(credential=credential, state=tmp_path / "state").close()


def test_what_is_no_path_is_told(realm: Realm) -> None:
    for given in ("credential", "state", "memory"):
        with pytest.raises(lcast.InvalidError, match="no path"):
            lcast.Node(**{given: "/tmp/\ud800"})  # type: ignore[arg-type]


def test_a_closed_node_says_so(realm: Realm) -> None:
    node = lcast.Node()
    replies = node.get("app.owner", expect=["nobody"], timeout=600.0)
    node.close()
    node.close()
    for use in (
        lambda: node.get("app.owner").report(),
        lambda: node.members(),
        lambda: node.expose("app.x", int),
        lambda: node.ping("web1"),
        lambda: next(node.watch("app.owner")),
        lambda: replies.report(),
    ):
        with pytest.raises(lcast.EndedError):
            use()


def test_a_dropped_node_says_goodbye(realm: Realm, node: lcast.Node) -> None:
    changes = node.presence()
    apps = [lcast.Node(credential=realm.credential("app4"))]

    @apps[0].variable("app.answer", every=0.001)
    def answer() -> int:
        return 42

    states = set()
    while "left" not in states:
        change = changes.next(timeout=20.0)
        assert isinstance(change, lcast.Presence)
        if change.name == "app4":
            states.add(change.state)
            if change.state == "alive":
                apps.clear()


def test_a_limit_of_descriptors_is_told(realm: Realm, node: lcast.Node) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = max(int(fd) for fd in os.listdir("/proc/self/fd")) + 1
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 2, hard))
    try:
        fill = [os.dup(0) for _ in range(used + 2 - len(os.listdir("/proc/self/fd")))]
        with pytest.raises(lcast.LimitError):
            held = [node.get("app.owner", timeout=600.0) for _ in range(64)]
        with pytest.raises(lcast.Error):
            lcast.Node()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in fill:
            os.close(fd)
    held = []
    assert node.get("app.owner", on="web1").report().answered == 1


FEW = """
import os
import resource
import sys
import lcast

credential, state = sys.argv[1:]
opened = 0
for limit in range(3, 31):
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        try:
            lcast.Node(credential=credential, state=state or None).close()
        except lcast.LimitError:
            os._exit(3)
        except BaseException as error:
            os.write(2, f"{limit}: {error!r}\\n".encode())
        os._exit(0)
    opened += os.waitpid(child, 0)[1] == 0
print(0 < opened < 28)
"""


@pytest.mark.parametrize("state", ["", "few"])
def test_with_however_few_descriptors_a_node_is_opened_or_the_limit_is_told(
    realm: Realm, tmp_path: Path, state: str
) -> None:
    command = [sys.executable, "-c", FEW, str(realm.credential("app1")), state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True\n", ""), done.stderr
