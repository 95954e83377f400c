"""gatewayctl new: a block for each device type, which gatewayd takes as it is."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import program  # noqa: E402


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def new(*argv):
    return run(program("gatewayctl"), "new", *argv)


class New(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "site.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            return run(program("gatewayd"), "--check", "--strict", "--verbose", "--config", path)

    def types(self):
        r = self.check("name: g\ndevices:\n- {module: nope, name: a}\n")
        listed = re.search("expected one of (.*), found 'nope'", r.stderr)[1]
        return [t.removeprefix("hat.gateway.devices.").replace(".", "_") for t in listed.split(", ")]

    def test_each_type(self):
        types = self.types()
        self.assertGreaterEqual(len(types), 12)
        for kind in types:
            with self.subTest(kind):
                r = new(kind, 'bay 1: "x"')
                self.assertEqual((r.returncode, r.stderr), (0, ""))
                self.assertLess(max(map(len, r.stdout.splitlines())), 81)
                checked = self.check("name: g\ndevices:\n" + r.stdout)
                self.assertEqual((checked.returncode, checked.stderr.count("warning")), (0, 0), checked.stderr)
                self.assertIn(f'bay 1: "x" ({kind})', checked.stdout)

    def test_what_is_none(self):
        r = new("modbus_mastr", "a")
        self.assertEqual(r.returncode, 2)
        self.assertIn("did you mean 'modbus_master'?", r.stderr)
        for argv in ((), ("ping",), ("ping", "a", "b")):
            self.assertEqual((new(*argv).returncode, new(*argv).stdout), (2, ""))


if __name__ == "__main__":
    unittest.main()
