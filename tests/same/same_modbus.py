"""modbus_master and modbus_slave."""

import struct
import threading

import hat.gateway.devices.modbus.master as hat_master
import hat.gateway.devices.modbus.slave as hat_slave

from patience import WAIT_S
from modbus_peer import Registers, Slave
from sides import by_type, connected, known, seen
import test_modbus_master as masters
import test_modbus_slave as slaves

UNITS = (1, 2, 7, 247)
AREAS = ("COIL", "DISCRETE_INPUT", "HOLDING_REGISTER", "INPUT_REGISTER")
MARK = 9000  # the address of what ends a step


def master_data(rng, n):
    area = rng.choice(AREAS)
    size = 1 if area in AREAS[:2] else 16
    bits = rng.randrange(1, 8) if size == 1 else rng.choice((1, 4, 8, 16, 16, 16, 17, 32, 64, 80))
    return {"name": f"d{n}", "data_type": area, "start_address": rng.choice((0, 1, 2, 5, 40, 120, 130, 300)) + rng.randrange(6),
            "bit_offset": rng.choice((0, 0, 0, rng.randrange(size * 2))), "bit_count": bits,
            "interval": rng.choice((0.05, 0.05, 0.05, None))}


def value_of(rng, bits):
    """One that fits: what does not is answered by us and sent masked or not at all by the reference."""
    return rng.choice((0, 1, (1 << bits) - 1, rng.randrange(1 << bits), -rng.randrange(1, (1 << bits - 1) + 1) if bits > 1 else 1,
                       True, False))


def writes(rng, data):
    for d in data:
        size = 1 if d["data_type"] in AREAS[:2] else 16
        if d["data_type"] in ("COIL", "HOLDING_REGISTER"):
            yield d["name"], value_of(rng, d["bit_count"]), size


def master(rng, side):
    kind = rng.choice(("TCP", "TCP", "RTU", "ASCII"))
    units = rng.sample(UNITS, rng.randrange(1, 4))
    device = Registers({a: rng.randrange(65536) for a in range(500)})
    refused = {a for a in range(0, 400) if rng.random() < 0.002}
    mark = {**masters.register("mark", MARK, 0.05)}
    remotes = [(u, [master_data(rng, n) for n in range(rng.randrange(1, 9))] + [mark]) for u in units]
    slave = Slave(kind, device=device)
    conf = masters.master_conf(slave.port, remotes, kind, connect_timeout=WAIT_S, request_timeout=WAIT_S)
    d = side("modbus", "modbus_master", hat_master.info, conf,
             {f"system/remote_device/{u}/enable": True for u in units})
    steps, split = {}, False
    try:
        turn, at, reads = [0], [0], []

        def settle(name, on=units):
            """Two whole rounds of polling, after what a step did."""
            for _ in range(2):
                turn[0] += 1
                device.values[MARK] = turn[0]
                for u in on:
                    d.wait(lambda u=u: any(e.type == f"gateway/remote_device/{u}/read/mark" and e.payload.get("value") == turn[0]
                                           for e in d.events))
            last = {}
            for e in d.events[at[0]:]:
                if "/read/" in e.type and not e.type.endswith("/mark"):
                    last[e.type] = e.payload
            at[0] = len(d.events)
            reads.append((name, last))
        settle("start")
        for n in range(rng.randrange(3, 9)):
            what = rng.choice(("change", "write", "refuse", "enable"))
            if what == "change":
                # All at once: a poll between two would see half of a value.
                device.values = {**device.values, **{rng.randrange(400): rng.randrange(65536) for _ in range(rng.randrange(1, 5))}}
            elif what == "refuse":
                device.refused = refused if rng.random() < .5 else set()
                split = True
            elif what == "write":
                u, data = rng.choice(remotes)
                # One at a time: a poll between two writes of one block sees what both had.
                for i, (name, value, _) in enumerate(writes(rng, data)):
                    ident = [n, i, {"any": None}]
                    d.send(f"system/remote_device/{u}/write/{name}", {"request_id": ident, "value": value})
                    d.wait(lambda: any(e.type == f"gateway/remote_device/{u}/write/{name}" and
                                       e.payload["request_id"] == ident for e in d.events))
                    settle("write")
            else:
                u = rng.choice(units)
                d.send(f"system/remote_device/{u}/enable", False)
                d.wait(lambda: [e for e in d.events if e.type == f"gateway/remote_device/{u}/status"][-1].payload == "DISABLED")
                d.send(f"system/remote_device/{u}/enable", True)
            settle(what)
    finally:
        d.stop()
        slave.stop()
    found = by_type(d.events)
    if split:  # what else stands in a block that is refused
        reads = [(n, {t: p for t, p in last.items() if p.get("cause") == "CHANGE"}) for n, last in reads]
    # What is seen between the parts of a write is a matter of time: what was read last in each step.
    steps["read"] = reads
    steps.update({t: v for t, v in found.items() if "/read/" not in t})
    steps["requests"] = sorted({(u, bytes(p)) for u, p in device.requests if p[0] > 4 or p[0] in (5, 6)})
    if split:
        known("a block that is refused is read in parts; hat-gateway gives its values up")
    else:
        steps["reads"] = sorted({(u, bytes(p)) for u, p in device.requests if p[0] < 5})
    return steps


def slave_data(rng, n):
    area = rng.choice(AREAS)
    size = 1 if area in AREAS[:2] else 16
    return {"name": f"d{n}", "device_id": rng.choice((1, 1, 1, 3)), "data_type": area,
            "start_address": 20 * n + rng.randrange(4), "bit_offset": rng.choice((0, 0, rng.randrange(size))),
            "bit_count": rng.randrange(1, 5) if size == 1 else rng.choice((1, 8, 16, 16, 32, 64))}


def request(rng, n):
    unit = rng.choice((1, 1, 1, 1, 3, 3, 9))
    address = rng.choice((20 * rng.randrange(n) + rng.randrange(8), rng.randrange(300)))
    fc = rng.choice((1, 2, 3, 4, 5, 6, 15, 16, 22))
    count = rng.choice((1, 1, 2, 3, 4))
    if fc < 5:
        return unit, struct.pack(">BHH", fc, address, count)
    if fc == 5:
        return unit, struct.pack(">BHH", 5, address, rng.choice((0, 0xff00)))
    if fc == 6:
        return unit, struct.pack(">BHH", 6, address, rng.randrange(65536))
    if fc == 15:
        return unit, struct.pack(">BHHBB", 15, address, count, 1, rng.randrange(1 << count))
    if fc == 16:
        return unit, struct.pack(f">BHHB{count}H", 16, address, count, 2 * count, *(rng.randrange(65536) for _ in range(count)))
    return unit, struct.pack(">BHHH", 22, address, rng.choice((0, 0xffff, 0xf0f0, rng.randrange(65536))), rng.randrange(65536))


def slave(rng, side):
    kind = rng.choice(("TCP", "RTU", "ASCII"))
    conf = slaves.tcp_conf(kind)
    conf["transport"]["response_timeout"] = WAIT_S
    several = [slave_data(rng, n) for n in range(rng.randrange(1, 10))]
    conf["data"] = [*several, slaves.data("mark", MARK)]
    latest = {f"system/data/{d['name']}": {"value": rng.randrange(1 << d["bit_count"])} for d in several if rng.random() < .8}
    d = side("modbus", "modbus_slave", hat_slave.info, conf, latest)
    verdicts = [rng.random() < .7 for _ in range(200)]
    done, answers, at = threading.Event(), [], [0]

    def answer_writes():
        n = 0
        while not done.wait(0.002):
            for e in d.events[at[0]:]:
                at[0] += 1
                if e.type == "gateway/write":
                    d.send("system/write", {"request_id": e.payload["request_id"], "success": verdicts[n % 200]})
                    n += 1
    thread = threading.Thread(target=answer_writes)
    thread.start()
    try:
        d.wait(lambda: d.events)
        master = connected(d, lambda: slaves.Master(conf["transport"]["local_port"], kind))
        d.wait(lambda: len(d.events) == 2)
        for n in range(60):
            if rng.random() < .3:
                data = rng.choice(several)
                d.send(f"system/data/{data['name']}", {"value": rng.randrange(1 << data["bit_count"])})
                d.send("system/data/mark", {"value": n + 1})
                d.wait(lambda: master.ask(struct.pack(">BHH", 3, MARK, 1), 1) == struct.pack(">BBH", 3, 2, n + 1))
            unit, pdu = request(rng, len(several))
            answers.append((unit, pdu, master.ask(pdu, unit)))
        master.close()
        d.wait(lambda: d.events[-1].payload == [])
    finally:
        done.set()
        thread.join()
        d.stop()
    events = []
    for kind, payload, stamp in seen(d.events):
        if kind == "gateway/write":
            payload = {k: v for k, v in payload.items() if k != "request_id"}
        elif payload:
            payload = [{k: v for k, v in c.items() if k not in ("local", "remote")} for c in payload]
        events.append((kind, payload, stamp))
    return {"answers": answers, "events": events}


SCENARIOS = {"modbus_master": master, "modbus_slave": slave}
