"""The runner of the conformance scenario on the program librecast: its agent, and its commands.

    cli.py answer CREDENTIAL STATE SCENARIO
    cli.py ask CREDENTIAL SCENARIO

LIBRECAST_BIN names the program. What the lines mean is told in the README of the folder above.
"""

import base64
import datetime
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

import form
from form import escape, in_time, lines, one, show, values, words

LIBRECAST = os.environ.get("LIBRECAST_BIN", "librecast")
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


class Time:
    """A point in time."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds


def parse(text):
    return form.parse(text, Time)


# -- the answerer: an agent with a generated configuration


def toml(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Time):
        moment = EPOCH + datetime.timedelta(milliseconds=value.milliseconds)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, bytes):
        return toml(value.decode())
    if isinstance(value, list):
        return "[" + ",".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{toml(key)}={toml(item)}" for key, item in value.items()) + "}"
    plain = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda it: f"\\u{ord(it[0]):04x}", plain) + '"'


def has_null(value):
    if isinstance(value, (list, dict)):
        return any(map(has_null, value.values() if isinstance(value, dict) else value))
    return value is None


def typed(kind, value):
    """A value of agent.toml that stands alone: times are RFC 3339 texts there."""
    return f'"{toml(value)}"' if kind == "timestamp" else toml(value)


class Config:
    """agent.toml and the files that it names."""

    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        self.metric = None

    def add(self, table, pairs):
        self.lines.append(f"[[{table}]]")
        self.lines += [f"{key} = {value}" for key, value in pairs]

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write(text)
        return toml(path)

    def variable(self, name, kind, unit, description, text):
        about = [("description", toml(description))]
        if name.endswith("[*]"):
            # The labels of a metric are the key.
            name, self.metric = name[:-3].rsplit(".", 1)
            pairs = [("file", self.file("metrics", "")), ("format", '"prometheus"')]
            self.add("variable", [("name", toml(name)), *pairs, *about])
            return
        pairs = [("name", toml(name)), ("unit", toml(unit)), ("kind", toml("gauge")), *about]
        value = parse(text)
        if kind != "null":
            pairs.append(("type", toml(kind)))
        if has_null(value):
            # TOML has no null: JSON has one.
            path = self.file(name + ".json", json.dumps(value))
            pairs += [("file", path), ("format", '"json"')]
        else:
            pairs.append(("value", typed(kind, value)))
        self.add("variable", pairs)

    def key(self, key, value):
        label, text = parse(key).split("=", 1)
        text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        self.file("metrics", f'{self.metric}{{{label}="{text}"}} {parse(value)!r}\n')

    def setting(self, name, kind, unit, description, default, *limits):
        pairs = [("name", toml(name)), ("type", toml(kind)), ("unit", toml(unit))]
        pairs += [("description", toml(description)), ("default", typed(kind, parse(default)))]
        limits = words(limits)
        choices = [value for key, value in limits if key == "choice"]
        pairs += [("choices", toml(choices))] if choices else []
        keys = {"length": "max_len", "min": "min", "max": "max"}
        pairs += [(keys[key], value) for key, value in limits if key in keys]
        self.add("setting", pairs)


def answer(credential, state, scenario):
    os.makedirs(state, exist_ok=True)
    config = Config(state)
    verbs = {"variable": config.variable, "key": config.key, "setting": config.setting}
    for line in lines(scenario):
        if line[0] in verbs:
            verbs[line[0]](*line[1:])
    path = os.path.join(state, "agent.toml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(config.lines) + "\n")
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(os.path.join(state, "notify"))
    command = [LIBRECAST, "agent", "--credential", credential, "--config", path]
    command += ["--state", os.path.join(state, "kept")]
    environment = {**os.environ, "NOTIFY_SOCKET": ready.getsockname()}
    agent = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    ready.settimeout(0.1)
    while agent.poll() is None:
        try:
            if b"READY=1" in ready.recv(4096):
                break
        except socket.timeout:
            pass
    else:
        sys.exit(f"the agent ended: {agent.returncode}")
    print("ready", flush=True)
    sys.stdin.buffer.read()
    agent.terminate()
    sys.exit(agent.wait())


# -- the asker: a command a step


class Asker:
    def __init__(self, credential, types):
        self.credential = credential
        self.types = types
        self.versions = {}
        self.watching = None
        self.step = None

    def say(self, *fields):
        print(self.step, *fields, sep="\t", flush=True)

    def command(self, verb, *arguments):
        return [LIBRECAST, verb, *arguments, "--credential", self.credential]

    def run(self, command):
        """The document that a command prints; None when it is a failure, which is told."""
        pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        result = subprocess.run([*command, "--json"], **pipes)
        document = json.loads(result.stdout)
        if "error" in document:
            self.failed(document["error"])
            return None
        return document

    def failed(self, error):
        self.say("failed", error["code"], escape(error["message"]))

    def target(self, step):
        options = []
        for key, value in step:
            if key in ("on", "not", "label", "where"):
                options += [f"--{key}", value]
            if key == "expect":
                options += ["--expect", listed([value])]
            if key == "timeout":
                options.append(f"--timeout={value}ms")
        if values(step, "only"):
            options += ["--nodes-from", listed(values(step, "only"))]
        return options

    def get(self, step):
        self.ask(step, self.command("get", *values(step, "pattern"), *self.target(step)))

    def set(self, step):
        name, options = one(step, "name"), self.target(step)
        text, value = one(step, "text"), one(step, "value")
        content = f"={text}" if value is None else ":=" + json.dumps(plain(parse(value)))
        version = one(step, "if_version")
        if version is not None:
            options += ["--if-version", self.versions[name] if version == "held" else version]
        self.ask(step, self.command("set", name + content, *options, *dry(step)))

    def set_all(self, step):
        pairs = zip(values(step, "name"), values(step, "text"))
        assignments = [f"{name}={text}" for name, text in pairs]
        self.ask(step, self.command("set", *assignments, *self.target(step), *dry(step)))

    def ask(self, step, command):
        document = self.run(command)
        if document is not None:
            for reply in document["replies"]:
                self.reply(reply)
            self.account(document["report"], step)

    def reply(self, reply):
        self.told("value", reply)
        for name, result in reply.get("settings", {}).items():
            if result["version"] is not None:
                self.versions[name] = result["version"]
            message = escape(result["message"])
            self.say("set", reply["node"], escape(name), result["result"], message)

    def told(self, word, object):
        for name, it in object.get("variables", {}).items():
            self.versions[name] = it["version"]
            value = show(self.typed(name, it["value"]))
            self.say(word, object["node"], escape(name), value, escape(it["unit"]))

    def typed(self, name, value):
        """What JSON has no type for is read by the type that the variable has."""
        kind = self.types.get(re.sub(r'\["(?:[^"\\]|\\.)*"\]', "[*]", name))
        if kind == "float":
            return float(value)
        if kind == "timestamp":
            return millis(value)
        return native(value)

    def account(self, report, step=()):
        nodes = report["nodes"]
        for it in nodes["empty"]:
            self.say("empty", it["node"], it["reason"])
        for it in nodes["error"]:
            self.say("error", it["node"], it["code"], escape(it["message"]))
        for it in nodes["refused"]:
            self.say("refused", it["node"], it["reason"], escape(it["message"]))
        for word in ("late", "missing"):
            for it in nodes[word]:
                self.say(word, it["node"])
        classes = "expected answered empty error refused late missing".split()
        self.say("report", " ".join(f"{word}={report[word]}" for word in classes))
        if one(step, "timeout") is not None:
            self.say("in_time", in_time(step, report["elapsed_ms"] / 1000))

    def watch(self, step):
        options = self.target(step)
        if one(step, "every"):
            options += ["--every", one(step, "every") + "ms"]
        if one(step, "delta"):
            options += ["--delta", one(step, "delta")]
        command = self.command("watch", *values(step, "pattern"), *options, "--jsonl")
        self.watching = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.next(step)

    def next(self, _step):
        object = json.loads(self.watching.stdout.readline())
        match object["kind"]:
            case "reply":
                self.reply(object)
            case "change":
                self.told("changed", object)
                for name in object.get("removed", []):
                    self.say("removed", object["node"], escape(name))
            case "enter":
                self.told("entered", object)
            case "leave":
                self.say("left", object["node"], object["reason"])
            case "failure":
                self.failed(object["error"])
            case other:
                sys.exit(f"the watch told {other}: {object}")

    def unwatch(self, _step):
        self.watching.send_signal(signal.SIGINT)
        objects = map(json.loads, self.watching.stdout)
        self.account(next(it for it in objects if it["kind"] == "report"))
        self.watching.wait()

    def nodes(self, step):
        document = self.run(self.command("nodes"))
        for it in document["nodes"] if document else []:
            if it["name"] == one(step, "name"):
                labels = ",".join(sorted(f"{key}={value}" for key, value in it["labels"].items()))
                roles = ",".join(it["roles"])
                self.say("node", it["name"], it["kind"], it["state"], escape(labels), escape(roles))

    def variables(self, step):
        document = self.run(self.command("vars", *self.target(step)))
        if document is None:
            return
        for it in document["variables"]:
            # How many nodes have it; one alone is asked.
            name, unit, _count = (it.pop(key) for key in ("name", "unit", "nodes"))
            if name.startswith(one(step, "prefix")):
                self.say("variable", one(step, "on"), escape(name), show(it), escape(unit))
        self.account(document["report"])

    def ping(self, step):
        name, timeout = one(step, "name"), one(step, "timeout")
        document = self.run(self.command("ping", "--on", name, f"--timeout={timeout}ms"))
        if document is not None:
            trips = {it["node"]: it["unicast_ms"] for it in document["replies"]}
            self.say("silent" if trips.get(name) is None else "pong", name)

    def presence(self, step):
        """Follows a node until it has been in each of the states, one after the other."""
        command = self.command("nodes", "--watch", "--jsonl")
        pipes = {"stdout": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        with subprocess.Popen(command, **pipes) as following:
            for state in values(step, "state"):
                wanted = (one(step, "name"), state)
                told = ((it["name"], it["state"]) for it in map(json.loads, following.stdout))
                self.say("presence", *next(it for it in told if it == wanted))
            following.send_signal(signal.SIGINT)


def listed(names):
    """A file of names, one a line."""
    with tempfile.NamedTemporaryFile("w", prefix="names", delete=False) as file:
        file.writelines(name + "\n" for name in names)
    return file.name


def millis(text):
    if text.endswith(" ms"):
        return Time(int(text[:-3]))
    moment, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(moment + "+00:00")
    seconds = (moment - EPOCH) // datetime.timedelta(seconds=1)
    return Time(seconds * 1000 + int(f"{fraction:0<3}"))


def native(json_value):
    if isinstance(json_value, list):
        return [native(item) for item in json_value]
    if isinstance(json_value, dict):
        if list(json_value) == ["$base64"] and isinstance(json_value["$base64"], str):
            return base64.b64decode(json_value["$base64"])
        return {key: native(item) for key, item in json_value.items()}
    return json_value


def plain(value):
    """A value as the JSON that NAME:=JSON takes."""
    if isinstance(value, bytes):
        return {"$base64": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def dry(step):
    return ["--dry-run"] if one(step, "dry_run") is not None else []


def ask(credential, scenario):
    types = {line[1]: line[2] for line in lines(scenario) if line[0] in ("variable", "setting")}
    asker = Asker(credential, types)
    for line in lines(scenario):
        if line[0] != "step":
            continue
        _, asker.step, verb, *fields = line
        if verb == "open":
            # Each command opens anew: one that asks nobody shows whether that works.
            if asker.run(asker.command("get", "host.name", "--on", "nobody.at.all")) is None:
                return
            asker.say("open")
        else:
            getattr(asker, verb)(words(fields))


match sys.argv[1:]:
    case ["answer", credential, state, scenario]:
        answer(credential, state, scenario)
    case ["ask", credential, scenario]:
        ask(credential, scenario)
    case _:
        sys.exit(__doc__)
