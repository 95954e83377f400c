"""Manual pages against the tables of the configuration, as etc/gatewayd.schema.json has them: every key of a table
stands in CONFIGURATION of its page with its type and range, and no page has a key or a range that no table has."""

import json
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import ROOT  # noqa: E402

PAGES = {
    "gateway-modbus.7": ("modbus_master", "modbus_slave"),
    "gateway-iec101.7": ("iec101_master", "iec101_slave"),
    "gateway-iec103.7": ("iec103_master",),
    "gateway-iec104.7": ("iec104_master", "iec104_slave"),
    "gateway-iec61850.7": ("iec61850_client",),
    "gateway-ping.7": ("ping",),
    "gateway-smpp.7": ("smpp_client",),
    "gateway-snmp.7": ("snmp_manager", "snmp_trap_listener"),
}
# Words of mdoc(7) that are markup.
MACROS = {"Cm", "Li", "Ar", "Ns", "No", "Pq", "Dq", "Ql", "Qq", "Pa", "Va", "Em", "Sx", "Xr", "Po", "Pc", "Oo", "Oc"}
# Pages that leave the keys of their serial line to another one.
LINE_OF = {"gateway-iec103.7": "gateway-iec101.7"}
UNBOUNDED = 1e300
NUMBER = r"-?\d+(?:\.\d+)?"


class Key:
    """One key of a table."""

    def __init__(self, name, schema, required):
        self.name, self.required = name, required
        kinds = schema.get("type", [])
        self.kinds = set([kinds] if isinstance(kinds, str) else kinds)
        self.names = [v for v in schema.get("enum", ()) if isinstance(v, str)]
        self.nullable = "null" in self.kinds or None in schema.get("enum", ())
        self.kinds.discard("null")
        self.range = tuple(None if v is None or abs(v) >= UNBOUNDED else v
                           for v in (schema.get("minimum"), schema.get("maximum")))
        self.items = schema.get("minItems"), schema.get("maxItems")

    def faults(self, text, says_required):
        """What the text of a key lacks. says_required: the page says so of a key that is, else that one is optional."""
        for kind in self.kinds:
            if not re.search(rf"\b{kind}s?\b", text):
                yield kind
        for name in self.names:
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                yield name
        if self.nullable and not re.search(r"\bnull\b", text):
            yield "null"
        one = self.range[0] == self.range[1] and self.range[0] in numbers(text)
        if self.kinds & {"integer", "number"} and not one and self.range not in ranges(text):
            yield f"the range {self.range[0]} to {self.range[1]}"
        if "array" in self.kinds and self.items[1] and self.items[1] not in numbers(text):
            yield f"at most {self.items[1]}"
        if says_required and self.required and "required" not in text:
            yield "required"
        if not says_required and not self.required and not re.search(r"\boptional\b", text):
            yield "optional"


def numbers(text):
    return {float(n) for n in re.findall(NUMBER, text)}


def ranges(text):
    """The ranges that a text names, as the tables have them."""
    found = {(float(a), float(b)) for a, b in re.findall(rf"({NUMBER}) to ({NUMBER})", text)}
    found |= {(float(a), None) for a in re.findall(rf"({NUMBER}) or more", text)}
    return found | {(None, None)}


def keys_of(schema, found, skip=()):
    """Every Key below a schema, whatever its depth."""
    for part in (schema, *schema.get("allOf", ()), *schema.get("anyOf", ()), *schema.get("oneOf", ()),
                 *(schema[k] for k in ("if", "then", "else", "items") if k in schema)):
        if not isinstance(part, dict):
            continue
        if part is not schema:
            keys_of(part, found, skip)
            continue
        for name, value in part.get("properties", {}).items():
            if name not in skip:
                if not isinstance(value, dict):
                    continue
                found.append(Key(name, value, name in part.get("required", ())))
                keys_of(value, found)
    return found


def sections(page, *names):
    """The source of these sections, a line a macro."""
    with open(os.path.join(ROOT, "man", page), encoding="utf-8") as f:
        text = f.read().replace("\\\n", "")
    parts = re.split(r"^\.S[hs] (.*)\n", text, flags=re.M)
    heads = re.findall(r"^\.(S[hs]) ", text, re.M)
    taken, chosen = False, []
    for kind, title, body in zip(heads, parts[1::2], parts[2::2]):
        taken = title in names or taken and kind == "Ss"
        chosen += [body] if taken else []
    return "\n".join(chosen)


def entries(source):
    """(key, text, whether a list has it as its head) for each key that the source names, in order."""
    words = []
    for line in source.splitlines():
        if line.startswith("."):
            head = line.startswith(".It ")
            parts = line[1:].replace(".It ", "").split(" ")
            words += [("\0" if head and p == "Ic" else "\1") if p == "Ic" else p for p in parts]
        else:
            words += line.split(" ")
        words.append("\n")
    text = " ".join(w for w in words if w not in MACROS and w != "It")
    for m in re.finditer("([\0\1]) ([a-z]\\w*(?:(?: , |\\s+and\\s+\1 )[a-z]\\w*)*)([^\0\1]*)", text):
        for key in re.findall(r"(?!and\b)[a-z]\w*", m[2]):
            yield key, re.sub(r"\s+", " ", m[3]).strip(), m[1] == "\0"


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(ROOT, "etc/gatewayd.schema.json"), encoding="utf-8") as f:
            cls.schema = json.load(f)

    def compare(self, page, keys, *titles, says_required=False):
        told = list(entries(sections(page, *titles)))
        if page in LINE_OF:
            told += [(name, text, False) for name, text, _ in entries(sections(LINE_OF[page], "The line"))]
        for key in keys:
            best = min(([*key.faults(text, says_required)] for name, text, _ in told if name == key.name), key=len,
                       default=["the key"])
            with self.subTest(page=page, key=key.name):
                self.assertEqual(best, [], "is missing on the page")
        for name, text, head in told:
            mine = [key for key in keys if key.name == name]
            with self.subTest(page=page, entry=name):
                if head:
                    self.assertTrue(mine, "no table has the key")
                    if re.match(r"(: )?(integer|number)", text):
                        self.assertLessEqual(ranges(text) - {(None, None)}, {k.range for k in mine})

    def test_devices(self):
        common = self.schema["definitions"]["device"]["properties"]
        for page, types in PAGES.items():
            keys = []
            for t in types:
                keys_of(self.schema["definitions"][t], keys, set(common))
            self.assertGreater(len(keys), 5)
            self.compare(page, keys, "CONFIGURATION", "SERIAL LINES")

    def test_gateway(self):
        keys = keys_of({k: v for k, v in self.schema.items() if k != "allOf"}, [])
        keys_of({k: v for k, v in self.schema["definitions"]["device"].items() if k != "allOf"}, keys)
        self.assertGreater(len(keys), 40)
        self.compare("gatewayd.yaml.5", keys, "DESCRIPTION", says_required=True)

    def test_every_type_has_a_page(self):
        self.assertEqual({t for types in PAGES.values() for t in types}, set(self.schema["definitions"]) - {"device"})


if __name__ == "__main__":
    unittest.main()
