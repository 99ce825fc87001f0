"""Signals, forks, threads, other interpreters, the end of the interpreter, memory."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import Callable, Deque, List

import pytest

import lcast
from conftest import AGENTS, Applications, Realm


def script(text: str) -> List[str]:
    """A command that runs this program."""
    return [sys.executable, "-c", textwrap.dedent(text)]


def run(text: str) -> "subprocess.CompletedProcess[str]":
    """Runs a program to its end."""
    return subprocess.run(script(text), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "wait",
    [
        "next(node.watch('app.owner', only=['nobody'], expect=['nobody'], timeout=600.0))",
        "node.get('app.owner', only=['nobody'], expect=['nobody'], timeout=600.0).report()",
        "node.ping('app6', timeout=600.0)",
        "next(node.presence()) and [each for each in node.presence()]",
        "app.expose_setting('app.x', int, 1).changed()",
    ],
)
def test_a_signal_ends_a_wait_at_once(realm: Realm, node: lcast.Node, wait: str) -> None:
    program = f"""
        import lcast, time
        node = lcast.Node()
        app = lcast.Node(credential={str(realm.credential('app6'))!r})
        print("waiting", flush=True)
        try:
            {wait}
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        node.close()
        app.close()
        print("closed", flush=True)
    """
    process = subprocess.Popen(script(program), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    while "S" not in open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()[0]:
        pass
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.monotonic() - begin < 5.0
    assert process.stdout.readline() == "closed\n"
    assert process.wait() == 0


def test_a_handler_runs_while_waiting_and_the_wait_goes_on(node: lcast.Node) -> None:
    seen: List[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    replies = node.get("app.owner", only=["nobody"], expect=["nobody"], timeout=0.5)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        assert len(replies.report().missing) == 1
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert seen == [signal.SIGUSR1]


def test_other_threads_run_while_one_waits(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=["nobody"], expect=["nobody"], timeout=600.0)
    waiting = threading.Thread(target=replies.report)
    waiting.start()
    assert node.get("app.owner", only=AGENTS, expect=AGENTS).report().answered == 3
    replies.cancel()
    waiting.join(20)
    assert not waiting.is_alive()


def test_threads_share_a_stream(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
    names: List[str] = []
    threads = [
        threading.Thread(target=lambda: names.extend(reply.node for reply in replies))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(AGENTS)


class Taken(Deque[lcast.PresenceItem]):
    """Holds something whenever one looks, and another thread is there first."""

    def __bool__(self) -> bool:
        return True


def test_a_thread_may_take_what_another_has_seen(node: lcast.Node) -> None:
    changes = node.presence()
    first = lcast.Overflow(1)
    changes._ready = Taken([first])
    assert changes.take() == [first]
    assert changes.take() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_refuses_and_the_parent_goes_on(
    node: lcast.Node, applications: Applications
) -> None:
    app = applications("app1")
    variable = app.expose("app.length", int)
    setting = app.expose_setting("app.workers", int, 4)
    watch = node.watch("app.owner", only=AGENTS, timeout=20.0)
    replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
    uses: List[Callable[[], object]] = [
        lambda: node.get("app.owner"),
        node.members,
        node.presence,
        lambda: node.ping("web1"),
        lambda: node.expose("app.x", int),
        lambda: variable.publish(1),
        variable.withdraw,
        lambda: setting.value,
        setting.changed,
        lambda: next(watch),
        watch.fileno,
        watch.cancel,
        replies.report,
        node.close,
    ]
    child = os.fork()
    if child == 0:
        code = 0
        for index, use in enumerate(uses):
            try:
                use()
                code = code or 100 + index
            except lcast.ForkedError as error:
                if error.kind != "forked" or "open a node here" not in str(error):
                    code = 90
            except BaseException:
                code = code or 150 + index
        try:
            with lcast.Node() as own:
                if own.get("app.owner", only=AGENTS, expect=AGENTS).report().answered != 3:
                    code = code or 91
        except BaseException:
            code = code or 92
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert replies.report().answered == 3
    assert watch.next(timeout=20.0) is not None
    assert node.get("app.owner", only=AGENTS, expect=AGENTS).report().answered == 3


def test_a_fork_ends_like_any_process(realm: Realm, node: lcast.Node) -> None:
    done = run(
        """
        import lcast, os, sys, warnings
        node = lcast.Node()
        watch = node.watch("app.owner")
        # From 3.12 on Python warns of each fork of a process that has threads.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            sys.exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(node.get("app.owner", only=["web1"], expect=["web1"]).report().answered)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n1\n", "")


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the module that makes them differs")
def test_other_interpreters_are_refused() -> None:
    done = run(
        """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        other = interpreters.create()
        try:
            failed = interpreters.run_string(other, "import lcast")
            assert failed is not None
            print(failed.type.__name__, failed.msg)
        except interpreters.RunFailedError as error:
            print(error)
        import lcast
        print(lcast.__version__)
        """
    )
    assert "ImportError" in done.stdout and "main interpreter only" in done.stdout, done
    assert done.stdout.splitlines()[-1] == lcast.__version__


@pytest.mark.parametrize(
    "last",
    [
        "pass",
        "raise SystemExit(0)",
        "del node",
        "import gc; gc.collect()",
    ],
)
def test_the_interpreter_ends_with_events_in_flight(
    realm: Realm, node: lcast.Node, last: str
) -> None:
    done = run(
        f"""
        import lcast, threading
        node = lcast.Node()
        app = lcast.Node(credential={str(realm.credential('app6'))!r})
        watches = [node.watch("system", every=0.01) for _ in range(6)]
        for watch in watches:
            next(watch)
        waiting = node.get("app.owner", expect=["nobody"], timeout=600.0)

        @app.variable("app.answer", every=0.001)
        def answer() -> int:
            return 42

        begun = threading.Barrier(8)
        def follow(items):
            begun.wait()
            for item in items:
                pass
        for items in (*watches, waiting):
            threading.Thread(target=follow, args=(items,), daemon=True).start()
        begun.wait()
        {last}
        """
    )
    assert done.returncode == 0, done
    assert "Fatal" not in done.stderr and "panicked" not in done.stderr, done.stderr


def resident() -> int:
    """KiB of memory that this process has."""
    gc.collect()
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1])


def entries(folder: str) -> int:
    """How many descriptors or threads this process has."""
    return len(os.listdir(f"/proc/self/{folder}"))


def test_a_loop_of_ten_thousand_leaks_nothing(
    node: lcast.Node, applications: Applications
) -> None:
    app = applications("app1")
    variable = app.expose("app.length", int)

    def once(number: int) -> None:
        variable.publish(number)
        with pytest.raises(lcast.InvalidError):
            variable.publish("x" * 1000)
        other = app.expose("app.other", "map")
        other.publish({"number": number})
        assert app.expose_setting("app.size", int, number).value == number
        if number % 2:
            other.withdraw()
        assert node.get("app.owner", only=["web1"]).report().expected == 1
        with node.watch("app.owner", only=["nobody"], expect=["nobody"]):
            pass
        if number % 10 == 0:
            (told,) = node.variables(only=["web1"], expect=["web1"], timeout=20.0)
            assert "app.owner" in told.definitions
        node.presence().cancel()
        assert len(node.members()) > 3

    for number in range(1000):
        once(number)
    before, descriptors = resident(), entries("fd")
    for number in range(10_000):
        once(number)
    # What was given up last may be on its way out.
    assert entries("fd") <= descriptors + 16
    assert resident() - before < 4096, "KiB more after ten thousand rounds"


def test_three_thousand_nodes_leave_nothing(realm: Realm, node: lcast.Node) -> None:
    credential = realm.credential("app1")

    def once(number: int) -> None:
        with lcast.Node(credential=credential) as app:

            @app.variable("app.answer", every=60.0)
            def answer() -> int:
                return number

            app.expose("app.length", int).publish(number)
            setting = app.expose_setting("app.workers", int, 4)
            asked = app.get("app.length"), app.watch("app.length"), app.presence()
            with pytest.raises(lcast.TimeoutError):
                setting.changed(timeout=0)
            assert len(asked) == 3

    for number in range(300):
        once(number)
    before, descriptors, threads = resident(), entries("fd"), entries("task")
    for number in range(3000):
        once(number)
    assert entries("fd") <= descriptors + 16
    assert entries("task") <= threads + 2
    assert resident() - before < 4096, "KiB more after three thousand nodes"


def test_importing_costs_less_than_asyncio() -> None:
    def cost(module: str) -> float:
        program = f"""
            import time
            begin = time.process_time()
            import {module}
            print(time.process_time() - begin)
        """
        return float(run(program).stdout)

    ours, theirs = zip(*((cost("lcast"), cost("asyncio")) for _ in range(7)))
    assert min(ours) < min(theirs)
