"""gatewayctl --json: what each command prints has the shape that gatewayctl(1) describes, and the page describes
every command."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, Gateway, probe  # noqa: E402
from shapes import described, faults, shape_of  # noqa: E402

DOES = {"enable", "disable", "restart", "send", "write", "command", "interrogate", "wait", "log"}
NO_JSON = {"new", "help"}


def plc(port):
    return {"module": "hat.gateway.devices.modbus.master", "name": "plc1", "enabled": True,
            "connection": {"modbus_type": "TCP", "transport": {"type": "TCP", "host": "127.0.0.1", "port": port},
                           "connect_timeout": 3, "connect_delay": 1, "request_timeout": 1, "request_delay": 0,
                           "request_retry_immediate_count": 1, "request_retry_delayed_count": 1,
                           "request_retry_delay": 1},
            "remote_devices": [{"device_id": 1, "enabled": True, "timeout_poll_delay": 1, "data": [
                {"name": name, "interval": 0.1, "data_type": "HOLDING_REGISTER", "start_address": at,
                 "bit_offset": 0, "bit_count": 16} for name, at in (("temperature", 0), ("setpoint", 7))]}]}


class Shapes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.simulator = subprocess.Popen(
            [os.path.join(BUILD, "tests", "lib", "modbus-sim"), "--registers", "8", "--period", "100"],
            stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.simulator.communicate)
        cls.addClassCleanup(cls.simulator.kill)
        port = int(re.sub(r"\D", "", cls.simulator.stdout.readline()))
        cls.g = Gateway({"devices": [plc(port), probe("p1"), probe("off")]})
        cls.addClassCleanup(cls.g.close)
        cls.ctl = cls.g.ctl
        cls.ctl("wait", "plc1", "healthy")
        cls.ctl("enable", "--wait", "p1")

    def rows(self, *args, code=0):
        r = self.ctl.run("--json", *args)
        self.assertEqual(r.returncode, code, r.stderr)
        if args[0] in ("watch", "trace"):
            return [json.loads(line) for line in r.stdout.splitlines()]
        rows = json.loads(r.stdout)
        # One object a line.
        self.assertEqual(r.stdout, "[" + ",".join("\n " + line.strip().rstrip(",") for line in
                                                  r.stdout.splitlines()[1:-1]) + ("\n]\n" if rows else "]\n"))
        return rows

    def test_each_is_as_described(self):
        shapes, seen = described(), set()
        restarts = self.g.status("p1")["restarts"]
        self.ctl("send", "p1", "do", '"exit"')
        self.g.wait(lambda: self.g.status("p1")["restarts"] > restarts, "it was restarted")
        self.ctl("wait", "p1")
        watch = self.g.ctl.start("--json", "watch", "--timeout", "1")
        self.addCleanup(watch.communicate)
        self.addCleanup(watch.kill)
        lines = [watch.stdout.readline()]
        self.ctl("restart", "--wait", "p1")
        self.g.write_config({"devices": [plc(1), probe("p1"), probe("new")]})
        results = (("enable", "p1"), ("disable", "off"), ("restart", "p1"), ("send", "p1", "x", "1"),
                   ("write", "plc1", "setpoint", "5"), ("log", "p1", "info"), ("wait", "plc1", "healthy"))
        asked = (("status",), ("top",), ("health", "--all"), ("info",), ("show", "plc1", "p1", "off"), ("events",),
                 ("events", "--since", "1h"), ("describe", "plc1"), ("read", "plc1"), ("reload", "--diff"),
                 ("trace", "--count", "2", "plc1"), *results)
        for args in asked:
            rows = self.rows(*args)
            if args[0] != "wait":
                self.assertNotEqual(rows, [], args)
            for row in rows:
                name = "result" if args[0] in DOES else shape_of(args[0], row)
                seen.add(name)
                self.assertEqual(faults(shapes, name, row), [], row)
        for line in [*lines, *watch.stdout]:
            row = json.loads(line)
            seen.add(shape_of("watch", row))
            self.assertEqual(faults(shapes, shape_of("watch", row), row), [])
        self.assertEqual({s for s in shapes if "." not in s}, seen)

    def test_every_command_has_its_shape(self):
        shapes = described()
        for name in set(re.findall(r"(?m)^  ([a-z]+) ", self.ctl.text("--help"))) - DOES - NO_JSON:
            if name not in ("watch", "trace"):
                self.assertIn(name, shapes)
            columns = self.ctl.text("complete", name, "--columns", "").split()
            if columns:
                self.assertEqual(set(columns), set(shapes[name]), name)

    def test_no_prose_in_it(self):
        """What is wrong goes to standard error; what is left is JSON."""
        for args, code in ((("status", "nobody"), 1), (("show", "nobody"), 1), (("events", "nope"), 1),
                           (("health",), 0), (("events", "gateway/x/y"), 0)):
            with self.subTest(args):
                self.assertEqual(self.rows(*args, code=code), [])
        self.g.write_config({"devices": [{"name": "x"}]})
        (row,) = self.rows("reload", code=1)
        self.assertEqual((faults(described(), "reload", row), row["change"]), ([], "error"))


if __name__ == "__main__":
    unittest.main()
