"""Runs the tests in a network namespace of their own: real multicast that reaches nobody else.

`python tests/run.py [arguments of pytest]`, with `LIBRECAST_BIN` naming the program `librecast`
and the package `lcast` installed for this interpreter.
"""

import os
import sys
from pathlib import Path

SETUP = """
set -e
ip link set lo up
ip link add lcast0 type veth peer name lcast1
ip link set lcast0 addrgenmode none
ip link set lcast0 up
ip link set lcast1 up
ip address add fe80::1ab/64 dev lcast0 nodad
exec "$@"
"""


def main() -> None:
    """Becomes pytest in a new namespace; it and all that it starts end together."""
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    os.environ["LCAST_TEST_NAMESPACE"] = os.readlink("/proc/self/ns/net")
    # Not in the package's own folder, where its files are without the native part.
    folder = Path(__file__).resolve().parent
    os.chdir(folder)
    pytest = [sys.executable, "-m", "pytest", "-c", str(folder.parent / "pyproject.toml")]
    pytest += ["--rootdir", str(folder)]
    namespace = ["unshare", "-Urnpf", "--mount-proc", "--kill-child"]
    shell = ["sh", "-c", SETUP, "sh"]
    words = [*namespace, *shell, *pytest, *(sys.argv[1:] or [str(folder)])]
    os.execvp(words[0], words)


if __name__ == "__main__":
    main()
