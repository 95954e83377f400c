"""gatewayctl events with a time: the time series of the built-in Event Server, page by page."""

import csv
import io
import json
import os
import select
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import eventer  # noqa: E402
from eventer import Json, RegisterEvent  # noqa: E402
from gatewayd import CtlError, Gateway, probe  # noqa: E402

MOUNTS = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
MANY = 2500  # more than two pages


class History(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.g = Gateway({"devices": [probe("p1"), probe("p2")]})
        cls.addClassCleanup(cls.g.close)
        cls.g.wait(lambda: cls.g.ctl("info")[0]["link"] == "connected", "the built-in Event Server answers")
        cls.client = eventer.EventerClient(path=os.path.join(cls.g.runtime, "eventd"))
        cls.addClassCleanup(cls.client.close)
        cls.put("p1", "many", range(MANY))
        cls.put("p2", "few", range(3))

    @classmethod
    def put(cls, device, name, values):
        """Registers events of a device, in one session; the events as they are kept."""
        events = [
            RegisterEvent(("gateway", "probe", device, "gateway", name), None, Json(v)) for v in values
        ]
        return cls.client.register(events, response=True)

    def values(self, *args):
        return [row["payload"] for row in self.g.ctl("events", *args)]

    def refused(self, code, text, *args):
        with self.assertRaises(CtlError) as e:
            self.g.ctl.text("events", *args)
        self.assertEqual(e.exception.code, code, e.exception.text)
        self.assertIn(text, e.exception.text)

    def test_all_pages_in_order(self):
        rows = self.g.ctl("events", "--since", "1h", "p1/gateway/many")
        self.assertEqual([r["payload"] for r in rows], list(range(MANY)))
        self.assertEqual(sorted(r["id"] for r in rows), [r["id"] for r in rows])
        self.assertEqual(set(rows[0]), {"time", "type", "source_time", "payload", "id"})

    def test_the_last_ones(self):
        self.assertEqual(self.values("--limit", "4", "p1/gateway/many"), list(range(MANY - 4, MANY)))
        self.assertEqual(self.values("--limit", "2400", "--type", "p1/gateway/many"), list(range(MANY - 2400, MANY)))
        self.assertEqual(self.values("--limit", "9", "p2/gateway/few"), [0, 1, 2])

    def test_between_two_times(self):
        first = self.put("p2", "between", [1])[0].timestamp
        time.sleep(0.01)  # so that the clock is another one
        middle = self.put("p2", "between", [2])[0].timestamp

        def text(t):
            whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t[0]))
            return f"{whole}.{t[1]:06}Z"

        kind = "p2/gateway/between"
        self.assertEqual(self.values("--since", text(middle), kind), [2])
        self.assertEqual(self.values("--until", text(first), kind), [1])
        self.assertEqual(self.values("--since", text(first), "--until", text(middle), kind), [1, 2])
        self.assertEqual(self.values("--since", "2099-01-01", kind), [])
        self.assertEqual(self.values("--until", "52w", kind), [])

    def test_csv(self):
        self.put("p2", "csv", [{"a": 'x "y", z'}, "text\nof two lines"])
        text = self.g.ctl.text("events", "--csv", "--limit", "2", "p2/gateway/csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(list(rows[0]), ["time", "type", "source_time", "payload"])
        self.assertRegex(rows[0]["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$")
        self.assertEqual(rows[0]["type"], "gateway/probe/p2/gateway/csv")
        self.assertEqual(rows[0]["source_time"], "")
        self.assertEqual(json.loads(rows[0]["payload"]), {"a": 'x "y", z'})
        self.assertEqual(json.loads(rows[1]["payload"]), "text\nof two lines")
        text = self.g.ctl.text("events", "--csv", "--columns", "payload", "--limit", "2", "p2/gateway/few")
        self.assertEqual(text.split(), ["payload", "1", "2"])

    def test_a_table(self):
        lines = self.g.ctl.text("events", "--since", "1h", "--sort", "-payload", "p2/gateway/few").splitlines()
        self.assertEqual(lines[0].split(), ["TIME", "TYPE", "PAYLOAD"])
        self.assertEqual([line.split()[-1] for line in lines[1:]], ["2", "1", "0"])

    def test_follow(self):
        self.put("p2", "follow", [1, 2])
        p = self.g.ctl.start("--json", "events", "--follow", "--limit", "1", "p2/gateway/follow")
        try:
            self.assertEqual(json.loads(p.stdout.readline())["payload"], 2)
            for value in (3, 4):
                self.put("p2", "follow", [value])
                self.assertEqual(json.loads(p.stdout.readline())["payload"], value)
            p.send_signal(signal.SIGINT)
            self.assertEqual(p.communicate(timeout=30)[1], "")
            self.assertEqual(p.returncode, 0)
        finally:
            if p.poll() is None:
                p.kill()
                p.communicate()

    def test_follow_what_is_not_there_yet(self):
        p = self.g.ctl.start("events", "--follow", "p2/gateway/new")
        try:
            def heard():
                self.put("p2", "new", ["hello"])
                return select.select([p.stdout], [], [], 0.1)[0]

            self.g.wait(heard, "an event is printed")
            self.assertRegex(p.stdout.readline(), r"\d\d:\d\d:\d\d\.\d+  gateway/probe/p2/gateway/new  \"hello\"$")
        finally:
            p.kill()
            p.communicate()

    def test_refusals(self):
        self.refused(2, "--since: expected", "--since", "soon")
        self.refused(2, "--limit: expected", "--limit", "0")
        self.refused(2, "--until: not with --follow", "--until", "1h", "--follow")
        self.refused(2, "not with --json", "--csv", "--json", "--limit", "1")
        self.refused(2, "the columns are", "--csv", "--columns", "colour")
        self.refused(1, "no device 'nope'", "--limit", "1", "nope")
        self.refused(1, "an empty segment", "--limit", "1", "a//b")


class Disk(unittest.TestCase):
    @unittest.skipUnless(MOUNTS, "a mount namespace is not available")
    def test_a_full_disk_under_a_gateway(self):
        """What devices register reaches those who are connected; a device can still be switched off."""
        g = Gateway({"devices": [probe("p1")]}, start=False)
        self.addCleanup(g.close)
        g.wrap = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=1m,mode=700 none "$0" && exec "$@"', g.state]
        g.start()
        g.wait(lambda: g.ctl("info")[0]["link"] == "connected", "the built-in Event Server answers")
        g.enable("p1")
        g.wait_state("p1", "running")
        fill = os.path.join(g.state, "fill")
        enter = ["nsenter", "-m", "-t", str(g.pid)]
        subprocess.run([*enter, "sh", "-c", f"cat /dev/zero >{fill}"], stderr=subprocess.DEVNULL, check=False)
        with eventer.EventerClient(path=os.path.join(g.runtime, "eventd"), subscriptions=[("x",)]) as client:
            def refused():
                return client.register([RegisterEvent(("x",), None, Json("x" * 9000))], True) is None

            g.wait(refused, "the disk is full")
            g.wait_log("cannot write to the store: No space left on device")
            with self.assertRaises(CtlError) as e:
                g.ctl("disable", "p1")
            self.assertEqual(e.exception.code, 1)
            g.wait_state("p1", "disabled")
            subprocess.run([*enter, "rm", fill], check=True)
            g.wait_log("the store is written again")
            self.assertEqual(g.ctl("events", "p1/system/enable")[0]["payload"], False)
            self.assertFalse(refused())


class Retention(unittest.TestCase):
    def test_of_the_built_in_server(self):
        rule = {"type": "gateway/probe/?/gateway/fast", "count": 5}
        g = Gateway({"devices": [probe("p1")], "event_server": {"built_in": {"retention": [rule]}}})
        self.addCleanup(g.close)
        g.wait(lambda: g.ctl("info")[0]["link"] == "connected", "the built-in Event Server answers")
        with eventer.EventerClient(path=os.path.join(g.runtime, "eventd")) as client:
            for i in range(50):
                for name in ("fast", "slow"):
                    client.register([RegisterEvent(("gateway", "probe", "p1", "gateway", name), None, Json(i))], True)

        def kept(name):
            return [r["payload"] for r in g.ctl("events", "--since", "1h", f"p1/gateway/{name}")]

        self.assertEqual(kept("slow"), list(range(50)))
        self.assertLess(len(kept("fast")), 12)
        self.assertEqual(kept("fast")[-5:], list(range(45, 50)))


if __name__ == "__main__":
    unittest.main()
