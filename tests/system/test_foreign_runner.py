"""A third party's runner, which has nothing of the project but gateway-ipc(7)."""

import json
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import ROOT, Gateway, program  # noqa: E402

RUNNER = os.path.join(ROOT, "tests", "lib", "foreign_runner.py")
# Python and its libraries are larger than a runner in C.
LIMITS = {"memory": 1 << 30}


def meter(**conf):
    return {"name": "meter7", "type": "acme_meter", "runner": RUNNER, "limits": LIMITS, **conf}


class Foreign(unittest.TestCase):

    def value(self, g, kind):
        for name, row in g.events("*").items():
            if name.endswith("acme_meter/meter7/gateway/" + kind):
                return row["payload"]
        return None

    def test_it_is_a_device_like_any_other(self):
        with Gateway({"devices": [meter(address="10.0.0.7")]}) as g:
            g.enable("meter7")
            g.wait_state("meter7", "running")
            g.wait(lambda: (self.value(g, "value") or 0) > 3, "values")
            g.wait_log("ready, as acme_meter meter7")
            pid = g.status("meter7")["pid"]
            g.disable("meter7")
            g.wait_state("meter7", "disabled")
            self.assertEqual(self.value(g, "last"), "words")
            self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_its_faults_have_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gatewayd.yaml")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"type": "gateway", "name": "gw", "devices": [meter()]}, f)
            r = subprocess.run([program("gatewayd"), "--check", "--config", path],
                               capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(r.returncode, 78)
            self.assertIn("expected where the meter is", r.stderr)

    def test_a_check_does_not_wait_for_one_that_goes_on(self):
        with Gateway() as g:
            g.write_config({"devices": [meter(address="10.0.0.7", heedless=True)]})
            g.ctl("reload")
            self.assertEqual(list(g.status()), ["meter7"])
            g.wait_log("broke the contract: ready, where a check is to end with its plan")
            g.enable("meter7")
            g.wait_state("meter7", "running")


if __name__ == "__main__":
    unittest.main()
