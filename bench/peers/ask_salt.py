#!/usr/bin/env python3
"""Asks Salt's minions once for each line on standard input; see bench/asker.

usage: ask_salt.py MASTER_CONFIG COUNT
"""

import sys
import time

import salt.client
import salt.exceptions


def ask(client, count):
    """Replies, the time of the last, and the minions that Salt names as silent."""
    start = time.monotonic_ns()
    got, last, missing = 0, 0, []
    for reply in client.cmd_iter("*", "test.ping", timeout=5, expect_minions=True):
        for name, outcome in reply.items():
            if outcome.get("failed"):
                missing.append(name)
                continue
            got += 1
            last = time.monotonic_ns() - start
        if got == count:
            break
    return got, last, missing


def main():
    """Opens the client once, then asks when told."""
    # Salt's client talks on standard output; the answers to the bench must stand there alone.
    answers, sys.stdout = sys.stdout, sys.stderr
    client = salt.client.LocalClient(c_path=sys.argv[1])
    for _ in sys.stdin:
        try:
            got, last, missing = ask(client, int(sys.argv[2]))
        except salt.exceptions.SaltClientError as error:
            # A master that is starting does not answer; the bench asks again.
            print(f"ask_salt: {error}", file=sys.stderr)
            got, last, missing = 0, 0, []
        print(got, last, ",".join(missing), file=answers, flush=True)


if __name__ == "__main__":
    main()
