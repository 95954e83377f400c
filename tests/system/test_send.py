"""gatewayctl send: what a device takes is sent, and what it would ignore is refused. Both are made from the
description that a running runner of each type gives: each event right, and wrong in each part."""

import copy
import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iec104  # noqa: E402
import iec_serial  # noqa: E402
import test_iec61850  # noqa: E402
from gatewayd import Gateway, program  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402
from test_modbus_slave import tcp_conf  # noqa: E402
from test_ping import host  # noqa: E402
from test_smpp import client_conf  # noqa: E402
from test_snmp_manager import A, conf as manager_conf  # noqa: E402

KINDS = ("SINGLE", "DOUBLE", "STEP_POSITION", "BITSTRING", "NORMALIZED", "SCALED", "FLOATING", "BINARY_COUNTER",
         "PROTECTION", "PROTECTION_START", "PROTECTION_COMMAND", "STATUS")
# A runner's words for an event that it does not take.
IGNORED = re.compile("(refused event|refused:|ignored)")
# Nothing is connected: what is right is refused for that alone.
NOT_NOW = re.compile("not connected|not enabled|no connection|did not send|is not open")

DEVICES = [
    {**master_conf(1, [(1, [register("x", 0), register("text", 1, type="int16")])]), "module": "modbus_master", "name": "mm"},
    {**tcp_conf(), "module": "modbus_slave", "name": "ms"},
    {**iec104.master_conf(1), "module": "iec104_master", "name": "m104"},
    {**iec104.slave_conf(iec104.free_port(), [
        {"data_type": kind, "asdu_address": 1, "io_address": i, "buffer": None} for i, kind in enumerate(KINDS)]),
     "module": "iec104_slave", "name": "s104"},
    {**iec_serial.master101("/dev/ttyNONE1", [iec_serial.remote(1)]), "module": "iec101_master", "name": "m101"},
    {**iec_serial.master103("/dev/ttyNONE2", [iec_serial.remote(1)]),
     "module": "iec103_master", "name": "m103"},
    {**manager_conf(1), "module": "snmp_manager", "name": "ups"},
    {**client_conf(1), "module": "smpp_client", "name": "sms"},
    {"module": "ping", "name": "ping", "remote_devices": [host("here")]},
]


# --- forms: the same language as gatewayctl's, read by other code ---

def kinds_of(form, row):
    """A form from a request, where the runner gives none."""
    text = form["form"] or form["request"].replace("$id", '"json"').replace("$value", json.dumps(row["value"] or "json"))
    return json.loads(text) if text else None


def value_of(kind):
    """One that is right."""
    first = kind.split("|")[0]
    word, _, span = first.partition(" ")
    if word == "integer":
        return int(span.split("..")[0]) if span else 1
    if word == "number":
        return float(span.split("..")[0]) if span else 1.5
    return {"boolean": True, "text": "123456789", "json": "j", "null": None, "oid": "1.3.6.1"}.get(word, first)


def wrong_of(kind):
    """Values that are none of it."""
    words = kind.split("|")
    wrong = [{"no": "object"}]
    if not {"text", "json"} & set(words):
        wrong.append("NONSENSE")
    for word in words:
        span = re.match(r"integer (-?\d+)\.\.(\d+)", word)
        if span and int(span[2]) < 2**62:
            wrong += [int(span[1]) - 1, int(span[2]) + 1]
    if not [w for w in words if w.startswith(("number", "json"))]:
        wrong.append(1.5)
    return [] if "json" in words else wrong


def right(form):
    if isinstance(form, dict):
        return {key.rstrip("?"): right(item) for key, item in form.items()}
    if isinstance(form, list):
        return [right(form[0])] * (form[1] if len(form) > 1 else 1)
    return value_of(form) if isinstance(form, str) and form else form


def wrongs(form):
    """Payloads that are wrong in one thing each."""
    if isinstance(form, dict):
        good = right(form)
        for key, item in form.items():
            name = key.rstrip("?")
            if name == key:
                yield {k: v for k, v in good.items() if k != name}
            for bad in wrongs(item):
                if bad is not None or name == key:
                    yield {**copy.deepcopy(good), name: bad}
        yield 7
    elif isinstance(form, list):
        yield "no list"
        if len(form) > 1:
            yield [right(form[0])] * (form[1] + 1)
        for bad in wrongs(form[0]):
            yield [bad] * (form[1] if len(form) > 1 else 1)
    elif isinstance(form, str) and form:
        yield from wrong_of(form)


class Send(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.g = Gateway({"devices": [{**d, "enabled": True} for d in cls.devices()]})
        cls.addClassCleanup(cls.g.close)
        cls.names = [d["name"] for d in cls.devices()]
        cls.g.wait_state(cls.names, "running")

    @staticmethod
    def devices():
        server = test_iec61850.config(1)
        return [*DEVICES, {**server, "module": "iec61850_client", "name": "ied"}]

    def verbs(self):
        """Device, row, verb, and a type that it takes, of each kind of event."""
        for name in self.names:
            seen = set()
            for row in self.g.ctl("describe", name):
                for verb in row["verbs"]:
                    parts = iter(row["parts"] or [])
                    type_ = [str(value_of(next(parts))) if s == "?" else s for s in verb["takes"][1:]]
                    if (*type_, verb["form"]) not in seen:
                        yield name, row, verb, type_
                    seen.add((*type_, verb["form"]))

    def send(self, name, type_, payload, *options):
        text = [] if payload is None else [json.dumps(payload)]
        return self.g.ctl.run("send", *options, name, "/".join(type_), *text)

    def test_each_right(self):
        """The device takes it: the log has no word of one that was ignored, but for want of a connection."""
        families, before = set(), len(self.g.log())
        for name, row, verb, type_ in self.verbs():
            r = self.send(name, type_, right(kinds_of(verb, row)))
            self.assertEqual(r.returncode, 0, f"{name} {row['name']} {verb}: {r.stderr}")
            families.add(name)
        self.assertEqual(families, set(self.names) - {"ping"})
        for name in families:
            # The answer comes behind what it says of the events before.
            self.g.ctl("describe", name)
        ignored = [line for line in self.g.log()[before:] if IGNORED.search(line) and not NOT_NOW.search(line)]
        self.assertEqual(ignored, [])

    def test_each_wrong(self):
        """Each form once, and each kind of type."""
        count, forms, shapes = 0, set(), set()
        for name, row, verb, type_ in self.verbs():
            good, form = right(kinds_of(verb, row)), kinds_of(verb, row)
            new_form, new_shape = json.dumps(form) not in forms, (name, verb["verb"], len(type_)) not in shapes
            forms.add(json.dumps(form))
            shapes.add((name, verb["verb"], len(type_)))
            payloads = list(wrongs(form)) if form is not None and new_form else []
            step = 1 if os.environ.get("LONG") else 1 + len(payloads) // 8
            bad = [(type_, payload) for payload in payloads[::step]]
            if not new_shape:
                count += self.refused(name, verb, bad)
                continue
            for i in range(len(type_)):
                bad.append((type_[:i] + ["nonsense"] + type_[i + 1:], good))
            at = -1
            for kind in row["parts"] or [] if "?" in verb["takes"] else []:
                at = verb["takes"].index("?", at + 1)
                if kind.startswith("integer"):
                    beyond = str(int(kind.split("..")[1]) + 1)
                    bad.append((type_[:at - 1] + [beyond] + type_[at:], good))
            bad += [(type_[:-1], good), (type_ + ["more"], good)]
            if form is not None:
                bad.append((type_, None))
            count += self.refused(name, verb, bad)
        self.assertGreater(count, 150)

    def refused(self, name, verb, events):
        """How many were refused, which is all of them."""
        bad = [(type_, payload) for type_, payload in events if not self.free(name, type_)]
        for type_, payload in bad:
            r = self.send(name, type_, payload)
            self.assertEqual(r.returncode, 1, f"{name} {type_} {payload} {verb}")
            self.assertIn(f"{name} would ignore it: ", r.stderr)
            self.assertIn("--force", r.stderr)
        return len(bad)

    def free(self, name, type_):
        """One that is another event of the same device, or no type at all."""
        return not type_ or not all(type_) or (name == "ups" and type_[:-1] in (["read"], ["write"]) and
                                               "." in type_[-1])

    def test_the_check_says_the_same(self):
        """gatewayd --check --verbose prints what a running device describes."""
        r = subprocess.run([program("gatewayd"), "--check", "--verbose", "--config", self.g.config],
                           capture_output=True, text=True)
        parts = re.split(r"^(\w+) \(\w+\): runner ", r.stdout, flags=re.M)
        said = dict(zip(parts[1::2], parts[2::2]))
        count = 0
        for name in self.names:
            rows = self.g.ctl("describe", name)
            lines = re.findall(r"^  data (.*)$", said[name], flags=re.M)
            self.assertEqual([line.partition(": ")[0] for line in lines], [row["name"] for row in rows], name)
            for row, line in zip(rows, lines):
                self.assertIn(f"{row['name']}: {row['value']}", line)
                if row["gives"]:
                    self.assertIn("; from " + "/".join(row["gives"]), line)
                for verb in row["verbs"]:
                    self.assertIn(f"; {verb['verb']} " + "/".join(verb["takes"]), line)
                count += 1
        self.assertGreater(count, 60)
        quiet = subprocess.run([program("gatewayd"), "--check", "--config", self.g.config], capture_output=True, text=True)
        self.assertNotIn("  data ", quiet.stdout)

    def test_the_nearest(self):
        for name, typed, near in (("mm", "remote_device/1/writ/x", "remote_device/1/write/x"),
                                  ("m104", "comand/single/7/9", "command/single/7/9"),
                                  ("m104", "command/singel/7/9", "command/single/7/9"),
                                  ("s104", "data/single/1/9", "data/single/1/0")):
            r = self.g.ctl.run("send", name, typed, "{}")
            self.assertEqual(r.returncode, 1)
            self.assertIn(f"did you mean '{near}'?", r.stderr)
        r = self.g.ctl.run("send", "m104", "command/single/1/1",
                           '{"is_test": false, "cause": "ACTIVATOIN", "command": {}}')
        self.assertIn("cause: expected one of ACTIVATION|DEACTIVATION|integer 0..63, found ACTIVATOIN; "
                      "did you mean 'ACTIVATION'?", r.stderr)
        r = self.g.ctl.run("send", "m104", "command/single/70000/1", '{"is_test": false}')
        self.assertIn("its type: expected an integer of 0..65535, found 70000 (common address, object address)", r.stderr)

    def test_whole_types(self):
        good = '{"request_id": "1", "value": 1}'
        prefix = "gateway/modbus_master/mm/"
        self.assertEqual(self.g.ctl.run("send", prefix + "system/remote_device/1/write/x", good).returncode, 0)
        for type_, text in (
                ("gateway/iec104_master/m014/system/interrogation/1", "no device has that name; did you mean 'm104'?"),
                ("gateway/modbus_slave/mm/system/remote_device/1/write/x", f"events for mm begin with {prefix}system/"),
                (prefix + "gateway/remote_device/1/write/x", f"events for mm begin with {prefix}system/"),
                (prefix + "system", f"events for mm begin with {prefix}system/"),
                ("gateway/else", "no device has that name"),
                (prefix + "system/remote_device/2/write/x", "mm would ignore it: it takes no event of that type")):
            r = self.g.ctl.run("send", type_, good)
            self.assertEqual((r.returncode, r.stdout), (1, ""), type_)
            self.assertIn(text, r.stderr)
        self.g.ctl("send", "--force", type_, good)
        r = self.g.ctl.run("send", prefix + "system/remote_device/1/write/x", '{"value": 1}')
        self.assertIn("the payload has no 'request_id'", r.stderr)
        r = self.g.ctl.run("send", "mm", "enable", '"on"')
        self.assertIn("'enable' has the payload true or false", r.stderr)
        self.assertEqual(self.g.ctl.run("send", "mm", "enable", "true").returncode, 0)


if __name__ == "__main__":
    unittest.main()
