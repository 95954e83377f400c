"""A slave of 100,000 points gets all of them from gateway-eventd, whose answer to one query is cut at 16 MiB."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import many_points  # noqa: E402
from gatewayd import BUILD, WAIT_S, Gateway  # noqa: E402
from ports import free_port  # noqa: E402
from test_eventd import Eventd  # noqa: E402

COUNT = 100_000


class Slave(unittest.TestCase):
    def test_interrogation(self):
        server = self.enterContext(Eventd())
        many_points.fill(server.port, COUNT)
        port = free_port()
        g = Gateway({"devices": [many_points.conf(port, COUNT)],
                     "event_server": {"eventer_server": {"host": "127.0.0.1", "port": server.port}}})
        self.addCleanup(g.close)
        values = many_points.interrogate(port, 2 * WAIT_S)
        self.assertEqual(values, {n: n % 30000 for n in range(COUNT)})
        self.assertEqual(g.status("s1")["restarts"], 0)
        info = g.ctl("info")[0]
        self.assertGreaterEqual(info["longest_turn_us"], info["longest_turn_minute_us"])
        self.assertGreater(info["longest_turn_minute_us"], 0)
        self.assertGreater(info["longest_turn_cpu_us"], 0)
        # A sanitizer makes a turn some three times as long.
        self.assertLess(info["longest_turn_cpu_us"], 240_000 if "san" in os.path.basename(BUILD) else 60_000)


if __name__ == "__main__":
    unittest.main()
