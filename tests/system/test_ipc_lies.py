"""A runner that lies, one device for each way there is: each dies of a protocol violation that is named, each
time, and a neighbour's events show no gap."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from eventer import EventerServer, Json  # noqa: E402
from gatewayd import WAIT_S, Gateway, probe  # noqa: E402

RUNNER = """#!/usr/bin/python3 -S
import array, json, os, socket, time
s = socket.socket(fileno=3)
s.setblocking(True)
data, fds, _, _ = socket.recv_fds(s, 65536, 1)
conf = json.loads(os.pread(fds[0], 1 << 24, 0))
def say(number, body=b"\\x90", id=0, flags=0):
    s.send(number.to_bytes(2, "little") + flags.to_bytes(2, "little") + id.to_bytes(4, "little") + body)
if conf["when"] == "name":
    say(32, b"\\x91\\x93\\x00\\xa9x.invalid\\x09", 2)
elif conf["when"] == "file":
    say(32, b"\\x91\\x93\\x03\\xab/etc/shadow\\x00", 2)
    say(34)
elif conf["when"] != "init":
    say(32, b"\\x91\\x93\\x00\\xa9127.0.0.1\\x09", 2)
if conf["when"] in ("run", "name"):
    say(34)
for packet in conf["packets"] * 200:
    s.send(bytes.fromhex(packet))
while True:
    packet = s.recv(65536)
    if packet[0] == 7:
        break
"""

PLAN, CONFIG_ERROR, READY, OPEN, CANCEL, REGISTER = 32, 33, 34, 35, 36, 37
END = ["x", 1, [0, 0], "", "", [0] * 9]
QUERY, PONG, STATS, CLOSED, LINK, HEALTH, DESCRIPTION, TRACE_FRAME = 38, 39, 40, 42, 43, 44, 45, 50
EVENT = [["gateway", "x"], None, "1"]


class Raw(bytes):
    """Bytes of msgpack as they are."""


def pack(v):
    if isinstance(v, Raw):
        return bytes(v)
    if v is None:
        return b"\xc0"
    if isinstance(v, bool):
        return b"\xc3" if v else b"\xc2"
    if isinstance(v, int):
        return b"\xd3" + v.to_bytes(8, "big", signed=True) if v < 0 else b"\xcf" + v.to_bytes(8, "big")
    if isinstance(v, float):
        return b"\xcb" + b"\x3f\xf0" + bytes(6)
    if isinstance(v, str):
        raw = v.encode("utf-8", "surrogateescape")
        return b"\xdb" + len(raw).to_bytes(4, "big") + raw
    if isinstance(v, bytes):
        return b"\xc6" + len(v).to_bytes(4, "big") + v
    if isinstance(v, dict):
        return bytes([0x80 + len(v)]) + b"".join(pack(k) + pack(x) for k, x in v.items())
    return b"\xdd" + len(v).to_bytes(4, "big") + b"".join(map(pack, v))


def packet(number, body, id=0, flags=0):
    head = number.to_bytes(2, "little") + flags.to_bytes(2, "little") + id.to_bytes(4, "little")
    return head + (body if isinstance(body, bytes) else pack(body))


def deep(n):
    return Raw(b"\x91" * n + b"\x90")


def registering(event):
    return packet(REGISTER, [event])


# name: (when, packets, what the obituary says)
LIES = {
    # the head
    "short": ("run", [b"\x01\x02\x03"], "shorter than a header"),
    "no-body": ("run", [packet(REGISTER, b"")], "cut short"),
    "unknown": ("run", [packet(46, [])], "unknown message type"),
    "zero": ("run", [packet(0, [])], "unknown message type"),
    "flags": ("run", [packet(PONG, [], 0, 0x8000)], "unknown flags"),
    "supervisors": ("run", [packet(7, [])], "not this side's message"),
    "long": ("run", [packet(REGISTER, bytes(65536))], "longer than a message"),
    # the phase
    "register-in-init": ("init", [registering(EVENT)], "not in this phase"),
    "ready-in-init": ("init", [packet(READY, [])], "not in this phase"),
    "open-in-init": ("init", [packet(OPEN, [0])], "not in this phase"),
    "query-in-init": ("init", [packet(QUERY, [["x"]])], "not in this phase"),
    "plan-later": ("plan", [packet(PLAN, [], 2)], "not in this phase"),
    "config-error-later": ("plan", [packet(CONFIG_ERROR, [1, "x", "y"])], "a fault of the configuration after the plan"),
    "ready-twice": ("run", [packet(READY, [])], "ready twice"),
    "pong-in-init": ("init", [packet(PONG, [], 1)], "pong without a ping"),
    "pong-of-another": ("run", [packet(PONG, [], 7)], "pong without a ping"),
    "pongs": ("run", [packet(PONG, [], 1)], "pong without a ping"),
    # the version
    "version-1": ("init", [packet(PLAN, [])], "speaks version 1 of the IPC contract, gatewayd speaks 2"),
    "version-3": ("init", [packet(PLAN, [], 3)], "speaks version 3 of the IPC contract, gatewayd speaks 2"),
    # the body's bytes
    "trailing": ("run", [packet(LINK, pack(["x"]) + b"\x00")], "bytes after the message"),
    "cut": ("run", [packet(REGISTER, pack([EVENT])[:-1])], "cut short"),
    "count-2-31": ("run", [packet(REGISTER, b"\xdd\x80\x00\x00\x00")], "too many elements"),
    "count-more": ("run", [packet(REGISTER, b"\xdd\x00\x00\x3f\xff")], "cut short"),
    "text-2-31": ("run", [packet(LINK, b"\x91\xdb\x80\x00\x00\x00")], "not a text, or too long"),
    "deep": ("run", [packet(REGISTER, deep(1000))], "wrong number of fields"),
    "deep-in-event": ("run", [registering([["gateway"], None, deep(9)])], "not a payload"),
    "never-used": ("run", [packet(LINK, b"\x91\xc1")], "not a text, or too long"),
    # its shape
    "nil": ("run", [packet(REGISTER, None)], "not an array, or too many elements"),
    "map": ("run", [packet(STATS, {"x": 1})], "not an array, or too many elements"),
    "extension": ("run", [packet(LINK, b"\x91\xd4\x01\x00")], "not a text, or too long"),
    "float": ("run", [packet(OPEN, [1.0])], "not an unsigned integer of 32 bits"),
    "negative": ("run", [packet(OPEN, [-1])], "not an unsigned integer of 32 bits"),
    "over-32-bits": ("run", [packet(OPEN, [1 << 32])], "not an unsigned integer of 32 bits"),
    "too-few": ("run", [packet(TRACE_FRAME, [0, 1])], "wrong number of fields"),
    "too-many": ("run", [packet(LINK, ["a", "b"])], "wrong number of fields"),
    "text-for-bytes": ("run", [packet(TRACE_FRAME, [0, 1, "", False, "", "", "", "x"])], "not bytes"),
    "bytes-for-text": ("run", [packet(LINK, [b"x"])], "not a text, or too long"),
    "long-text": ("run", [packet(LINK, ["x" * 513])], "not a text, or too long"),
    "not-utf8": ("run", [packet(LINK, ["\udcff"])], "UTF-8"),
    "surrogate": ("run", [packet(LINK, ["\udced\udca0\udc80"])], "UTF-8"),
    # events
    "no-type": ("run", [registering([[], None, "1"])], "empty event type"),
    "17-segments": ("run", [registering([["gateway"] + ["x"] * 16, None, "1"])], "not an event type"),
    "long-segment": ("run", [registering([["gateway", "x" * 513], None, "1"])], "not a text, or too long"),
    "other-source": ("run", [registering([["system", "enable"], None, "true"])], "not of source 'gateway'"),
    "other-prefix": ("run", [registering([["", "gateway"], None, "true"])], "not of source 'gateway'"),
    "running": ("run", [registering([["gateway", "running"], None, "false"])], "only the gateway registers"),
    "segment-of-one": ("run", [registering([["gateway", "a", "?"], None, "1"])], "a segment '.' or '.'"),
    "segment-of-all": ("run", [registering([["gateway", "*", "a"], None, "1"])], "a segment '.' or '.'"),
    "segment-with-nul": ("run", [registering([["gateway", "a\0b"], None, "1"])], "a NUL"),
    "a-million-us": ("run", [registering([["gateway"], [1, 1000000], "1"])], "microseconds out of range"),
    "time-of-one": ("run", [registering([["gateway"], [1], "1"])], "not a timestamp"),
    "payload-number": ("run", [registering([["gateway"], None, 1])], "not a payload"),
    "payload-of-three": ("run", [registering([["gateway"], None, ["a", b"", b""]])], "not a payload"),
    "empty-json": ("run", [registering([["gateway"], None, ""])], "not JSON"),
    "cut-json": ("run", [registering([["gateway"], None, '{"a":'])], "not JSON"),
    "two-jsons": ("run", [registering([["gateway"], None, "1 2"])], "not JSON"),
    "nan": ("run", [registering([["gateway"], None, "NaN"])], "not JSON"),
    "json-of-utf16": ("run", [registering([["gateway"], None, '"\udcff"'])], "not JSON"),
    "deep-json": ("run", [registering([["gateway"], None, "[" * 20000 + "]" * 20000])], "not JSON"),
    "second-of-two": ("run", [packet(REGISTER, [EVENT, [["system"], None, "1"]])], "not of source"),
    # one message that costs more than the whole credit: what was taken before returns as the link has room
    "over-credit": ("run", [packet(REGISTER, [EVENT] * 1500)], "more than its credit"),
    # resources
    "1025-resources": ("init", [packet(PLAN, [[0, "a", 1]] * 1025, 2)], "too many resources"),
    "unknown-resource": ("init", [packet(PLAN, [[7, "a", 1]], 2)], "unknown kind of resource"),
    "port-70000": ("init", [packet(PLAN, [[0, "a", 70000]], 2)], "unknown kind of resource"),
    "nul-in-path": ("init", [packet(PLAN, [[3, "/etc\x00/passwd", 0]], 2)], "unknown kind of resource"),
    "unnamed-file": ("file", [packet(OPEN, [0], 5)], "a file that its configuration does not name"),
    "unplanned": ("run", [packet(OPEN, [1], 5)], "not in its plan"),
    "opens-twice": ("run", [packet(OPEN, [0], 5)] * 5, "an id in use|flood of opens"),
    "flood-of-lookups": ("name", [packet(OPEN, [0], 5), packet(CANCEL, [], 5)] * 3, "flood of opens"),
    # queries
    "query-no-type": ("run", [packet(QUERY, [[]])], "empty event type"),
    "65-types": ("run", [packet(QUERY, [["x"]] * 65)], "more than 64 types"),
    "patterns": ("run", [packet(QUERY, [["?"]] * 5000)], "more than 64 types"),
    "long-queries": (
        "run",
        [packet(QUERY, [["x" * 512] * 8 + [str(i)]] * 14, i) for i in range(64)],
        "queries of more than",
    ),
    "65-queries": ("run", [packet(QUERY, [["x"]], i) for i in range(200)], "too many queries|flood"),
    # what is shown
    "33-counters": ("run", [packet(STATS, [[f"c{i}", 1] for i in range(33)])], "too many counters"),
    "1025th-remote": ("run", [packet(HEALTH, [[1024, END]])], "more than 1024 remote ends"),
    "gone-1025th": ("run", [packet(HEALTH, [[1024, None]])], "more than 1024 remote ends"),
    "unknown-health": ("run", [packet(HEALTH, [[0, ["x", 4, *END[2:]]]])], "state of a remote end"),
    "8-counters": ("run", [packet(HEALTH, [[0, [*END[:5], [0] * 8]]])], "wrong number of fields"),
    "health-in-init": ("init", [packet(HEALTH, [])], "not in this phase"),
    "flood-of-health": ("run", [packet(HEALTH, [[i, END] for i in range(400)])], "flood of health"),
    "unasked-description": ("run", [packet(DESCRIPTION, [None, []], 1)], "unsolicited"),
    "description-of-0": ("run", [packet(DESCRIPTION, [None, []])], "unsolicited"),
}


# A liar never answers a ping: its lie is what ends it, however busy the machine.
LIMITS = {"ping_ms": 30000, "credit": 65536}


class Lies(unittest.TestCase):
    def test_every_one_of_them(self):
        folder = tempfile.TemporaryDirectory(prefix="gatewayd-liar-")
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "liar")
        with open(path, "w", encoding="ascii") as f:
            f.write(RUNNER)
        os.chmod(path, 0o755)
        server = EventerServer()
        self.addCleanup(server.close)
        server.answering.clear()  # queries stay under way
        devices = [
            {"name": name, "runner": path, "type": "liar", "when": when, "packets": [p.hex() for p in packets],
             "limits": LIMITS}
            for name, (when, packets, _) in LIES.items()
        ]
        g = Gateway(
            {
                "devices": [probe("honest", interval_ms=2), *devices],
                "event_server": {"eventer_server": {"host": "127.0.0.1", "port": server.port}},
            }
        )
        self.addCleanup(g.close)
        server.wait(lambda: server.clients)

        def enable(kind, value=True):
            server.notify([server.event(f"gateway/{kind}/system/enable", Json(value))])

        enable("probe/honest")
        g.wait_state("honest", "running")
        for name, (_, packets, what) in LIES.items():
            with self.subTest(name):
                enable(f"liar/{name}")

                def obituaries():
                    return g.ctl("show", name)[0]["obituaries"]

                died = [o["cause"] for o in g.wait(obituaries, f"the end of {name}", 2 * WAIT_S)]
                self.assertRegex(died[-1], "^protocol violation: .")
                self.assertRegex(died[-1], what)
            enable(f"liar/{name}", False)
        g.wait_state(list(LIES), "disabled", 2 * WAIT_S)
        told = [e.payload.data for e in server.find("gateway/probe/honest/gateway/value/0")]
        self.assertGreater(len(told), 100)
        self.assertEqual(told, list(range(1, len(told) + 1)))
        self.assertEqual(g.status("honest")["restarts"], 0)
        # nothing of a packet with a fault in it came through, and nothing that could end the gateway
        self.assertEqual(
            [e for e in server.find("gateway/liar/second-of-two/*") if e.type[-1] != "running"], []
        )
        self.assertEqual(server.find("gateway/liar/?/system/*"), [])
        self.assertEqual(g.stop(), 0)


if __name__ == "__main__":
    unittest.main()
