"""ping: hosts that answer, and one that never does. Needs a network namespace of its own, as tests/same/run makes."""

import os

import hat.gateway.devices.ping as hat_ping


def ping(rng, side):
    hosts = [{"name": f"h{n}", "host": rng.choice(("127.0.0.1", "127.0.0.2", "127.255.0.9", "192.0.2.1", "192.0.2.77")),
              "ping_delay": rng.choice((0.1, 0.2)), "ping_timeout": rng.choice((0.1, 0.3)), "retry_count": rng.randrange(3),
              "retry_delay": rng.choice((0.05, 0.1))} for n in range(rng.randrange(1, 8))]
    d = side("icmp", "ping", hat_ping.info, {"name": "p", "remote_devices": hosts})

    def said(name):
        return [(e.type, e.payload) for e in d.events if e.type == "gateway/status/" + name]
    try:
        for h in hosts:
            # What never answers is not available from the start on.
            d.wait(lambda h=h: len(said(h["name"])) >= (2 if h["host"].startswith("127.") else 1))
    finally:
        d.stop()
    # A late answer of a busy machine is one that is missing.
    return {h["name"]: said(h["name"])[:2 if h["host"].startswith("127.") else 1] for h in hosts}


SCENARIOS = {"ping": ping} if os.environ.get("SAME_NAMESPACE") else {}
