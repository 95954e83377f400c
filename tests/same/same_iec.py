"""The devices of IEC 60870-5: 101 and 104 as master and slave, 103."""

import os
import random
import socket
import time

import hat.gateway.devices.iec101.master as hat_master101
import hat.gateway.devices.iec101.slave as hat_slave101
import hat.gateway.devices.iec103.master as hat_master103
import hat.gateway.devices.iec104.master as hat_master104
import hat.gateway.devices.iec104.slave as hat_slave104

import iec_serial
import test_station_same as station
from hat.drivers.iec60870.encodings import iec103
from iec101_station import Station as Balanced
from iec104 import Asdu, Peer, Station, asdu, free_port, master_conf, slave_conf
from patience import WAIT_S
from serial_bridge import Bridge
from sides import connected, known, seen
from test_vectors import TYPES, elements, octets

LAST = station.LAST
# Nothing that a busy machine delays is a connection that has failed.
PATIENT104 = {"response_timeout": 4 * WAIT_S, "supervisory_timeout": 2 * WAIT_S, "test_timeout": 8 * WAIT_S}
# Octets of an element that are no value of the standard cost that object here and the whole ASDU there; tags that are
# impossible or marked invalid cost the tag here and the value there, or are believed: gateway-iec104(7). None is made.
SECONDS_OK = range(60000)


def tag(rng, size):
    ms = rng.choice(SECONDS_OK)
    t = [ms & 255, ms >> 8, rng.randrange(60) | rng.choice((0, 64))]
    if size == 7:
        summer = rng.choice((0, 0, 128))
        day = rng.randrange(1, 29)
        t += [rng.randrange(24) | summer * 0, day | rng.randrange(8) << 5, rng.randrange(1, 13), rng.randrange(70)]
    return bytes(t)


def element(rng, kind, size):
    if kind == 103:
        return tag(rng, 7)
    timed = 7 if 30 <= kind <= 40 or kind >= 58 and kind <= 64 or kind == 107 else 0
    body = bytearray(octets(rng, size - timed))
    if kind == 38:
        body[0] = body[0] & 0xf8 | rng.choice((1, 2))
    if kind in (46, 59):
        body[0] = body[0] & 0xfc | rng.randrange(4)
    if kind in (47, 60):
        body[0] = body[0] & 0xfc | rng.choice((1, 2))
    return bytes(body) + (tag(rng, timed) if timed else b"")


CAUSES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 29, 36, 37, 38, 41, 44, 45, 46, 47, 50, 63)
# What has events. Commands with tags are of part 104.
MONITORED = [k for k in TYPES if k < 70] + [70, 100, 101]


def monitored(rng, tagged):
    """An ASDU, as a station may send it."""
    kind = rng.choice(MONITORED)
    size = TYPES[kind]
    timed = 30 <= kind <= 40
    if timed and not tagged and rng.random() < .5:
        kind, size, timed = 1, 1, False
    cause = rng.choice(CAUSES)
    common = rng.choice((1, 1, 2, 300, 65535))
    sq = kind < 22 and rng.random() < .3
    count = 1 if kind > 44 else rng.choice((1, 1, 1, 2, 5, 10))
    address = [rng.choice((0, 1, 100, 70000, 0xfffff0)) + rng.randrange(4) for _ in range(count)]
    if kind >= 70:
        address = [0]
    return asdu(kind, cause, common, [(a, element(rng, kind, size)) for a in address], sq=sq,
                test=rng.random() < .2, negative=kind > 44 and rng.random() < .3, originator=rng.randrange(256))


def number(rng):
    return rng.choice((0, 1, -1, 0.5, -0.25, 2, 70000, -40000, "nan", "inf", 1.5, None, True, "ON", [], {}))


VALUES = {"single": ("OFF", "ON"), "double": ("INTERMEDIATE", "OFF", "ON", "FAULT"), "regulating": ("LOWER", "HIGHER"),
          "normalized": (0, -1, 0.5, 0.999, 1), "scaled": (0, 1, -1, 32767, -32768), "floating": (0, 1.5, -2.5, "inf", "-inf", "nan", 1e30),
          "bitstring": ([0, 0, 0, 0], [1, 2, 3, 255])}


def order(rng):
    """A system event that a master makes a message of: right, or wrong in a way that both refuse."""
    stamp = rng.choice((None, None, (1700000000 + rng.randrange(10**6), rng.randrange(10**6))))
    cause = rng.choice(("ACTIVATION", "DEACTIVATION", rng.choice((3, 5, 13, 42, 63)), "NONE"))
    kind = rng.choice((*VALUES, "interrogation", "counter_interrogation"))
    if kind == "interrogation":
        return f"interrogation/{rng.choice((1, 300, 65535))}", {
            "is_test": rng.random() < .2, "request": rng.randrange(256), "cause": cause}, None
    if kind == "counter_interrogation":
        return f"counter_interrogation/{rng.choice((1, 300, 65535))}", {
            "is_test": rng.random() < .2, "request": rng.randrange(64), "cause": cause,
            "freeze": rng.choice(("READ", "FREEZE", "FREEZE_AND_RESET", "RESET"))}, None
    command = {"value": rng.choice(VALUES[kind])}
    if kind != "bitstring":
        command["select"] = rng.random() < .5
    if kind in ("single", "double", "regulating"):
        command["qualifier"] = rng.randrange(32)
    if rng.random() < .1:
        command.pop(rng.choice(list(command)))
    return (f"command/{kind}/{rng.choice((1, 2, 65535))}/{rng.choice((0, 1, 70000, 0xffffff))}",
            {"is_test": rng.random() < .2, "cause": cause, "command": command}, stamp)


GOOD = {"is_test": False, "cause": "ACTIVATION", "command": {"value": "ON", "select": False, "qualifier": 0}}


def data_of(d, at, text):
    return d.wait(lambda: next((i + 1 for i, e in enumerate(d.events[at:], at) if e.type == text), None))


def master104(rng, side):
    far = Station()
    conf = master_conf(far.port, **PATIENT104, send_window_size=rng.randrange(1, 20), receive_window_size=rng.randrange(1, 20),
                       time_sync_delay=None)
    d = side("iec60870", "iec104_master", hat_master104.info, conf)
    try:
        peer = far.accept()
        d.wait_event("gateway/status", "CONNECTED")
        at = 0
        for n in range(rng.randrange(2, 5)):
            for _ in range(rng.randrange(1, 60)):
                peer.send(monitored(rng, True))
            peer.send(station.last(n))
            at = data_of(d, at, f"gateway/data/single/1/{LAST + n}")
            for _ in range(rng.randrange(0, 20)):
                d.send(*(lambda k, p, s: (f"system/{k}", p, s))(*order(rng)))
            d.send(f"system/command/single/1/{LAST}", GOOD)
            far.wire = [*getattr(far, "wire", ()), *station.take(peer, lambda a: a.address == LAST)]
        peer.close()
    finally:
        d.stop()
        far.close()
    events = [e for e in seen(d.events) if e[0] != "gateway/status"]
    return {"events": events, "wire": far.wire}


def command101(rng, d, taken, at, n):
    """Waits for the last data of round n, then sends commands until the remote device has taken the last of them."""
    at = data_of(d, at, f"gateway/remote_device/7/data/single/1/{LAST + n}")
    start = len(taken)
    for _ in range(rng.randrange(0, 12)):
        d.send(*(lambda k, p, s: (f"system/remote_device/7/{k}", p, s))(*order(rng)))
    d.send(f"system/remote_device/7/command/single/1/{LAST}", GOOD)
    d.wait(lambda: taken[start:] and Asdu(taken[-1]).address == LAST)
    return at


def master101(rng, side):
    far = iec_serial.Remote(7)
    conf = iec_serial.master101(far.path, [iec_serial.remote(7, time_sync_delay=None, poll_class1_delay=0.005, response_timeout=WAIT_S)])
    d = side("iec60870", "iec101_master", hat_master101.info, conf, {"system/remote_device/7/enable": True})
    try:
        d.wait_event("gateway/remote_device/7/status", "CONNECTED")
        at = 0
        for n in range(rng.randrange(1, 4)):
            far.queue.extend([*(monitored(rng, True) for _ in range(rng.randrange(1, 30))), station.last(n)])
            at = command101(rng, d, far.taken, at, n)
    finally:
        d.stop()
        far.close()
    return {"events": [e for e in seen(d.events) if not e[0].endswith("status")], "wire": list(far.taken)}


KINDS = ("SINGLE", "DOUBLE", "STEP_POSITION", "BITSTRING", "NORMALIZED", "SCALED", "FLOATING", "BINARY_COUNTER",
         "PROTECTION", "PROTECTION_START", "PROTECTION_COMMAND", "STATUS")


def quality(rng, kind):
    names = ["invalid", "not_topical", "substituted", "blocked"]
    if kind == "BINARY_COUNTER":
        return {"invalid": rng.random() < .5, "adjusted": rng.random() < .5, "overflow": rng.random() < .5,
                "sequence": rng.randrange(32)}
    if kind.startswith("PROTECTION"):
        names.append("time_invalid")
    elif kind not in ("SINGLE", "DOUBLE"):
        names.append("overflow")
    return {n: rng.random() < .3 for n in names}


def flags(rng, names):
    return {n: rng.random() < .5 for n in names}


def value(rng, kind):
    if kind in ("SINGLE", "PROTECTION"):
        return rng.choice(("OFF", "ON"))
    if kind == "DOUBLE":
        return rng.choice(("INTERMEDIATE", "OFF", "ON", "FAULT"))
    if kind == "STEP_POSITION":
        return {"value": rng.randrange(-64, 64), "transient": rng.random() < .5}
    if kind == "BITSTRING":
        return list(octets(rng, 4))
    if kind == "NORMALIZED":
        return rng.choice((0, -1, 0.5, rng.randrange(-32768, 32768) / 32768))
    if kind == "SCALED":
        return rng.randrange(-32768, 32768)
    if kind == "FLOATING":
        return rng.choice((0, 1.5, -0.1, 1e30, "nan", "inf", "-inf"))
    if kind == "BINARY_COUNTER":
        return rng.choice((0, -1, (1 << 31) - 1, -(1 << 31), 7))
    if kind == "PROTECTION_START":
        return flags(rng, ("general", "l1", "l2", "l3", "ie", "reverse"))
    if kind == "PROTECTION_COMMAND":
        return flags(rng, ("general", "l1", "l2", "l3"))
    return {"value": [rng.random() < .5 for _ in range(16)], "change": [rng.random() < .5 for _ in range(16)]}


def given(rng, p, cause=None):
    """A system event of data."""
    kind = p["data_type"]
    stamp = None if kind == "STATUS" or not kind.startswith("PROTECTION") and rng.random() < .5 else (
        1700000000 + rng.randrange(10**7), rng.randrange(1000) * 1000)
    data = {"value": value(rng, kind), "quality": quality(rng, kind)}
    if kind == "PROTECTION":
        data["elapsed_time"] = rng.randrange(65536)
    if kind == "PROTECTION_START":
        data["duration_time"] = rng.randrange(65536)
    if kind == "PROTECTION_COMMAND":
        data["operating_time"] = rng.randrange(65536)
    return (f"data/{kind.lower()}/{p['asdu_address']}/{p['io_address']}",
            {"is_test": rng.random() < .2, "cause": cause or rng.choice(("SPONTANEOUS", "BACKGROUND_SCAN", "INTERROGATED_GROUP02", 7)),
             "data": data}, stamp)


def points(rng, commons):
    # In the order that both answer an interrogation in: ours is by type.
    found = [{"data_type": k, "asdu_address": a, "io_address": 100 * i + n, "buffer": rng.choice((None, None, "b"))}
             for a in commons for i, k in enumerate(KINDS) for n in range(rng.randrange(0, 3))]
    # Known to both, and what ends a step.
    return [*found, {"data_type": "SINGLE", "asdu_address": commons[0], "io_address": LAST, "buffer": None}]


def end_of(commons):
    return (f"data/single/{commons[0]}/{LAST}", {"is_test": False, "cause": 3, "data": station.VALUES["SINGLE"]}, None)


def ask(rng, commons, tagged):
    """A request that both answer alike: others stand in the manuals and in test_station_same.py."""
    what = rng.randrange(6)
    common = rng.choice((*commons, 65535))
    if what == 0:
        return asdu(100, 6, common, [(0, bytes([rng.choice((20, 21, 22, 36))]))], originator=rng.randrange(256))
    if what == 1:
        return asdu(101, 6, common, [(0, b"\5")])
    if what == 2:
        return asdu(rng.choice((100, 101)), 8, rng.choice(commons), [(0, b"\x14")])
    if what == 3:
        return asdu(103, 6, rng.choice(commons), [(0, tag(rng, 7))])
    kind = rng.choice([45, 46, 47, 48, 49, 50, 51] + [58, 59, 60, 61, 62, 63, 64] * tagged)
    size = {45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5, 51: 4}[kind if kind < 58 else kind - 13] + 7 * (kind > 57)
    return asdu(kind, rng.choice((6, 6, 8)), common if common != 65535 else commons[0],
                [(rng.randrange(1 << 24), element(rng, kind, size))], test=rng.random() < .2, originator=rng.randrange(256))


def answer(rng, connection):
    kind = rng.choice(list(VALUES))
    command = {"value": rng.choice(VALUES[kind])}
    if kind != "bitstring":
        command["select"] = rng.random() < .5
    if kind in ("single", "double", "regulating"):
        command["qualifier"] = rng.randrange(32)
    return (f"command/{kind}/1/{rng.randrange(1 << 24)}", {
        "connection_id": connection if rng.random() < .9 else 77, "is_test": rng.random() < .2, "is_negative_confirm": rng.random() < .3,
        "cause": rng.choice(("ACTIVATION_CONFIRMATION", "DEACTIVATION_CONFIRMATION", "ACTIVATION_TERMINATION", "UNKNOWN_TYPE",
                             "UNKNOWN_CAUSE", "UNKNOWN_ASDU_ADDRESS", "UNKNOWN_IO_ADDRESS", 3)),
        "command": command}, None)


def objects(asdus):
    """What the answers say, but for what stands in gateway-iec101(7) and gateway-iec104(7)."""
    found, answer = [], None
    for text in station.all_objects(asdus):
        kind, _, cause, _, originator, rest = text.split(" ", 5)
        if cause in GROUPS and kind != "100":
            known("data of a group carry its cause; hat-gateway's have that of the station", cause != "14")
            cause = "20"
        if 45 <= int(kind) <= 64:
            known("answers to commands carry the originator of the master; hat-gateway's 0")
            originator = "0"
        if kind == "101" and cause == "71" and "common 65535 " in rest:
            known("a broadcast that concerns no data is confirmed negatively; hat-gateway is silent")
            continue
        text = f"{kind} cause {cause} originator {originator} {rest}"
        if kind == "100" and cause == "7":
            answer = len(found)
        found.append(text)
        if kind == "100" and cause == "10" and answer is not None:
            known("an interrogation is answered by type; hat-gateway has the order of the configuration")
            found[answer:] = sorted(found[answer:])
    return found


GROUPS = {str(n) for n in range(20, 37)}


def play_slave(rng, d, commons, all_points, connection, send, take):
    wire = []
    for step in range(rng.randrange(2, 6)):
        if rng.random() < .5:
            for _ in range(rng.randrange(1, 15)):
                kind, payload, stamp = given(rng, rng.choice(all_points))
                d.send(f"system/{kind}", payload, stamp)
            kind, payload, stamp = end_of(commons)
            d.send(f"system/{kind}", payload, stamp)
            wire.append(objects(take(lambda a: a.address == LAST and a.type in (1, 30))))
        elif rng.random() < .5:
            for _ in range(rng.randrange(1, 6)):
                kind, payload, stamp = answer(rng, connection)
                d.send(f"system/{kind}", payload, stamp)
            kind, payload, stamp = end_of(commons)
            d.send(f"system/{kind}", payload, stamp)
            wire.append(objects(take(lambda a: a.address == LAST and a.type in (1, 30))))
        else:
            for _ in range(rng.randrange(1, 8)):
                send(ask(rng, commons, connection == 1 and tagged_of[0]))
            send(asdu(100, 8, commons[0], [(0, bytes([200 + step]))]))
            wire.append(objects(take(lambda a: a.type == 100 and a.element == bytes([200 + step]))))
    return wire


tagged_of = [True]


def events_of_slave(d):
    events = []
    for kind, payload, stamp in seen(d.events):
        if kind == "gateway/connections":
            payload = [{k: v for k, v in c.items() if k not in ("local", "remote")} for c in payload]
        events.append((kind, payload, stamp))
    return events


def latest_of(rng, all_points):
    return {f"system/{k}": p for k, p, _ in (given(rng, p) for p in all_points if rng.random() < .8)
            if not p["data"].keys() & {"elapsed_time", "duration_time", "operating_time"}}


def slave104(rng, side):
    tagged_of[0] = True
    commons = rng.choice(((1,), (1, 2), (7, 300)))
    all_points, port = points(rng, commons), free_port()
    conf = slave_conf(port, all_points, buffers=[{"name": "b", "size": rng.choice((1, 4, 100))}],
                      **PATIENT104, send_window_size=rng.randrange(1, 20), receive_window_size=rng.randrange(1, 20))
    d = side("iec60870", "iec104_slave", hat_slave104.info, conf, latest_of(rng, all_points))
    try:
        d.wait(lambda: d.events)
        peer = Peer(connected(d, lambda: socket.create_connection(("127.0.0.1", port))))
        peer.startdt()
        wire = play_slave(rng, d, commons, all_points, 1, peer.send, lambda until: station.take(peer, until))
        peer.close()
        d.wait(lambda: d.events[-1].payload == [])
    finally:
        d.stop()
    return {"wire": wire, "events": events_of_slave(d)}


def slave101(rng, side):
    tagged_of[0] = False
    commons = rng.choice(((1,), (1, 2), (7, 300)))
    all_points, far = points(rng, commons), iec_serial.RawMaster(3)
    conf = iec_serial.slave101(far.path, [3], all_points, buffers=[{"name": "b", "size": rng.choice((1, 4, 100))}], keep_alive=4 * WAIT_S)
    d = side("iec60870", "iec101_slave", hat_slave101.info, conf, latest_of(rng, all_points))
    try:
        d.wait(lambda: d.events)

        far.open_link(d.wait)

        def take(until):
            found, end = [], time.monotonic() + WAIT_S
            while not found or not until(Asdu(found[-1])):
                assert time.monotonic() < end, found[-3:]
                data = far.poll(WAIT_S)
                if data:
                    found.append(data)
            return found
        wire = play_slave(rng, d, commons, all_points, 1, lambda data: far.ask(far.DATA, data, WAIT_S), take)
    finally:
        d.stop()
        far.close()
    return {"wire": wire, "events": events_of_slave(d)}


def balanced101(rng, line, role, **keys):
    """The far end of a balanced line, in one of both directions, and the keys of ours."""
    b_to_a = rng.random() < .5
    far = Balanced(line.b, 7, 7, controlling=role == "controlling", b_to_a=b_to_a, timeout=2, tries=int(WAIT_S), **keys)
    return far, {"direction": "A_TO_B" if b_to_a else "B_TO_A", "response_timeout": WAIT_S, "status_delay": WAIT_S}


def end_balanced(side, far):
    """What the standard says is asked of ours alone."""
    far.close()
    return {"faults": far.faults if side.ours else []}


def master101_balanced(rng, side):
    with Bridge() as line:
        far, keys = balanced101(rng, line, "controlled")
        d = side("iec60870", "iec101_master", hat_master101.info, iec_serial.master101(
            line.a, [iec_serial.remote(7, True, **keys)], True), {"system/remote_device/7/enable": True})
        try:
            d.wait_event("gateway/remote_device/7/status", "CONNECTED")
            d.wait(lambda: far.up)
            at = 0
            for n in range(rng.randrange(1, 4)):
                far.send(*(monitored(rng, True) for _ in range(rng.randrange(1, 30))), station.last(n))
                at = command101(rng, d, far.received, at, n)
        finally:
            d.stop()
            found = end_balanced(side, far)
        return {"events": [e for e in seen(d.events) if not e[0].endswith("status")], "wire": list(far.received), **found}


def slave101_balanced(rng, side):
    tagged_of[0] = False
    commons = rng.choice(((1,), (1, 2), (7, 300)))
    all_points = [{**p, "with_ack": rng.random() < .7} for p in points(rng, commons)]
    with Bridge() as line:
        far, keys = balanced101(rng, line, "controlling")
        d = side("iec60870", "iec101_slave", hat_slave101.info, iec_serial.slave101(
            line.a, [7], all_points, True, buffers=[{"name": "b", "size": rng.choice((1, 4, 100))}], **keys),
                 latest_of(rng, all_points))
        read = [0]

        def take(until):
            def end():
                return next((n for n in range(read[0], len(far.received)) if until(Asdu(far.received[n]))), None)
            d.wait(lambda: end() is not None)
            start, read[0] = read[0], end() + 1
            return far.received[start:read[0]]
        try:
            d.wait(lambda: far.up and d.events and d.events[-1].payload)
            wire = play_slave(rng, d, commons, all_points, 1, far.send, take)
        finally:
            d.stop()
            found = end_balanced(side, far)
        return {"wire": wire, "events": events_of_slave(d), **found}


def time_now(rng, now):
    """Within the half day in which both take a time of day for the same moment."""
    return station.time103(now + rng.randrange(-10 * 3600, 10 * 3600))


def pushed103(rng, now):
    kind = rng.choice((1, 1, 1, 2, 3, 4, 5, 9, 23))
    cause = rng.choice((1, 2, 7, 9, 11, 12, 20, 31, 99))
    head = bytes([kind, 0x81, cause, 5, rng.randrange(256), rng.randrange(256)])
    if kind == 1:
        return head + bytes([rng.randrange(4)]) + time_now(rng, now) + octets(rng, 1)
    if kind == 2:
        return head + bytes([rng.randrange(4)]) + octets(rng, 4) + time_now(rng, now) + octets(rng, 1)
    if kind in (3, 9):
        n = rng.randrange(1, 5 if kind == 3 else 10)
        return bytes([kind, n]) + head[2:] + octets(rng, 2 * n)
    if kind == 4:
        return head + b"\0\0\x80\x3f" + octets(rng, 4) + time_now(rng, now)
    if kind == 5:
        return head + octets(rng, 13)
    return bytes([23, 0x80]) + head[2:]


common_now = [0]


def master103(rng, side):
    far = iec_serial.Remote(5)
    # The time of a message is one of day: both sides get the same.
    if not side.ours:
        common_now[0] = int(time.time())
    now = common_now[0]
    d = side("iec60870", "iec103_master", hat_master103.info,
             iec_serial.master103(far.path, [iec_serial.remote(5, time_sync_delay=None, poll_class1_delay=0.005, response_timeout=WAIT_S)]),
             {"system/remote_device/5/enable": True})
    address, wire = "system/remote_device/5/", []
    try:
        d.wait_event("gateway/remote_device/5/status", "CONNECTED")
        for n in range(rng.randrange(1, 4)):
            at = len(d.events)
            far.queue.extend([*(pushed103(rng, now) for _ in range(rng.randrange(1, 30))),
                              bytes([1, 0x81, 1, 5, 161, n, 1]) + station.time103(now) + b"\0"])
            data_of(d, at, f"gateway/remote_device/5/data/double/5/161/{n}")
            for i in range(rng.randrange(0, 4)):
                start, at = len(far.taken), len(d.events)
                io = (rng.randrange(256), rng.randrange(256))
                session = rng.choice((None, 1, "s", [n, i], {"a": [None]}))
                d.send(address + f"command/5/{io[0]}/{io[1]}", {"session_id": session, "value": rng.choice(("ON", "OFF"))})
                d.wait(lambda: far.taken[start:])
                a = far.taken[start]
                wire.append(a[:-1])  # the return information identifier is anybody's choice
                far.queue.append(bytes([1, 0x81, rng.choice((20, 21)), 5, *io, a[6]]) + station.time103(now) + a[7:])
                data_of(d, at, f"gateway/remote_device/5/command/5/{io[0]}/{io[1]}")
    finally:
        d.stop()
        far.close()
    return {"events": [e for e in seen(d.events) if not e[0].endswith("status")], "wire": wire}


SCENARIOS = {"iec104_master": master104, "iec104_slave": slave104, "iec101_master": master101, "iec101_slave": slave101,
             "iec101_master_balanced": master101_balanced, "iec101_slave_balanced": slave101_balanced,
             "iec103_master": master103}
