"""The Event Server under other clocks: a start in the wrong century, jumps, a clock that stands still.

A shim that is preloaded changes CLOCK_REALTIME alone, as a bad battery or a first answer of NTP does."""

import mmap
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import eventer  # noqa: E402
from eventer import Json, RegisterEvent  # noqa: E402
from gatewayd import BUILD, ROOT, program  # noqa: E402

CENTURY_S = 73 * 365 * 86400
SHIM = None


def setUpModule():
    global SHIM
    if "san" in os.path.basename(BUILD):
        raise unittest.SkipTest("sanitizers want to be preloaded first")
    folder = tempfile.mkdtemp(prefix="gatewayd-clock-")
    unittest.addModuleCleanup(shutil.rmtree, folder)
    SHIM = os.path.join(folder, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", SHIM,
                    os.path.join(ROOT, "tests", "lib", "clock_shim.c")], check=True)


class Clock:
    def __init__(self, folder, offset_s=0):
        path = os.path.join(folder, "clock")
        with open(path, "wb") as f:
            f.write(bytes(16))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 16)
        self.env = {"LD_PRELOAD": SHIM, "CLOCK_SHIM": path}
        self.offset(offset_s)

    def offset(self, seconds):
        self.map[0:8] = struct.pack("=q", seconds)

    def freeze(self, ns):
        self.map[8:16] = struct.pack("=q", ns)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.log = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "socket")
        self.server = None

    def start(self, clock):
        ready, writer = os.pipe()
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen(
                [program("gateway-eventd"), "--sandbox", "--unix", self.socket, "--data",
                 os.path.join(self.dir, "data"), "--ready-fd", str(writer)],
                pass_fds=[writer], stderr=log, env={**os.environ, **clock.env})
        os.close(writer)
        with os.fdopen(ready) as f:
            self.assertTrue(f.read(), self.logged())
        self.addCleanup(self.end, self.server)

    @staticmethod
    def end(server):
        if server.poll() is None:
            server.terminate()
            server.wait()

    def logged(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read()

    def client(self):
        c = eventer.EventerClient(path=self.socket)
        self.addCleanup(c.close)
        return c

    @staticmethod
    def ids(client, name):
        return [e.id for e in client.query_timeseries([(name,)])[0]]

    def put(self, client, *names):
        """Their timestamps, in seconds."""
        events = client.register([RegisterEvent((name,), None, Json(1)) for name in names], response=True)
        return [e.timestamp[0] + e.timestamp[1] / 1e6 for e in events]


class Store(Case):
    def test_one_boot_in_the_wrong_century(self):
        clock = Clock(self.dir, CENTURY_S)
        self.start(clock)
        self.put(self.client(), "a")
        self.end(self.server)
        clock.offset(0)
        for run in range(2):
            self.start(clock)
            c = self.client()
            began = time.time()
            times = [self.put(c, f"b{run}{i}")[0] for i in range(3)]
            self.assertEqual(times, sorted(set(times)))
            for t in times:
                self.assertLess(abs(t - began), 30)
            events, _ = c.query_timeseries(t_from=(int(began) - 1, 0), t_to=(int(began) + 60, 0))
            self.assertTrue({f"b{run}{i}" for i in range(3)} <= {e.type[0] for e in events})
            self.end(self.server)
        self.assertEqual(self.logged().count("the clock went back"), 1, self.logged())
        self.assertRegex(self.logged(), r"the clock went back from \d+\.\d{6} s to \d+\.\d{6} s since 1970: timestamps follow it")

    def test_a_jump_while_it_runs(self):
        clock = Clock(self.dir)
        self.start(clock)
        c = self.client()
        (first,) = self.put(c, "a")
        for offset in (86400, 0, 3600, -3600, 0):
            clock.offset(offset)
            (t,) = self.put(c, "a")
            self.assertLess(abs(t - first - offset), 30, offset)
        self.assertEqual(self.logged().count("the clock went back"), 2, self.logged())
        ids = self.ids(c, "a")
        self.assertEqual((len(ids), ids), (6, sorted(ids, reverse=True)))

    def test_a_small_step_back_is_counted_on(self):
        clock = Clock(self.dir)
        clock.freeze(1_800_000_000_500_000_000)
        self.start(clock)
        c = self.client()
        times = [self.put(c, "a")[0] for _ in range(3)]
        clock.freeze(1_800_000_000_000_000_000)
        times += [self.put(c, "a")[0] for _ in range(3)]
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1], 1_800_000_001)
        self.assertNotIn("went back", self.logged())

    def test_leap_seconds(self):
        """A second comes twice, as the kernel inserts it."""
        clock = Clock(self.dir)
        times = []
        for second, (first, last) in enumerate(((999_000_000, 0), (999_999_999, 1_000_000))):
            base = (1_800_000_000 + 10 * second) * 10 ** 9
            clock.freeze(base + first)
            if not times:
                self.start(clock)
                c = self.client()
            times += self.put(c, "a")
            clock.freeze(base + last)
            times += self.put(c, "a") + self.put(c, "a")
            clock.freeze(base + 2 * 10 ** 9)
            times += self.put(c, "a")
            self.assertEqual(times[-1], base // 10 ** 9 + 2)
        self.assertEqual(times, sorted(times))
        self.assertNotIn("went back", self.logged())

    def test_a_clock_that_stands_still(self):
        clock = Clock(self.dir)
        clock.freeze(1_800_000_000_000_000_000)
        self.start(clock)
        c = self.client()
        times = [self.put(c, "a", "b")[0] for _ in range(100)]
        self.assertEqual(times, sorted(times))
        self.assertLess(times[-1] - times[0], 1)
        ids = self.ids(c, "a")
        self.assertEqual((len(set(ids)), ids), (100, sorted(ids, reverse=True)))


if __name__ == "__main__":
    unittest.main()
