"""iec61850_client with many points: the memory that they take. With LONG=1, 50 of them in as many runners."""

import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, Gateway  # noqa: E402
from mms import Bits, Server, Variable  # noqa: E402
from runner_host import Runner  # noqa: E402
from test_iec61850 import GOOD, MV, NOW, RUNNER, attributes, bits, block, config, dataset, ref, typed  # noqa: E402

BLOCKS, MEMBERS = 20, 100
SERVERS, CHANGES_A_MINUTE = 50, 100_000
MEMORY_KIB, POINT_KIB = 2048, 1


def large(port, name="bay"):
    """20 report control blocks, each with a data set of 100 measured values."""
    where = [(n, i, f"MMXU{n}") for n in range(BLOCKS) for i in range(MEMBERS)]

    def value(i, node, *path):
        return ref(f"An{i}", *path, fc="MX", node=node)
    return {**config(port), "name": name,
            "value_types": [typed(f"An{i}", MV, "MX", node) for _, i, node in where],
            "datasets": [{"ref": dataset(f"ds{n}"), "dynamic": False,
                          "values": [value(i, f"MMXU{n}") for i in range(MEMBERS)]} for n in range(BLOCKS)],
            "rcbs": [{"ref": block(f"brcb{n}"), "report_id": f"r{n}", "dataset": dataset(f"ds{n}")}
                     for n in range(BLOCKS)],
            "data": [{"name": f"d{n}.{i}", "rcb": block(f"brcb{n}"), "value": value(i, node, "mag", "f"),
                      "quality": value(i, node, "q"), "timestamp": value(i, node, "t")} for n, i, node in where],
            "commands": [], "changes": []}


def small(port, name):
    """The same in as few octets as it can be said in: 50 of them are a configuration file of 25 MB."""
    def member(n, i):
        return {"logical_device": "L", "logical_node": f"M{n}", "fc": "MX", "names": ["A", f"m{i}"]}

    def rcb(n):
        return {"logical_device": "L", "logical_node": "L", "type": "BUFFERED", "name": f"b{n}"}
    kind = {"type": "STRUCT", "elements": [{"name": f"m{i}", "type": "FLOAT"} for i in range(MEMBERS)]}
    sets = [{"logical_device": "L", "logical_node": "L", "name": f"d{n}"} for n in range(BLOCKS)]
    return {**config(port), "name": name, "commands": [], "changes": [],
            "value_types": [{"logical_device": "L", "logical_node": f"M{n}", "fc": "MX", "name": "A", "type": kind}
                            for n in range(BLOCKS)],
            "datasets": [{"ref": sets[n], "dynamic": False, "values": [member(n, i) for i in range(MEMBERS)]}
                         for n in range(BLOCKS)],
            "rcbs": [{"ref": rcb(n), "report_id": f"r{n}", "dataset": sets[n]} for n in range(BLOCKS)],
            "data": [{"name": f"d{n}.{i}", "rcb": rcb(n), "value": member(n, i)}
                     for n in range(BLOCKS) for i in range(MEMBERS)]}


def server(domain="LD0", dataset_name="LD0/LLN0$ds", item="LLN0$BR$brcb"):
    variables = {}
    for n in range(BLOCKS):
        variables.update({Variable(domain, v.item): value for v, value in
                          attributes(f"r{n}", f"{dataset_name}{n}", 1, f"{item}{n}").items()})
    return Server(variables)


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


class Memory(unittest.TestCase):
    @unittest.skipIf("san" in os.path.basename(BUILD), "a sanitizer's own memory")
    def test_of_2000_points(self):
        s = server()
        self.addCleanup(s.close)
        r = Runner(RUNNER, "iec61850_client", large(s.port))
        self.addCleanup(r.stop)
        s.wait_write("GI", BLOCKS)
        for n in range(BLOCKS):
            s.session().report(f"r{n}", bits(10), Bits("1" * MEMBERS), *([[1.5], GOOD, NOW] for _ in range(MEMBERS)))
        r.wait(lambda: sum(e.type.startswith("gateway/data") for e in r.events) >= BLOCKS * MEMBERS)
        self.assertLessEqual(pss_kib(r.process.pid), MEMORY_KIB + BLOCKS * MEMBERS * POINT_KIB)


@unittest.skipUnless(os.environ.get("LONG"), "a minute and a half; LONG=1")
class FiftyServers(unittest.TestCase):
    @staticmethod
    def registered(g):
        return sum(row["runner_counters"].get("events", 0) for row in g.ctl("show", "*"))

    def test_a_minute(self):
        """50 servers, 20 reports each of 100 members: 100,000 changes of values in a minute, each registered."""
        servers = [server("L", "L/L$d", "L$BR$b") for _ in range(SERVERS)]
        for s in servers:
            s.patience = None
            self.addCleanup(s.close)
        names = [f"bay{i}" for i in range(SERVERS)]
        g = Gateway(start=False)
        self.addCleanup(g.close)
        g.write_config(json.dumps({"type": "gateway", "name": "gw", "devices": [
            {"module": "hat.gateway.devices.iec61850.client", **small(s.port, name)}
            for s, name in zip(servers, names)]}, separators=(",", ":")))
        g.start()
        begin = time.monotonic()
        for name in names:
            g.enable(name)
        for s in servers:
            s.wait_write("GI", BLOCKS)
        print(f"{SERVERS} servers, {SERVERS * BLOCKS} blocks set up in {time.monotonic() - begin:.1f} s", file=sys.stderr)
        begin, sent, turn = time.monotonic(), 0, 0
        while sent < CHANGES_A_MINUTE:
            for s in servers:
                s.session().report(f"r{turn % BLOCKS}", bits(10), Bits("1" * 10 + "0" * (MEMBERS - 10)),
                                   *(float(turn + i) for i in range(10)))
                sent += 10
            turn += 1
            # As many as a minute has for them.
            time.sleep(max(0, begin + 60 * sent / CHANGES_A_MINUTE - time.monotonic()))
        try:
            g.wait(lambda: self.registered(g) >= sent, "each change is registered", 30)
        finally:
            print(f"{self.registered(g)} of {sent} registered", file=sys.stderr)
        print(f"{sent} changes in {time.monotonic() - begin:.1f} s", file=sys.stderr)
        self.assertLess(time.monotonic() - begin, 75)
        self.assertEqual(self.registered(g), sent)
        kib = [pss_kib(row["pid"]) for row in g.ctl("status")]
        self.assertEqual(len(kib), SERVERS)
        print(f"{max(kib)} KiB a runner at most", file=sys.stderr)
        self.assertLessEqual(max(kib), MEMORY_KIB + BLOCKS * MEMBERS * POINT_KIB)


if __name__ == "__main__":
    unittest.main()
