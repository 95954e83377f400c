"""A slave of 100,000 points gets all of them from PyPI's hat-event; of 200,000 as well, whose answer to one query is
a frame beyond 32 MiB. These take minutes: with LONG=1. Without it 5,000 points, in parts as well."""

import os
import unittest

import many_points
from ports import free_port

try:
    import hat_site
except ImportError:
    hat_site = None

START_S = 120
LONG = unittest.skipUnless(os.environ.get("LONG"), "takes minutes: LONG=1")


@unittest.skipUnless(hat_site, "needs build/venv")
class ManyPoints(unittest.TestCase):
    def interrogation(self, backend, count):
        site = hat_site.Site()
        self.addCleanup(site.close)
        port, field = free_port(), free_port()
        site.event_server("event", 1, port, backend=backend)
        site.wait_port(port)
        many_points.fill(port, count)
        gateway = site.gateway("gw", {"eventer_server": {"host": "127.0.0.1", "port": port}},
                               [many_points.conf(field, count)])
        values = many_points.interrogate(field, START_S)
        self.assertEqual(values, {n: n % 30000 for n in range(count)})
        self.assertEqual(gateway.ctl("info")[0]["connects"], 1)

    def test_few(self):
        self.interrogation("lmdb", 5_000)

    @LONG
    def test_memory(self):
        self.interrogation("memory", 100_000)

    @LONG
    def test_lmdb(self):
        self.interrogation("lmdb", 100_000)

    @LONG
    def test_lmdb_in_parts(self):
        self.interrogation("lmdb", 200_000)


if __name__ == "__main__":
    unittest.main()
