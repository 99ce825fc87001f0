"""Measures a warm question from Python, as `crates/lcast/examples/warm.rs` does from Rust.

    python warm.py [AGENTS] [QUESTIONS]

starts so many agents on this host, each its own process, and prints the time to the last reply. The
realm is of host scope: nothing leaves the machine. `LIBRECAST_BIN` names the program, else it is
`target/release/librecast`.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List

import lcast


def main() -> None:
    """Measures, and prints one line."""
    agents, questions = (int(text) for text in [*sys.argv[1:], "10", "200"][:2])
    with tempfile.TemporaryDirectory(prefix="librecast-warm-") as folder:
        measure(Path(folder), agents, questions)


def measure(folder: Path, count: int, questions: int) -> None:
    """Asks agents of a realm of their own."""
    binary = os.environ.get("LIBRECAST_BIN", "target/release/librecast")
    environment = {**os.environ, "LIBRECAST_HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}

    def librecast(*words: str) -> "subprocess.Popen[bytes]":
        silent = subprocess.DEVNULL
        return subprocess.Popen(
            [binary, *words], env=environment, stdin=silent, stdout=silent, stderr=silent
        )

    assert librecast("realm", "create", "warm", "--scope", "host").wait() == 0
    hosts, issued = folder / "hosts.csv", folder / "issued"
    with hosts.open("w") as file:
        csv.writer(file).writerows([["name"], *([f"n{index}"] for index in range(count))])
    issue = ["realm", "issue", "--realm", "warm", "--from", str(hosts), "--out-dir", str(issued)]
    assert librecast(*issue).wait() == 0
    running = []
    try:
        for credential in sorted(issued.iterdir()):
            state = str(folder / "state" / credential.stem)
            agent = ["agent", "--credential", str(credential), "--state", state]
            running.append(librecast(*agent))
        ask(folder, count, questions)
    finally:
        for process in running:
            process.kill()
            process.wait()


def ask(folder: Path, count: int, questions: int) -> None:
    """Asks so often, and prints what it took."""
    credential, registry = folder / "realms/warm/credential", [folder / "librecast"]
    times: List[float] = []
    answered = 0
    with lcast.Node(credential=credential, registry=registry) as node:
        while node.get("host.name").report().answered != count:
            pass
        for _ in range(questions):
            begin = last = time.perf_counter()
            replies = node.get("system.cpu.load_1m")
            for _reply in replies:
                last = time.perf_counter()
            times.append(last - begin)
            answered += replies.report().answered
    times.sort()

    def at(share: float) -> float:
        return times[int((len(times) - 1) * share)] * 1e3

    print(
        f"{count} agents, {questions} questions: last reply p50 {at(0.5):.2f} ms, "
        f"p95 {at(0.95):.2f} ms, max {at(1.0):.2f} ms; {answered} of {count * questions} answers"
    )


if __name__ == "__main__":
    main()
