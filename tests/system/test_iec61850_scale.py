"""iec61850_client with many points: the memory that they take. With LONG=1, 50 of them in as many runners."""

import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, Gateway  # noqa: E402
from mms import Bits, Server  # noqa: E402
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


def server():
    variables = {}
    for n in range(BLOCKS):
        variables.update(attributes(f"r{n}", f"LD0/LLN0$ds{n}", 1, f"LLN0$BR$brcb{n}"))
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
    def test_a_minute(self):
        """50 servers, 20 reports each of 100 members: 100,000 changes of values in a minute, each registered."""
        servers = [server() for _ in range(SERVERS)]
        for s in servers:
            self.addCleanup(s.close)
        names = [f"bay{i}" for i in range(SERVERS)]
        g = self.enterContext(Gateway({"devices": [
            {"module": "hat.gateway.devices.iec61850.client", **large(s.port, name)} for s, name in zip(servers, names)]}))
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
                                   *([[float(turn + i)], GOOD, NOW] for i in range(10)))
                sent += 10
            turn += 1
            # As many as a minute has for them.
            time.sleep(max(0, begin + 60 * sent / CHANGES_A_MINUTE - time.monotonic()))
        counted = g.wait(lambda: self.count(g, names, sent), 60)
        self.assertLess(time.monotonic() - begin, 75)
        self.assertEqual(counted, sent)
        kib = [pss_kib(g.show(n)["pid"]) for n in names]
        print(f"{counted} changes, {max(kib)} KiB a runner at most", file=sys.stderr)
        self.assertLessEqual(max(kib), MEMORY_KIB + BLOCKS * MEMBERS * POINT_KIB)


if __name__ == "__main__":
    unittest.main()
