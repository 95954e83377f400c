"""snmp_manager at one agent, snmp_trap_listener with one sender."""

import time

import hat.gateway.devices.snmp.manager as hat_manager
import hat.gateway.devices.snmp.trap_listener as hat_listener

import snmp
from patience import WAIT_S
from ports import free_port
from sides import seen

BASE = "1.3.6.1.4.1.99."
STATUS = "gateway/status"


def octets(rng, n):
    return bytes(rng.randrange(256) for _ in range(n))


def number(rng, size):
    n = rng.randrange(1, size + 1)
    v = octets(rng, n)
    # As BER has it: no octet more than needed.
    # Not -128 and its like: hat-gateway proves an authentication by encoding again, and has one octet more there.
    if v[0] == 128 and not any(v[1:]):
        return b"\x81"
    while len(v) > 1 and (v[0] == 0 and v[1] < 128 or v[0] == 255 and v[1] > 127):
        v = v[1:]
    return v


def unsigned(rng, size):
    v = rng.choice((0, 1, 127, 128, (1 << 8 * size) - 1, rng.randrange(1 << 8 * size)))
    return v.to_bytes(v.bit_length() // 8 + 1, "big")


def bound_value(rng):
    """Tag and content of what an agent or a trap may hold."""
    return rng.choice((
        lambda: (snmp.INTEGER, number(rng, 4)), lambda: (snmp.COUNTER, unsigned(rng, 4)),
        lambda: (snmp.GAUGE, unsigned(rng, 4)), lambda: (snmp.TICKS, unsigned(rng, 4)),
        lambda: (snmp.COUNTER64, unsigned(rng, 8)), lambda: (snmp.IP, octets(rng, 4)),
        lambda: (snmp.STRING, rng.choice((b"", b"text", "žć".encode(), b"a\xffb", b"\0\1", octets(rng, 5)))),
        lambda: (snmp.OPAQUE, octets(rng, 4)),
        lambda: (snmp.OID, snmp.oid_content(f"1.3.6.1.{rng.randrange(1 << 31)}.0")),
    ))()


def written(rng):
    return rng.choice((
        {"type": "INTEGER", "value": rng.choice((0, -1, 127, 128, -129, (1 << 31) - 1))},
        {"type": "UNSIGNED", "value": rng.choice((0, 127, 128, (1 << 32) - 1))},
        {"type": "COUNTER", "value": 300}, {"type": "BIG_COUNTER", "value": (1 << 63) + 5},
        {"type": "STRING", "value": rng.choice(("", "text", "žć"))},
        {"type": "STRING_HEX", "value": "00ff10"},
        {"type": "OBJECT_ID", "value": "1.3.6.1.4.1.70000"}, {"type": "IP_ADDRESS", "value": "10.1.2.3"},
        {"type": "TIME_TICKS", "value": 70000}, {"type": "ARBITRARY", "value": "a0ff"}))


def manager(rng, side):
    version = rng.choice(("V1", "V2C", "V3"))
    names = [f"{BASE}{n}.0" for n in range(rng.randrange(1, 10))]
    held = {n: bound_value(rng) for n in names if rng.random() < .8}
    if version == "V1":  # see below: hat-gateway takes no answer with 64 bits
        held = {n: v for n, v in held.items() if v[0] != snmp.COUNTER64}
    agent = snmp.Agent(held,
                       ("operator", "MD5", "password1") if version == "V3" else None)
    who = {"community": "public"} if version != "V3" else {
        "context": None, "user": "operator", "privacy": None, "authentication": {"type": "MD5", "password": "password1"}}
    conf = {"name": "m", "version": version, **who, "remote_host": "127.0.0.1", "remote_port": agent.port,
            "connect_delay": 0.2, "request_timeout": WAIT_S, "request_retry_count": 1, "request_retry_delay": 0.05,
            "polling_delay": 0.05, "polling_oids": names, "string_hex_oids": [n for n in names if rng.random() < .3]}
    d = side("snmp", "snmp_manager", hat_manager.info, conf)
    sets = []
    try:
        d.wait(lambda: {f"gateway/read/{n}" for n in names} <= {e.type for e in d.events})
        for step in range(rng.randrange(1, 8)):
            what, name = rng.choice(("change", "read", "write")), rng.choice(names)
            session = rng.choice((None, 1, "s", [step], {"a": step}))
            at = len(d.events)
            if what == "change":
                # Another number too: hat-gateway takes the counter 1 and the integer 1 for the same.
                agent.values[name] = (snmp.INTEGER, bytes([0x45, 0x67, step]))
                d.wait(lambda: any(e.type == f"gateway/read/{name}" for e in d.events[at:]))
            elif what == "read":
                d.send(f"system/read/{name}", {"session_id": session})
                d.wait(lambda: any(e.type == f"gateway/read/{name}" and e.payload["cause"] == "REQUESTED" for e in d.events[at:]))
            else:
                target = BASE + f"77.{step}"
                data = written(rng)
                if version == "V1" and data["type"] == "BIG_COUNTER":  # none of version 1: hat-gateway says nothing
                    data["value"], data["type"] = 7, "INTEGER"
                d.send(f"system/write/{target}", {"session_id": session, "data": data})
                d.wait(lambda: any(e.type == f"gateway/write/{target}" for e in d.events[at:]))
                sets.append((target, agent.values.get(target)))
    finally:
        d.stop()
        agent.stop()
    return {"events": [e for e in seen(d.events) if e[0] != STATUS], "sets": sets}


def listener(rng, side):
    port = free_port()
    names = [f"{BASE}{n}.0" for n in range(6)]
    context = {"engine_id": snmp.ENGINE.hex(), "name": "bay"}
    remotes = [{"version": v, "community": c, "name": f"{v}{c}", "oids": rng.sample(names, rng.randrange(7)) + [snmp.UPTIME],
                "string_hex_oids": rng.sample(names, 2)} for v in ("V1", "V2C") for c in (None, "public", "other")]
    remotes += [{"version": "V3", "context": c, "name": f"V3{i}", "oids": [*rng.sample(names, 4), snmp.UPTIME], "string_hex_oids": rng.sample(names, 2)}
                for i, c in enumerate((None, context, {**context, "name": "other"}))]
    rng.shuffle(remotes)
    conf = {"name": "t", "local_host": "127.0.0.1", "local_port": port, "users": [
        {"name": "open", "authentication": None, "privacy": None},
        {"name": "auth", "authentication": {"type": "SHA", "password": "password1"}, "privacy": None}], "remote_devices": [
            *remotes, {"version": "V2C", "community": "end", "name": "end", "oids": [BASE + "9"], "string_hex_oids": []}]}
    key = snmp.key("SHA", "password1", snmp.ENGINE)
    d = side("snmp", "snmp_trap_listener", hat_listener.info, conf)
    answers = []
    try:
        d.wait(lambda: getattr(d, "ready", True))
        with snmp.bound() as s:
            s.settimeout(WAIT_S)

            def mark(n):
                s.sendto(snmp.trap_v2c([(BASE + "9", snmp.INTEGER, bytes([n]))], "end"), ("127.0.0.1", port))

            def seen_mark(n):
                return any(e.type.startswith("gateway/data/end/") and e.payload.get("value") == n for e in d.events)

            def heard():
                """No more traps than the socket holds, however long the device takes."""
                if not seen_mark(0) and time.monotonic() > again[0]:
                    again[:] = time.monotonic() + again[1], again[1] * 1.5
                    mark(0)
                return seen_mark(0)
            again = [0, 0.05]
            d.wait(heard)  # a socket that is there
            mark(101)
            d.wait(lambda: seen_mark(101))
            for n in range(1, rng.randrange(3, 20)):
                values = [(name, *bound_value(rng)) for name in rng.sample(names, rng.randrange(1, 6))]
                community = rng.choice(("public", "public", "other", "x", ""))
                kind = rng.choice(("v1", "v2", "inform", "v3", "v3 auth"))
                if kind == "v1":
                    # 64 bits are not of version 1: hat-gateway loses such a trap, ours gives what it has.
                    values = [v for v in values if v[1] != snmp.COUNTER64]
                    datagram = snmp.trap_v1(values, community)
                elif kind == "v2":
                    datagram = snmp.trap_v2c(values, community)
                elif kind == "inform":
                    datagram = snmp.trap_v2c(values, community, kind=snmp.INFORM, request_id=n)
                else:
                    auth = kind == "v3 auth"
                    datagram = snmp.v3(snmp.pdu(snmp.TRAP, n, snmp.trap_bindings(values)), n, snmp.AUTH if auth else 0,
                                       user="auth" if auth else "open", auth="SHA" if auth else None,
                                       auth_key=key if auth else None, context=rng.choice((b"bay", b"other", b"none")))
                s.sendto(datagram, ("127.0.0.1", port))
                if kind == "inform":
                    answers.append(snmp.Message(s.recv(2000)).bindings)
            mark(100)
            d.wait(lambda: seen_mark(100))
    finally:
        d.stop()
    events = [e for e in seen(d.events) if not e[0].startswith("gateway/data/end/")]
    return {"events": events, "answers": answers}


SCENARIOS = {"snmp_manager": manager, "snmp_trap_listener": listener}
