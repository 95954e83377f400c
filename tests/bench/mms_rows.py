"""Rows of IEC 61850."""

import bench
from bench import Scene, row
from rows import per_event, relayed, writes

BLOCKS, MEMBERS = 20, 10


def client(port):
    """Blocks of a data set each, which lives as long as the association, of measured values."""

    def ref(n, *names):
        return {"logical_device": "L", "logical_node": f"M{n}", "fc": "MX", "names": ["A", *names]}

    def block(n):
        return {"logical_device": "L", "logical_node": "LLN0", "type": "UNBUFFERED", "name": f"u{n}"}

    def typed(node, name, fc, *elements):
        return {"logical_device": "L", "logical_node": node, "fc": fc, "name": name,
                "type": {"type": "STRUCT", "elements": [{"name": n, "type": t} for n, t in elements]}}

    values = [f"m{i}" for i in range(MEMBERS)]
    oper = {"type": "STRUCT", "elements": [{"name": "ctlVal", "type": "INTEGER"}]}
    return {
        "module": "hat.gateway.devices.iec61850.client",
        "name": "s",
        "connection": {"host": "127.0.0.1", "port": port, "connect_timeout": 5, "reconnect_delay": 0.01,
                       "response_timeout": 5, "status_delay": 60, "status_timeout": 5},
        "value_types": [*(typed(f"M{n}", "A", "MX", *((m, "FLOAT") for m in values)) for n in range(BLOCKS)),
                        typed("M0", "C", "CO", ("Oper", oper))],
        "datasets": [{"ref": f"d{n}", "dynamic": True, "values": [ref(n, m) for m in values]} for n in range(BLOCKS)],
        "rcbs": [{"ref": block(n), "report_id": f"u{n}", "dataset": f"d{n}"} for n in range(BLOCKS)],
        "data": [{"name": f"{n}.{m}", "rcb": block(n), "value": ref(n, m)} for n in range(BLOCKS) for m in values],
        "commands": [{"name": "c", "model": "DIRECT_WITH_NORMAL_SECURITY", "with_operate_time": False,
                      "ref": {"logical_device": "L", "logical_node": "M0", "name": "C"}}],
        "changes": [],
    }


def interrogated(scene):
    bench.wait(lambda: scene.device.ask("count")["reports"] >= BLOCKS, "reports")


def reports(side, mode):
    with Scene(side, ("mms_device", mode, BLOCKS, MEMBERS), [client]) as s:
        interrogated(s)
        return s.windows(lambda w: per_event(side, w))


@row("iec61850-report-10")
def report(side):
    """1,000 reports a second of 10 members, those of 20 blocks at once, as after a fault in the bay: ours is to take a
    twentieth of hat-gateway's CPU."""
    return reports(side, "burst")


@row("iec61850-report-each")
def report_each(side):
    """The same number of reports, each for itself: with nothing else to do, most of it is waking up."""
    return reports(side, "reports")


@row("iec61850-setup-20")
def setup(side):
    """The connection to the interrogation of the last of 20 report control blocks, whose data sets are made."""
    samples, count = [], 3 if bench.QUICK else 10
    with Scene(side, ("mms_device", "setup", BLOCKS, MEMBERS), [client]) as s:
        for _ in range(bench.WINDOWS):
            before = s.device.ask()["setups"]
            bench.wait(lambda b=before: s.device.ask("count")["setups"] >= b + count, "associations")
            age = s.device.ask()["age"]
            samples.append({"p50 ms": age["p50"] / 1e3, "max ms": age["max"] / 1e3})
    return samples


@row("iec61850-command", {"p50 us - floor": 30, "p99 us - floor": 200})
def command(side):
    """A command event to the request at the server, beyond the bare way between the same cores. hat-gateway cannot do
    900 a second: it gets 200."""
    with bench.realtime(), Scene(side, ("mms_device", "still", BLOCKS, MEMBERS), [client]) as s:
        floors = [relayed()]
        interrogated(s)
        ages = writes(s, "mms", "gateway/iec61850_client/s/system/command/c", 1100 if side == "ours" else 5000)
        # The machine is not the same from one second to the next: the floor is that of before and after.
        floors.append(relayed())
        bare = {name: sum(f[name] for f in floors) / 2 for name in floors[0]}
        return [
            {
                **bare,
                "p50 us": d["age"]["p50"],
                "p99 us": d["age"]["p99"],
                "p50 us - floor": d["age"]["p50"] - bare["floor p50 us"],
                "p99 us - floor": d["age"]["p99"] - bare["floor p99 us"],
            }
            for d, _ in ages
        ]
