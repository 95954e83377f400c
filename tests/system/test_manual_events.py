"""Manual pages against what each device type describes: the notes of gatewayd --check --verbose and the rows of
gatewayctl describe of a running device. Each event that they name is in the lists of its page, with its members and
words, and each event on a page is named by them."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iec_serial  # noqa: E402
import test_manual_keys  # noqa: E402
import test_send  # noqa: E402
import test_snmp_traps  # noqa: E402
from gatewayd import ROOT, Gateway, program  # noqa: E402
from iec104 import free_port  # noqa: E402

# Each type has a section of its page, and in it the parts that list what it registers and what it takes.
PARTS = {
    "modbus_master": ("MASTER", "Events from the gateway", "Events to the gateway"),
    "modbus_slave": ("SLAVE", "Events from the gateway", "Events to the gateway"),
    "iec101_master": ("EVENTS", "iec101_master registers", "iec101_master takes"),
    "iec101_slave": ("EVENTS", "iec101_slave registers", "iec101_slave takes"),
    "iec103_master": ("EVENTS", "Registered", "Taken"),
    "iec104_master": ("EVENTS", "iec104_master registers", "iec104_master takes"),
    "iec104_slave": ("EVENTS", "iec104_slave registers", "iec104_slave takes"),
    "iec61850_client": ("EVENTS", "Registered", "Taken"),
    "ping": ("EVENTS", "Registered", "Taken"),
    "smpp_client": ("EVENTS", "Registered", "Taken"),
    "snmp_manager": ("EVENTS", "Registered by snmp_manager", "Taken by snmp_manager"),
    "snmp_trap_listener": ("EVENTS", "Registered by snmp_trap_listener", None),
}
PAGES = {type_: page for page, types in test_manual_keys.PAGES.items() for type_ in types}
LINK = "the state of the connection: no data of the device, and no verb acts on it"
MASTERS = "the list of masters that are connected: no data of the device, and no verb acts on it"
# Events of a page that are no data of gatewayctl describe, with the reason; the notes have them.
NO_ROW = {
    **{(t, "gateway/status"): LINK for t in ("modbus_master", "iec101_master", "iec103_master", "iec104_master",
                                              "iec61850_client", "smpp_client", "snmp_manager")},
    **{(t, "gateway/connections"): MASTERS for t in ("modbus_slave", "iec101_slave", "iec104_slave")},
    **{(t, "gateway/counter_interrogation/*"): "the slave has confirmed it: nothing answers it"
       for t in ("iec101_slave", "iec104_slave")},
    ("iec61850_client", "gateway/entry_id/*"): "the client's own state, which it takes up again when it starts",
}


def devices():
    """One device of each type, none with a peer; slaves with all that makes an event."""
    points = [{**iec_serial.point(kind, 1, i), "freeze": kind == "BINARY_COUNTER"}
              for i, kind in enumerate(test_send.KINDS)]
    slave = iec_serial.slave101("/dev/ttyNONE3", [1], points)
    listener = {"local_host": "127.0.0.1", "local_port": free_port(), "users": [],
                "remote_devices": [test_snmp_traps.device("ups")]}
    others = [{**d, "data": points} if d["module"] == "iec104_slave" else d for d in test_send.Send.devices()]
    return [*others, {**slave, "module": "iec101_slave", "name": "s101"},
            {**listener, "module": "snmp_trap_listener", "name": "traps"}]


def read_page(page):
    with open(os.path.join(ROOT, "man", page), encoding="utf-8") as f:
        return f.read().replace("\\\n", "").replace("\\(dq", '"')


def section(text, head, part):
    """The source of a part of a section."""
    body = re.search(rf"^\.Sh {head}\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S)[1]
    return re.search(rf"^\.Ss {part}\n(.*?)(?=^\.Ss |\Z)", body, re.M | re.S)[1]


def head_type(line):
    """The event type that the head of an entry names: (type with * for what varies, names of what varies)."""
    words, out, names = line.split()[1:], "", []
    for i, word in enumerate(words):
        if i and words[i - 1] == "Ar":
            out, names = out + "*", names + [word]
        elif word not in ("Li", "Ns", "Ar"):
            out += word
    return out, names


def events(source):
    """{type: (names of what varies, text)} of the entries of a list."""
    found, last, depth, lines = {}, "", 0, []
    for line in source.splitlines(keepends=True):
        depth += line.startswith(".Bl") - line.startswith(".El")
        lines += [line] if depth else []
    source = "".join(lines)  # without what stands outside the lists
    for head, body in re.findall(r"^\.It ((?:Li )?(?:gateway|system)/.*)\n((?:(?!\.It (?:Li )?(?:gateway|system)/).*\n)*)",
                                 source, re.M):
        type_, names = head_type(".It " + head)
        if body.startswith("The same and"):
            body = last + body
        found[type_] = names, body
        last = body
    return found


def json_members(text):
    """Members of the JSON in a text, without those of an identifier, which is any JSON."""
    return set(re.findall(r'"(\w+)"\s*:', re.sub(r'(_id": ){[^}]*}', r"\1{}", text)))


def page_members(text):
    """Members of a payload that an entry names: those in JSON, and words that are marked as such."""
    marked = " ".join(re.findall(r"^\.(?:Ic|Li) (.*)$", text, re.M))
    return json_members(text) | set(re.findall(r"(?<!\S)[a-z]\w+(?!\S)", marked)) - {"true", "false", "null"}


def examples(text, type_):
    """The payloads that the page shows below a line that has such an event type."""
    shape = re.escape(type_).replace(r"\*", "[^/\n]+")
    return "\n".join(re.findall(rf"^{shape}\n((?:  .*\n)+)", text, re.M))


def members_of(form, depth=0):
    """(depth, member) of a form, and (None, word) for each word that a value may be."""
    if isinstance(form, dict):
        for key, item in form.items():
            yield depth, key.rstrip("?")
            yield from members_of(item, depth + 1)
    elif isinstance(form, list):
        yield from members_of(form[0], depth)
    elif isinstance(form, str):
        for word in form.split("|"):
            if re.fullmatch("[A-Z][A-Z_]+(\\d+\\.\\.\\d+)?", word):
                yield None, word.partition("..")[0]


def form_of(row, text):
    """A text of JSON of the description, with kinds in place of values."""
    text = text.replace("$id", '"json"').replace("$value", json.dumps(row["value"] or "json"))
    return json.loads(text) if text else None


def noted(lines):
    """The event types that notes name: 'registers below gateway: status, data/TYPE/ASDU/IO'."""
    found = set()
    for line in lines:
        text = re.sub(r" \([^)]*\)", "", line).partition(" ")[2]
        below = ""
        for item in text.split(", "):
            if item.startswith("below "):
                below, _, item = item.removeprefix("below ").partition(": ")
            if item != "nothing":
                found.add(re.sub(r"\b[A-Z]+\b", "*", f"{below}/{item}" if below else item))
    return found


def fits(type_, shape):
    a, b = type_.split("/"), shape.split("/")
    return len(a) == len(b) and all(y in ("*", x) for x, y in zip(a, b))


class Events(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.devices = {d["module"]: d["name"] for d in devices()}
        cls.g = Gateway({"devices": [{**d, "enabled": True} for d in devices()]})
        cls.addClassCleanup(cls.g.close)
        cls.g.wait_state(list(cls.devices.values()), "running")
        r = subprocess.run([program("gatewayd"), "--check", "--verbose", "--config", cls.g.config],
                           capture_output=True, text=True)
        parts = re.split(r"^(\w+) \(\w+\): runner ", r.stdout, flags=re.M)
        cls.notes = dict(zip(parts[1::2], parts[2::2]))
        cls.rows = {t: cls.g.ctl("describe", name) for t, name in cls.devices.items()}
        cls.texts = {page: read_page(page) for page in test_manual_keys.PAGES}
        with open(os.path.join(ROOT, "etc/gatewayd.schema.json"), encoding="utf-8") as f:
            schema = json.load(f)
        cls.keys = {t: {key.name for key in test_manual_keys.keys_of(schema["definitions"][t], [])} for t in PARTS}

    def page(self, type_):
        """(what it registers, what it takes), as its page lists them."""
        head, registers, takes = PARTS[type_]
        text = self.texts[PAGES[type_]]
        return events(section(text, head, registers)), events(section(text, head, takes)) if takes else {}

    def told(self, type_):
        """(event type, row, text of JSON that belongs to it, whether that has all members) of each row."""
        for row in self.rows[type_]:
            if row["gives"]:
                yield "/".join(row["gives"]), row, "$value", False
            for verb in row["verbs"]:
                yield "/".join(verb["takes"]), row, verb["form"] or verb["request"], True
                for part in (verb["match"], verb["good"]) if verb["result"] else ():
                    yield "/".join(verb["result"]), row, part, False

    def test_every_type(self):
        self.assertEqual(set(PARTS), set(PAGES))
        self.assertEqual(set(PARTS), set(self.devices))

    def test_notes(self):
        """Registers and takes of the check are the lists of the page."""
        for type_, name in self.devices.items():
            for word, listed in zip(("registers", "takes"), self.page(type_)):
                lines = re.findall(rf"^  ({word} .*)$", self.notes[name], re.M)
                with self.subTest(type_, word=word):
                    self.assertTrue(lines)
                    self.assertEqual(noted(lines), set(listed))
                    self.assertTrue(all(t.startswith(("gateway", "system")[word == "takes"]) for t in listed))

    def test_rows(self):
        """Each type of a row is on the page, and each on the page is in a row or has a reason."""
        for type_ in self.devices:
            listed = {t for part in self.page(type_) for t in part}
            seen = set()
            for event in {t for t, *_ in self.told(type_)}:
                shapes = {s for s in listed if fits(event.replace("?", "*"), s)}
                with self.subTest(type_, event=event):
                    self.assertEqual(len(shapes), 1, f"the page lists {sorted(listed)}")
                seen |= shapes
            with self.subTest(type_):
                self.assertEqual(listed - seen, {event for t, event in NO_ROW if t == type_})

    def test_payloads(self):
        """The members of a described payload are in the entry of the page, the words somewhere on the page. An entry
        of what a device takes names no member that the description does not have."""
        count = 0
        for type_ in self.devices:
            page = self.texts[PAGES[type_]]
            for listed in self.page(type_):
                for shape, (_, text) in listed.items():
                    members = page_members(text) | page_members(examples(page, shape))
                    forms = [(members_of(form_of(row, j)), whole) for t, row, j, whole in self.told(type_)
                             if fits(t.replace("?", "*"), shape)]
                    pairs = [(pair, whole) for form, whole in forms for pair in form]
                    top = {word for (depth, word), _ in pairs if depth == 0}
                    inner = {word for (depth, word), _ in pairs if depth != 0}
                    with self.subTest(type_, event=shape):
                        self.assertLessEqual(top, members)
                        self.assertEqual({w for w in inner if not re.search(rf"(?<!\w){w}(?!\w)", page)}, set())
                        if any(whole for _, whole in forms):
                            self.assertLessEqual(members, top | inner | self.keys[type_])
                    count += len(top)
        self.assertGreater(count, 40)

    def test_kinds(self):
        """The words for a type of data and of commands in IEC 60870-5-101 and 104 are those of the page."""
        for type_ in ("iec101_master", "iec104_master", "iec104_slave", "iec101_slave"):
            text = self.texts[PAGES[type_]]
            intro = re.search(r"^\.Ar TYPE\none of\n(.*?)for data, and\n(.*?)for commands", text, re.M | re.S)
            for segment, told in zip(("data", "command"), intro.groups()):
                words = {m[1] for t, *_ in self.told(type_) if (m := re.search(rf"/{segment}/([a-z]\w*)/", t))}
                with self.subTest(type_, segment=segment):
                    self.assertEqual(words, set(re.findall(r"Ql (\w+)", told)))


if __name__ == "__main__":
    unittest.main()
