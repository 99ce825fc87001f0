"""The runner of the conformance scenario on the Python package lcast.

    runner.py answer CREDENTIAL STATE SCENARIO
    runner.py ask CREDENTIAL SCENARIO

What the lines mean is told in the README of the folder above.
"""

import sys

import form
import lcast
from form import escape, lines, one, show, values, words


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
        self.ask(self.node.get(*values(step, "pattern"), **target(step)))

    def set(self, step):
        name, text, version = (one(step, key) for key in ("name", "text", "if_version"))
        value = parse(one(step, "value")) if text is None else text
        version = self.versions[name] if version == "held" else version
        self.ask(self.node.set_each(name, value, if_version=version, **target(step)))

    def ask(self, replies):
        for reply in list(replies):
            self.reply(reply)
        self.account(replies.report())

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

    def account(self, report):
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
        self.watching.close()
        self.account(self.account_of_watch)

    def nodes(self, step):
        for it in self.node.nodes():
            if it.name == one(step, "name"):
                labels = ",".join(sorted(f"{key}={value}" for key, value in it.labels.items()))
                roles = ",".join(it.roles)
                self.say("node", it.name, it.kind, it.state, escape(labels), escape(roles))


def target(step):
    """Who is asked."""
    return {
        "on": values(step, "on"),
        "not_": values(step, "not"),
        "label": dict(label.split("=", 1) for label in values(step, "label")),
        "where": one(step, "where"),
        "expect": values(step, "expect"),
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


if __name__ == "__main__":
    role, *arguments = sys.argv[1:] or ["?"]
    {"answer": answer, "ask": ask}[role](*arguments)
