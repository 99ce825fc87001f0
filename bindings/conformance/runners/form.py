"""The form of the conformance scenario's lines and values, for the runners in Python."""

import re
import struct


def escape(text):
    """The text with each byte as \\xNN that is no printable ASCII, or is a quote or backslash."""

    def one(byte):
        return chr(byte) if 0x20 <= byte <= 0x7E and byte not in b'"\\' else f"\\x{byte:02x}"

    return "".join(map(one, text.encode()))


def unescape(text):
    """The text that `escape` wrote."""

    def one(found):
        return bytes([int(found[1], 16)])

    return re.sub(rb"\\x(..)", one, text.encode()).decode()


def lines(path):
    """The fields of every line of a scenario."""
    with open(path, encoding="ascii", newline="\n") as file:
        return [line.rstrip("\n").split("\t") for line in file]


def words(fields):
    """The words KEY=TEXT behind a step or a setting, as pairs."""
    pairs = (field.split("=", 1) for field in fields)
    # A value has escapes of its own.
    return [(key, value if key == "value" else unescape(value)) for key, value in pairs]


def values(pairs, key):
    """What stands behind every word of this key."""
    return [value for word, value in pairs if word == key]


# How many milliseconds a question may take beyond its timeout on a machine with other work.
SLACK = 500


def in_time(pairs, elapsed):
    """Whether a question took no longer than it may; None where it has no timeout."""
    timeout = one(pairs, "timeout")
    return timeout and ("yes" if elapsed * 1000 <= int(timeout) + SLACK else "no")


def one(pairs, key):
    """What stands behind the word of this key, or None."""
    return next(iter(values(pairs, key)), None)


def parse(text, time):
    """The value that a text means; `time` makes one of milliseconds since 1970."""
    value, rest = _take(text, time)
    assert not rest, text
    return value


def _take(text, time):
    if text[0] == '"':
        end = text.index('"', 1)
        return unescape(text[1:end]), text[end + 1 :]
    if text[0] in "[{":
        return _take_items(text, time)
    end = re.search(r"[],}]|$", text).start()
    return _scalar(text[:end], time), text[end:]


def _take_items(text, time):
    is_map = text[0] == "{"
    items, rest = ({} if is_map else []), text[1:]
    while rest[0] not in "]}":
        rest = rest[1:] if rest[0] == "," else rest
        if is_map:
            key, rest = _take(rest, time)
            items[key], rest = _take(rest[1:], time)
        else:
            item, rest = _take(rest, time)
            items.append(item)
    return items, rest[1:]


def _scalar(word, time):
    if word in ("null", "true", "false"):
        return {"null": None, "true": True, "false": False}[word]
    digits = word[1:]
    if word[0] == "f":
        return float("nan") if digits == "nan" else struct.unpack(">d", bytes.fromhex(digits))[0]
    return {"i": int, "t": lambda text: time(int(text)), "b": bytes.fromhex}[word[0]](digits)


def show(value):
    """The text of a value; whatever has `milliseconds` is a time."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return "fnan" if value != value else "f" + struct.pack(">d", value).hex()
    if isinstance(value, str):
        return f'"{escape(value)}"'
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, list):
        return "[" + ",".join(map(show, value)) + "]"
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: pair[0].encode())
        return "{" + ",".join(f"{show(key)}:{show(item)}" for key, item in pairs) + "}"
    return f"t{value.milliseconds}"
