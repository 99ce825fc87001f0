"""The runner of the conformance scenario on the Python package lcast.

    runner.py answer CREDENTIAL STATE SCENARIO
    runner.py ask CREDENTIAL SCENARIO
    runner.py time CREDENTIAL

What the lines mean is told in the README of the folder above.
"""

import sys
import time

import form
import lcast
from form import escape, in_time, lines, one, show, values, words


def parse(text):
    return form.parse(text, lcast.Timestamp)


# -- the answerer


def answer(credential, state, scenario):
    with lcast.Node(credential=credential, state=state) as node:
        variable = None
        for word, *fields in lines(scenario):
            if word == "variable":
                variable = expose(node, *fields)
            elif word == "key":
                key, value = map(parse, fields)
                variable.publish_key(key, value)
            elif word == "setting":
                expose_setting(node, *fields)
        print("ready", flush=True)
        sys.stdin.buffer.read()


def expose(node, name, kind, unit, description, value):
    variable = node.expose(name, kind, unit=unit, description=description)
    if value:
        variable.publish(parse(value))
    return variable


def expose_setting(node, name, kind, unit, description, default, *fields):
    limits = {"unit": unit, "description": description}
    for key, value in words(fields):
        if key == "choice":
            limits.setdefault("choices", []).append(value)
        elif key == "length":
            limits["length_max"] = int(value)
        else:
            limits[key] = float(value)
    node.expose_setting(name, kind, parse(default), **limits)


# -- the asker


class Asker:
    """A node that plays steps, and what it remembers from one to the next."""

    def __init__(self, credential):
        self.node = lcast.Node(credential=credential)
        self.versions = {}
        self.watching = None
        self.account_of_watch = None
        self.step = None

    def say(self, *fields):
        print(self.step, *fields, sep="\t", flush=True)

    def get(self, step):
        self.ask(step, self.node.get(*values(step, "pattern"), **target(step)))

    def set(self, step):
        name, text, version = (one(step, key) for key in ("name", "text", "if_version"))
        value = parse(one(step, "value")) if text is None else text
        version = self.versions[name] if version == "held" else version
        given = {"if_version": version, "dry_run": is_dry(step), **target(step)}
        self.ask(step, self.node.set_each(name, value, **given))

    def set_all(self, step):
        both = dict(zip(values(step, "name"), values(step, "text")))
        self.ask(step, self.node.set_all_each(both, dry_run=is_dry(step), **target(step)))

    def ask(self, step, replies):
        for reply in list(replies):
            self.reply(reply)
        self.account(replies.report(), step)

    def reply(self, reply):
        self.values("value", reply)
        for it in reply.results.values():
            if it.version is not None:
                self.versions[it.name] = it.version
            self.say("set", reply.node, escape(it.name), it.outcome, escape(it.message))

    def values(self, word, item):
        for it in item.values.values():
            self.versions[it.name] = it.version
            self.say(word, item.node, escape(it.name), show(it.value), escape(it.unit))

    def account(self, report, step=()):
        for it in report.empty:
            self.say("empty", it.node, it.reason)
        for it in report.error:
            self.say("error", it.node, it.failure.code, escape(it.failure.message))
        for it in report.refused:
            self.say("refused", it.node, it.refusal.reason, escape(it.refusal.message))
        for it in report.late:
            self.say("late", it.node)
        for it in report.missing:
            self.say("missing", it.node)
        counts = {"expected": report.expected, "answered": report.answered}
        for word in ("empty", "error", "refused", "late", "missing"):
            counts[word] = len(getattr(report, word))
        self.say("report", " ".join(f"{word}={count}" for word, count in counts.items()))
        if one(step, "timeout") is not None:
            self.say("in_time", in_time(step, report.elapsed))

    def watch(self, step):
        every, delta = one(step, "every"), one(step, "delta")
        self.watching = self.node.watch(
            *values(step, "pattern"),
            every=None if every is None else int(every) / 1000,
            delta=None if delta is None else float(delta),
            **target(step),
        )
        replies = []
        for item in self.watching:
            if isinstance(item, lcast.Report):
                self.account_of_watch = item
                break
            replies.append(item)
        for reply in replies:
            self.reply(reply)

    def next(self, _step):
        item = next(self.watching)
        if isinstance(item, lcast.Changed):
            self.values("changed", item)
            for name in item.removed:
                self.say("removed", item.node, escape(name))
        elif isinstance(item, lcast.Entered):
            self.values("entered", item)
        elif isinstance(item, lcast.Left):
            self.say("left", item.node, item.reason)
        else:
            sys.exit(f"the watch told {item}")

    def unwatch(self, _step):
        self.watching.cancel()
        self.account(self.account_of_watch)

    def nodes(self, step):
        for it in self.node.members():
            if it.name == one(step, "name"):
                labels = ",".join(sorted(f"{key}={value}" for key, value in it.labels.items()))
                roles = ",".join(it.roles)
                self.say("node", it.name, it.kind, it.state, escape(labels), escape(roles))

    def variables(self, step):
        replies = self.node.variables(**target(step))
        for reply in list(replies):
            for it in reply.definitions.values():
                if it.name.startswith(one(step, "prefix")):
                    said = show(described(it))
                    self.say("variable", reply.node, escape(it.name), said, escape(it.unit))
        self.account(replies.report())

    def ping(self, step):
        trip = self.node.ping(one(step, "name"), timeout=int(one(step, "timeout")) / 1000)
        self.say("silent" if trip is None else "pong", one(step, "name"))

    def presence(self, step):
        """Follows a node until it has been in each of the states, one after the other."""
        with self.node.presence() as changes:
            for state in values(step, "state"):
                wanted = (one(step, "name"), state)
                told = ((it.name, it.state) for it in changes)
                self.say("presence", *next(it for it in told if it == wanted))


def described(it):
    """What a variable is beside its name and unit."""
    what = {"type": it.type, "kind": it.kind, "description": it.description}
    what["settable"] = it.settable
    limits = {"min": it.min, "max": it.max, "length_max": it.length_max}
    limits["choices"] = None if it.choices is None else list(it.choices)
    return {**what, **{key: limit for key, limit in limits.items() if limit is not None}}


def is_dry(step):
    return one(step, "dry_run") is not None


def target(step):
    """Who is asked."""
    timeout = one(step, "timeout")
    return {
        "on": values(step, "on") or None,
        "not_": values(step, "not"),
        "label": dict(label.split("=", 1) for label in values(step, "label")),
        "matching": one(step, "where"),
        "only": values(step, "only") or None,
        "expect": values(step, "expect"),
        "timeout": None if timeout is None else int(timeout) / 1000,
    }


def ask(credential, scenario):
    asker = None
    for word, *fields in lines(scenario):
        if word != "step":
            continue
        name, verb, *fields = fields
        try:
            if verb == "open":
                asker = Asker(credential)
            asker.step = name
            asker.say("open") if verb == "open" else getattr(asker, verb)(words(fields))
        except lcast.Error as error:
            print(name, "failed", error.kind, escape(str(error)), sep="\t", flush=True)
            if asker is None:
                return
    asker.node.close()


# -- what the bench measures; the lines are told in src/bin/conformance-rust/timing.rs


def measure(credential):
    with lcast.Node(credential=credential) as node:
        print("ready", flush=True)
        for line in sys.stdin:
            verb, *fields = line.split()
            {"get": measure_get, "watch": measure_watch}[verb](node, *fields)


def measure_get(node, count, pattern, answers):
    times = []
    for _ in range(int(count)):
        begin = time.perf_counter()
        replies = node.get(pattern)
        for _reply in replies:
            pass
        report = replies.report()
        times.append(time.perf_counter() - begin)
        assert report.answered == int(answers), report
    print(*(round(it * 1e6) for it in times), flush=True)


def measure_watch(node, pattern, answers):
    watch = node.watch(pattern)
    report = next(item for item in watch if isinstance(item, lcast.Report))
    assert report.answered == int(answers), report
    print("watching", flush=True)
    told = skipped = lost = 0
    first = last = None
    while True:
        try:
            item = watch.next(timeout=1.0 if first else 60.0)
        except lcast.TimeoutError:
            break
        if isinstance(item, lcast.Changed):
            last = time.perf_counter()
            first = first or last
            told += len(item.values)
            skipped += sum(it.skipped for it in item.values.values())
        elif isinstance(item, lcast.Overflow):
            lost += item.lost
    watch.cancel()
    print(told, skipped, lost, round((last - first) * 1e6), flush=True)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:] or ["?"]
    {"answer": answer, "ask": ask, "time": measure}[role](*arguments)
