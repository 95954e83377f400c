"""Documents of YAML, as PyYAML's safe loader loads them: what we read without a word is the same value. What differs
on purpose is an error or a warning."""

import json
import math
import os
import re
import struct
import subprocess

import yaml

from sides import ROOT, known

try:
    from yaml import CSafeLoader as Loader
except ImportError:
    from yaml import SafeLoader as Loader

SCALARS = (
    "a", "b c", "''", '""', "'it''s'", '"\\n\\t\\x41\\u010d\\U0001F642"', "~", "null", "Null", "NULL", "nULL", "true", "True", "TRUE",
    "yes", "No", "on", "OFF", "y", "n", "0", "1", "-1", "+5", "007", "0o17", "0x1F", "0b101", "1_000", "-0x10", "0x_1", "1:30", "190:20:30",
    "1:90", "-1:30:00", "1.0", "-.5", ".5", "1.", "1e3", "1.0e3", "1.5e+3", "1.e+3", "1e+3", "-1.5E-3", "1_0.5", "190:20:30.15", ".inf", "-.INF", "+.Inf", ".nan", ".NaN",
    "2001-12-14", "2001-12-14t21:59:43.10-05:00", "2001-1-1", "=", "<<", "-", "- a", "a: b", "a:b", "a #b", "a#b", "#", "!x", "&", "*", "[", "{}", "[]",
    "{a: 1}", "[1, 2]", "? a", "|", ">", "%", "@a", "`a", "a, b", "00", "-0", "0.0", "1e", "e1", "1__0", "_1", "0x", "0b2", "08", "09", "1:", ":1", "--", "...", "---",
    "!!str 5", "!!int '5'", "!!float 5", "!!null ''", "!!bool yes", "!!str", "! 5", "!!set {a, b}", "!!binary aGk=", "!!omap [a: 1]", "!!map {}", "!!seq []", "!!int 0x1F",
    "!!float 1:30", "!!int 1_000", "!<tag:yaml.org,2002:str> 7", "9223372036854775808", "123456789012345678901234567890", "1.7976931348623157e+308", "1.0e+999",
    "\u010d", "\u2028", "\xa0", "\x85x", "\U0001F642", "\ufeff", "\x7f")
# Names of more than one letter: PyYAML 6.0.4 tells merged keys apart by the identity of their text in memory.
KEYS = ("aa", "bb", "cc", "dd", "'aa'", '"bb"', "1", "true", "~", "1.5", "key with space", "!!str 1", "<<", "? a", "'<<'", "\"<<\"", "-1", "2001-12-14")


def loads(text):
    try:
        yaml.load(text, Loader)
    except Exception:
        return False
    return True


# Most are right where they stand: what is wrong hides all the rest of a document.
IN_BLOCK = [x for x in SCALARS if loads(f"a: {x}\n")]
IN_FLOW = [x for x in SCALARS if loads(f"a: [{x}, {x}]\n")]
GOOD_KEYS = [x for x in KEYS if loads(f"{{{x}: 1}}") and loads(f"{x}: 1\n")]


class Text:
    """A document by chance: most are right, and mean something."""

    def __init__(self, rng):
        self.rng, self.anchors, self.maps, self.n = rng, [], [], 0

    def scalar(self, flow):
        r = self.rng
        if r.random() < .1 and self.anchors:
            return "*" + r.choice(self.anchors)
        s = r.choice((IN_FLOW if flow else IN_BLOCK) if r.random() < .98 else SCALARS) if r.random() < .8 else str(r.randrange(-5000, 5000))
        return self.anchor() + s if r.random() < .1 else s

    def anchor(self):
        self.n += 1
        name = f"n{self.n if self.rng.random() < .97 else 1}"
        self.anchors.append(name)
        return f"&{name} "

    def flow(self, depth):
        r, kind = self.rng, self.rng.random()
        if depth > 2 or kind < .5:
            return self.scalar(True)
        several = [self.flow(depth + 1) for _ in range(r.randrange(4))]
        head = self.anchor() if r.random() < .15 else ""
        if kind < .75:
            return head + "[" + ", ".join(several) + r.choice(("", "", ",")) * bool(several) + "]"
        return head + "{" + ", ".join(f"{self.key()}: {v}" for v in several) + "}"

    def key(self):
        return self.rng.choice(KEYS[:4]) if self.rng.random() < .7 else self.rng.choice(GOOD_KEYS if self.rng.random() < .95 else KEYS)

    def merged(self):
        r = self.rng
        known_maps = self.maps if r.random() < .95 else self.anchors
        names = [f"*{r.choice(known_maps)}" for _ in range(r.randrange(1, 4))] if known_maps else ["{aa: 1}"]
        return "<<: " + (names[0] if len(names) == 1 else "[" + ", ".join([*names, *["{bb: 9}"] * r.randrange(2)]) + "]")

    def block(self, depth, pad):
        maps = len(self.maps)
        found = self.block_of(depth, pad)
        del self.maps[maps:]  # what is open is no alias of its own
        self.maps += re.findall(r"^ &(n\d+) \n *[a-d]+: ", found, re.M)
        return found

    def block_of(self, depth, pad):
        r, kind = self.rng, self.rng.random()
        head = " " + self.anchor() if r.random() < .2 else ""
        if depth > 3 or kind < .3:
            return " " + self.flow(0) + "\n"
        if kind < .4:
            style = r.choice("|>") + r.choice(("", "", "-", "+", "2"))
            lines = [r.choice(("text", "more text", "", "  deep", "a: b", "# no comment", "\ttab")) for _ in range(r.randrange(4))]
            return f"{head} {style}\n" + "".join(f"{pad}  {x}\n" if x else "\n" for x in lines)
        if kind < .45:
            quote = r.choice("'\"")
            return f"{head} {quote}one\n{pad}  two\n\n{pad}  three{quote}\n"
        if kind < .5:
            return f"{head} plain\n{pad}  goes on\n"
        if kind < .7:
            return head + "\n" + "".join(f"{pad}-{self.block(depth + 1, pad + '  ')}" for _ in range(r.randrange(1, 4)))
        lines = []
        for _ in range(r.randrange(1, 5)):
            if r.random() < .2:
                lines.append(f"{pad}{self.merged()}\n")
            elif r.random() < .05:
                lines.append(f"{pad}? {self.scalar(False)}\n{pad}:{self.block(depth + 1, pad + '  ')}")
            else:
                lines.append(f"{pad}{self.key()}:{self.block(depth + 1, pad + '  ')}")
            if r.random() < .05:
                lines.append(f"{pad}# a comment\n")
        return head + "\n" + "".join(lines)

    def text(self):
        r = self.rng
        text = self.block(0, "").lstrip("\n") if r.random() < .3 else "".join(
            f"{r.choice('abcdefgh')}{n}:{self.block(1, '  ')}" for n in range(r.randrange(1, 6)))
        text = r.choice(("", "", "", "---\n", "%YAML 1.1\n---\n", "# first\n")) + text + r.choice(("",) * 8 + ("...\n", "\n\n", "---\n"))
        if r.random() < .05:
            text = text.replace("\n", r.choice(("\r\n", "\r")))
        if r.random() < .08 and text:
            at = r.randrange(len(text))
            text = text[:at] + r.choice(":-{}[]#&*!|>'\"%@`,?\t \n") + text[at + r.randrange(2):]
        coding = r.choice(("utf-8",) * 30 + ("utf-8-sig",) * 4 + ("utf-16", "utf-16-le", "utf-16-be"))
        data = text.encode(coding, "surrogatepass")
        if coding == "utf-16-be":
            data = b"\xfe\xff" + data
        return data


def plain(value):
    """As JSON would say it, or None of what JSON has not: (value,), or ()."""
    if value is None or isinstance(value, (bool, str)):
        return (value,)
    if isinstance(value, int):
        return (value,)
    if isinstance(value, float):
        return (value,) if math.isfinite(value) else ()
    if isinstance(value, list):
        items = [plain(v) for v in value]
        return ([x[0] for x in items],) if all(items) else ()
    if isinstance(value, dict):
        items = {k: plain(v) for k, v in value.items()}
        if all(isinstance(k, str) for k in items) and all(items.values()):
            return ({k: v[0] for k, v in items.items()},)
    return ()


def typed(value):
    """With what == does not tell apart: 1 and true. A float without a fraction is an integer, as in JSON Schema."""
    if isinstance(value, list):
        return [typed(v) for v in value]
    if isinstance(value, dict):
        return {k: typed(v) for k, v in value.items()}
    return (isinstance(value, bool), value)


# A document that is one flow collection may be of JSON, where 1e3 is a number; in YAML 1.1 it is text.
JSON_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?[eE][+-]?\d+")


def is_json(data):
    return isinstance(next((e for e in yaml.parse(data, Loader) if not isinstance(e, (yaml.StreamStartEvent, yaml.DocumentStartEvent)))),
                      yaml.CollectionStartEvent) and next(
        e for e in yaml.parse(data, Loader) if isinstance(e, yaml.CollectionStartEvent)).flow_style


def as_json(value):
    if isinstance(value, str) and JSON_FLOAT.fullmatch(value):
        known("1e3 in a document of one flow collection is a number, as in JSON")
        return float(value)
    if isinstance(value, list):
        return [as_json(v) for v in value]
    return {k: as_json(v) for k, v in value.items()} if isinstance(value, dict) else value


def theirs_of(data):
    """What PyYAML makes of it: (value,) or () where there is none for JSON, and why."""
    try:
        found = plain(yaml.load(data, Loader))
    except RecursionError:
        return (), "a value that holds itself"
    except Exception as e:  # PyYAML lets a ValueError of a date or an OverflowError out
        return (), f"{type(e).__name__}: {e}"[:200]
    return found, "" if found else "not JSON"


def documents(rng, side):
    """One side makes both: what is compared is what we take without a word."""
    if side.ours:
        return {"wrong": []}
    program = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests/lib/tree-json")
    wrong = []
    texts = [Text(rng).text() for _ in range(400)]
    r = subprocess.run([program, "yaml"], input=b"".join(struct.pack("<I", len(t)) + t for t in texts), capture_output=True, timeout=600)
    lines = r.stdout.split(b"\n")
    if r.returncode or len(lines) != len(texts) + 1:
        return {"wrong": [f"tree-json: {r.returncode}, {len(lines)} lines"]}
    for data, line in zip(texts, lines):
        said, _, text = line.partition(b"\t")
        found, why = theirs_of(data)
        if said.startswith(b"!") or b"!" in said and not text:
            fault = re.sub(r"[!?]\d+:\d+: |'.*?'", "", said[said.rindex(b"!"):].decode(errors="replace"))
            known(f"YAML that PyYAML takes is refused: {fault:.60}" if found else "both refuse")
        elif said:
            known("YAML is taken with a warning")
        elif not found:
            wrong.append(f"{data!r} is {text[:200]!r}, and to PyYAML {why}")
        elif typed(json.loads(text)) != typed(as_json(found[0]) if is_json(data) else found[0]):
            wrong.append(f"{data!r} is {text[:300]!r}, and to PyYAML {found[0]!r:.300}")
        else:
            known("same", 1)
    return {"wrong": wrong}


SCENARIOS = {"yaml": documents}
