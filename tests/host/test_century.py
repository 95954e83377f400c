"""A whole gateway under other clocks: devices go on, and what they say has the time of the clock.

A shim that the loader preloads gives gatewayd, gateway-eventd and the runners another CLOCK_REALTIME; a namespace for
time does not have one."""

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]

import iec_serial  # noqa: E402
import namespaces as ns  # noqa: E402
from gatewayd import BUILD, ROOT, Gateway  # noqa: E402
from test_clock import CENTURY_S, Clock  # noqa: E402

REMOTE = {"address": 1, "response_timeout": 2, "send_retry_count": 3, "poll_class1_delay": 0.1, "poll_class2_delay": 1,
          "reconnect_delay": 1, "time_sync_delay": None}


def seconds(text):
    return datetime.datetime.fromisoformat(text).timestamp()


@unittest.skipIf("san" in os.path.basename(BUILD), "sanitizers want to be preloaded first")
@ns.needs_mounts
class Clocks(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.chmod(self.dir, 0o755)
        self.clock = Clock(self.dir)
        os.chmod(os.path.join(self.dir, "clock"), 0o644)
        shim = os.path.join(self.dir, "clock.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", f'-DCLOCK_SHIM_FILE="{self.dir}/clock"', "-o", shim,
                        os.path.join(ROOT, "tests", "lib", "clock_shim.c")], check=True)
        self.station = iec_serial.Station103(period=0.2, spoil=1 << 30)
        self.addCleanup(self.station.close)
        conf = {**iec_serial.master103(self.station.path, [REMOTE]), "name": "relay", "module": "hat.gateway.devices.iec103.master"}
        # Without the outer lock, which lets a runner's loader read no /etc/ld.so.preload.
        self.g = Gateway({"devices": [conf], "sandbox": "off"}, start=False)
        self.addCleanup(self.g.close)
        layer = os.path.join(self.dir, "layer")
        libexec = os.path.join(BUILD, "libexec")
        # The program that is linked statically has no loader; its twin for TLS has one.
        self.g.wrap = ns.wrap(f"mount --bind '{libexec}/iec60870-tls' '{libexec}/iec60870'\nmkdir -p '{layer}'\n"
                              f"mount -t tmpfs none '{layer}'\nmkdir '{layer}/upper' '{layer}/work'\n"
                              f"echo '{shim}' >'{layer}/upper/ld.so.preload'\n"
                              f"mount -t overlay -o 'lowerdir=/etc,upperdir={layer}/upper,workdir={layer}/work' none /etc", "-m")

    def begin(self):
        self.g.start()
        self.g.enable("relay")
        self.g.wait_state("relay", "running")
        self.g.ctl("send", "relay", "remote_device/1/enable", "true")
        self.pid = self.g.status("relay")["pid"]

    def data(self):
        """The newest message of the station: its time, and that which the station gave it."""
        rows = [r for t, r in self.g.events("relay").items() if "/data/" in t and r["source_time"]]
        if not rows:
            return None
        row = max(rows, key=lambda r: r["id"])
        return seconds(row["time"]), seconds(row["source_time"])

    def follows(self, offset):
        """Within seconds both times are those of the clock."""
        def near():
            found = self.data()
            return found and all(abs(t - time.time() - offset) < 30 for t in found)
        self.g.wait(near, f"the time of the clock, {offset} s beside this one; {self.data()}")
        self.assertEqual(self.g.status("relay")["pid"], self.pid, "it was not restarted")
        self.assertEqual(self.g.status("relay")["state"], "running")

    def test_a_boot_in_the_wrong_century(self):
        self.clock.offset(CENTURY_S)
        self.begin()
        self.follows(CENTURY_S)
        self.clock.offset(0)
        self.follows(0)
        self.g.wait_log("the clock went back from")
        rows = self.g.ctl("events", "--since", "5m", "--until", "0s", "relay/gateway/remote_device/*")
        self.assertTrue(rows)
        self.assertTrue(all(abs(seconds(r["time"]) - time.time()) < 300 for r in rows))
        self.assertEqual(len([x for x in self.g.log() if "the clock went back" in x]), 1)
        # After a restart too.
        self.assertEqual(self.g.stop(), 0)
        self.g.start()
        self.g.wait_state("relay", "running")
        self.pid = self.g.status("relay")["pid"]
        self.follows(0)

    def test_jumps_and_a_clock_that_stands_still(self):
        self.begin()
        for offset in (0, 86400, -86400, 7 * 86400, 0):
            self.clock.offset(offset)
            self.follows(offset)
        before = self.g.ctl("events", "relay/gateway/remote_device/1/*")
        self.clock.freeze(time.time_ns())
        count = self.station.number
        self.g.wait(lambda: self.station.number > count + 10, "more messages")
        self.assertEqual(self.g.status("relay")["pid"], self.pid)
        self.assertTrue(before)
        self.clock.freeze(0)
        self.follows(0)


if __name__ == "__main__":
    unittest.main()
