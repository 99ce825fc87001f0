"""Measures how many changes a watch hands to Python without loss.

    python watch.py FLOOD [AGENTS] [VALUES] [PAUSE_MS] [SECONDS]

FLOOD is the built example `flood` of the crate `lcast`. So many agents, in one process, count so
many values up each so many milliseconds; this process watches them all. To be run in a network
namespace (`tests/run.py` shows how): the realm is of link scope. Prints how many changes a second
arrived, and how many were lost; ends with 1 when any was.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, Tuple

import lcast


def main() -> int:
    """Measures, and prints one line."""
    flood = sys.argv[1]
    numbers = [int(text) for text in sys.argv[2:]]
    agents, values, pause, seconds = (*numbers, *(20, 78, 15, 10)[len(numbers) :])
    with tempfile.TemporaryDirectory(prefix="librecast-flood-") as folder:
        os.environ["LIBRECAST_HOME"] = folder
        binary = os.environ.get("LIBRECAST_BIN", "target/release/librecast")

        def librecast(*words: str) -> None:
            silent = subprocess.DEVNULL
            subprocess.run([binary, *words], check=True, stdout=silent, stderr=silent)

        librecast("realm", "create", "flood", "--scope", "link", "--interface", "lcast0")
        hosts, issued = Path(folder, "hosts.csv"), Path(folder, "issued")
        hosts.write_text("name\n" + "".join(f"n{index}\n" for index in range(agents)))
        librecast(
            *("realm", "issue", "--realm", "flood"),
            *("--from", str(hosts), "--out-dir", str(issued)),
        )
        words = [flood, str(pause), str(values), str(seconds), *map(str, issued.iterdir())]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with lcast.Node("flood") as node:
                watch = node.watch("flood.value[*]", timeout=20.0)
                begin(watch, agents, values)
                print("go", file=process.stdin, flush=True)
                found, lost, took, rounds = follow(watch, process, agents * values)
            print("end", file=process.stdin, flush=True)
    wanted = rounds * agents * values
    print(
        f"{agents} agents, {values} values each {pause} ms: {found} changes in {took:.2f} s, "
        f"{found / took:.0f} a second; {wanted - found} of {wanted} not seen, {lost} items lost"
    )
    return 0 if lost == 0 and wanted == found else 1


def begin(watch: lcast.Watch, agents: int, values: int) -> None:
    """Waits until all are watched."""
    replies = 0
    for item in watch:
        if isinstance(item, lcast.Reply):
            assert len(item.values) == values, item
            replies += 1
        if isinstance(item, lcast.Report):
            assert item.answered == agents == replies, item
            return


def follow(
    watch: lcast.Watch, process: "subprocess.Popen[str]", count: int
) -> Tuple[int, int, float, int]:
    """Follows until all values are what the last round made of them."""
    assert process.stdout is not None
    newest: Dict[Tuple[str, str], lcast.Value] = {}
    found = lost = 0
    rounds = None
    start = last = time.perf_counter()
    while True:
        try:
            item = watch.next(timeout=1.0)
        except lcast.TimeoutError:
            item = None
        if isinstance(item, lcast.Changed):
            last = time.perf_counter()
            for held in item.values.values():
                found += 1
                newest[item.node, held.name] = held.value
        elif isinstance(item, lcast.Overflow):
            lost += item.lost
        if rounds is None and (item is None or found % 4096 < 16):
            ended, _, _ = select.select([process.stdout], [], [], 0)
            rounds = int(process.stdout.readline()) if ended else None
        if rounds is not None:
            done = sum(value == rounds for value in newest.values()) if item is None else 0
            if done == count or found == rounds * count or item is None:
                return found, lost, last - start, rounds


if __name__ == "__main__":
    sys.exit(main())
