"""What gatewayctl does to devices: send, enable, restart and their kin, over the real programs."""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from event_server import EventServer  # noqa: E402
from gatewayd import WAIT_S, Ctl, Gateway, probe  # noqa: E402
from test_control import TRACER, Case, collect, raw, request  # noqa: E402


class Send(Case):
    def test_relative_and_whole(self):
        for naming, prefix in (("name", "gateway/probe/p1"), ("gateway_name", "gateway/gw/probe/p1")):
            conf = {"gateway_name": "gw"} if naming == "gateway_name" else {}
            g = self.serve([probe("p1")], **conf)
            g.enable("p1")
            g.wait_state("p1", "running")
            g.ctl("send", "p1", "echo/a", '{"request_id": "1", "value": 5}')
            g.ctl("send", prefix + "/system/echo/b", "-5")
            g.ctl("send", "p1", "echo/c")
            for suffix, payload in (("a", {"request_id": "1", "value": 5}), ("b", -5), ("c", None)):
                g.wait(
                    lambda s=suffix, v=payload: self.server.find(f"{prefix}/gateway/echo/{s}") == [v],
                    f"the echo of {suffix}",
                )
            _, _, source = next(e for e in self.server.events if e[0][-1] == "a")
            self.assertLess(abs(source[0] - time.time()), 60)

    def test_refused(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        before = len(self.server.events)
        for type_, text in (
            ("gateway/probe/p1/gateway/running", "source is not 'system'"),
            ("gateway/probe/p1/system", "belongs to no device"),
            ("gateway/probe/p1/system/*", "queries"),
            ("gateway//p1/system/x", "empty segment"),
            ("gateway/" + "/".join("x" * 40), "too many"),
        ):
            self.refused(1, text, g.ctl, "send", "--force", type_, "1")
        self.refused(1, "begin with gateway/probe/p1/system/", g.ctl, "send", "gateway/probe/p1/gateway/x", "1")
        self.refused(1, "no device 'other'", g.ctl, "send", "other", "x", "1")
        self.refused(2, "not JSON", g.ctl, "send", "p1", "x", "{")
        self.refused(2, "usage", g.ctl, "send", "p1")
        self.assertEqual(len(self.server.events), before)

    def test_without_event_server(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        self.server.close()
        g.wait(lambda: g.ctl("info")[0]["link"] != "connected", "the link is down")
        for args in (("enable", "p1"), ("send", "p1", "x", "1"), ("events",)):
            self.refused(1, "the Event Server is not connected", g.ctl, *args)


class Do(Case):
    def test_enable_disable_wait(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.wait_connected()
        self.assertEqual(
            g.ctl("enable", "--wait", "p1", "p2"),
            [{"name": n, "result": "enable true registered"} for n in ("p1", "p2")],
        )
        self.assertEqual({r["state"] for r in g.ctl("status")}, {"running"})
        g.ctl("disable", "--wait", "p1")
        self.assertEqual(g.status("p1")["state"], "disabled")
        self.assertEqual(g.status("p2")["state"], "running")
        self.refused(1, "no device", g.ctl, "enable", "p1", "nobody")
        self.assertEqual(g.status("p1")["state"], "disabled")

    def test_a_device_that_invents_types(self):
        g = self.serve([probe("p1", interval_ms=20, values=5, limits={"types": 3})])
        g.enable("p1")
        g.wait_state("p1", "running")
        def counters():
            return g.ctl("show", "p1")[0]["counters"]
        g.wait(lambda: counters()["dropped_types"] > 20, "events are dropped")
        self.assertEqual(counters()["types"], 3)
        before = len(self.server.find("gateway/probe/p1/gateway/value/0"))
        g.wait(lambda: len(self.server.find("gateway/probe/p1/gateway/value/0")) > before, "known types go on")
        kinds = {t[4:] for t, _, _ in self.server.events if t[:4] == ("gateway", "probe", "p1", "gateway")}
        self.assertEqual(len(kinds - {("running",)}), 3)
        self.assertEqual("\n".join(g.log()).count("it has registered 3 event types (limits.types)"), 1)

    def test_refused_by_the_event_server(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1")
        g.wait_state("p1", "running")
        self.server.refuse = True
        self.refused(1, "not enabled: the Event Server refused it", g.ctl, "enable", "p2")
        self.refused(1, "the event is not registered: the Event Server refused it", g.ctl, "send", "p1", "x", "1")
        self.refused(1, "disabled, but that was not kept: the Event Server refused it", g.ctl, "disable", "p1")
        g.wait_state("p1", "disabled")
        self.assertEqual(g.status("p2")["state"], "disabled")
        self.server.refuse = False
        self.server.cut()
        g.wait_state("p1", "running")

    def test_not_answered_by_the_event_server(self):
        g = self.serve([probe("p1")])
        g.enable("p1")
        g.wait_state("p1", "running")
        self.server.deaf = True
        waits = g.ctl.start("disable", "p1")
        self.addCleanup(self.end, waits)
        g.wait_state("p1", "disabled")
        self.assertIsNone(waits.poll())
        self.assertEqual(waits.wait(WAIT_S), 1)
        self.assertIn("the Event Server did not answer in time", waits.stderr.read())

    def test_link_lost_before_the_answer(self):
        g = self.serve([probe("p1")])
        g.wait_connected()
        self.server.deaf = True
        waits = g.ctl.start("enable", "p1")
        self.addCleanup(self.end, waits)
        g.wait(lambda: self.server.find("gateway/probe/p1/system/enable"), "it is registered")
        self.server.cut()
        self.assertEqual(waits.wait(WAIT_S), 1)
        self.assertIn("the link to the Event Server was lost", waits.stderr.read())

    def test_wait_for_a_gateway_that_starts(self):
        with EventServer() as away:
            g = Gateway({"devices": [probe("p1")], "event_server": away.conf}, start=False)
        self.addCleanup(g.close)
        waits = Ctl(g.socket).start("enable", "--wait", "p1")
        self.addCleanup(self.end, waits)
        g.start()
        self.refused(1, "the Event Server is not connected", g.ctl, "enable", "p1")
        self.refused(1, "the Event Server is not connected", g.ctl, "enable", "--wait", "--timeout", "0.3", "p1")
        self.assertIsNone(waits.poll())
        self.enterContext(EventServer(away.port))
        self.assertEqual(waits.wait(WAIT_S), 0, waits.stderr.read())
        self.assertEqual(g.status("p1")["state"], "running")

    def test_wait(self):
        g = self.serve([probe("p1", ready=False), probe("p2", fault="it is wrong")])
        g.enable("p1", "p2")
        g.ctl("wait", "p1", "starting")
        self.refused(1, "p1 is not running in time; 'gatewayctl show p1'", g.ctl, "wait", "p1",
                     "--timeout", "0.2")
        self.refused(1, "p1 is not failed or backoff in time", g.ctl, "wait", "p1", "failed",
                     "backoff", "--timeout", "0.2")
        self.refused(1, "p2 failed: configuration: fault: it is wrong", g.ctl, "wait", "p2")
        g.ctl("wait", "p2", "running", "failed")
        g.ctl("disable", "--wait", "p2")
        self.refused(2, "", g.ctl, "wait", "p1", "happy")

    def test_restart(self):
        g = self.serve([probe("p1"), probe("p2")])
        self.refused(1, "p1 is disabled", g.ctl, "restart", "p1")
        g.enable("p1")
        g.wait_state("p1", "running")
        before = g.status("p1")["pid"]
        self.assertEqual(g.ctl("restart", "--wait", "p1"), [{"name": "p1", "result": "restarts"}])
        self.assertNotEqual(g.status("p1")["pid"], before)
        # Failed for good, until someone says so.
        g.ctl("send", "p1", "do", '"config"')
        g.wait_state("p1", "failed")
        self.assertIn("78", g.status("p1")["last_exit"])
        g.ctl("restart", "--wait", "p1")

    def test_storm(self):
        g = self.serve([probe("p1"), probe("p2", interval_ms=10)])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        for level in ("debug", "info"):
            for _ in range(20):
                g.ctl("log", "p1", level)
                g.ctl("restart", "--wait", "p1")
        self.assertEqual(g.status("p1")["last_exit"], None)

    def descriptors(self, g):
        """Those of gatewayd, which lets nobody but root look at them."""
        return len(os.listdir(f"/proc/{g.pid}/fd")) if os.geteuid() == 0 else 0

    def test_toggles(self):
        """A storm of a thousand: the last word counts, nothing is left over."""
        g = self.serve([probe("p1"), probe("p2", interval_ms=5)])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        fds = self.descriptors(g)
        for last in ("enable", "disable"):
            with raw(g) as s:
                for i in range(500):
                    odd = last if i % 2 else {"enable": "disable", "disable": "enable"}[last]
                    s.send(request(odd, names=["p1"]))
                    self.assertEqual(collect(s)[1]["code"], 0)
            g.wait_state("p1", "running" if last == "enable" else "disabled")
        running = "gateway/probe/p1/gateway/running"
        g.wait(lambda: self.server.find(running)[-1] is False, "'running' false is registered")

        def only_child():
            with open(f"/proc/{g.pid}/task/{g.pid}/children", encoding="utf-8") as f:
                return f.read().split() == [str(g.status("p2")["pid"])]

        # The storm goes by way of the Event Server: its last words may still be on their way.
        g.wait(only_child, "no process is left over")
        self.assertLessEqual(self.descriptors(g), fds)
        values = self.server.find("gateway/probe/p2/gateway/value/0")
        self.assertEqual(values, list(range(1, len(values) + 1)))

    def test_log(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        self.assertEqual(g.ctl("log", "p1", "debug"), [{"name": "p1", "result": "debug"}])
        for name in ("p2", "p1"):
            g.ctl("send", name, "do", '"debug"')
        self.assertIn("p1: a line at debug", g.wait_log("a line at debug"))
        self.assertEqual(g.ctl("show", "p1")[0]["device"]["log_level"], "debug")
        g.ctl("log", "error")
        self.assertEqual(g.ctl("info")[0]["log_level"], "error")
        g.ctl("send", "p1", "do", '"print a warning"')
        g.ctl("send", "p1", "echo", "1")
        g.wait(lambda: self.server.find("gateway/probe/p1/gateway/echo"), "the echo")
        g.ctl("log", "info")
        g.ctl("send", "p1", "do", '"print the next"')
        g.wait_log("the next")
        self.assertFalse([line for line in g.log() if "a warning" in line])
        self.assertEqual(len([line for line in g.log() if "a line at debug" in line]), 1)
        self.refused(2, "expected one of", g.ctl, "log", "p1", "loud")

    def test_trace(self):
        g = self.serve([probe("p1"), probe("p2")])
        g.enable("p1", "p2")
        g.wait_state(["p1", "p2"], "running")
        p, first = self.stream(g, "trace", "p1")
        self.assertEqual((first["kind"], first["device"]), ("state", "p1"))
        self.assertTrue(g.ctl("show", "p1")[0]["device"]["traced"])
        for name in ("p2", "p1"):
            g.ctl("send", name, "echo", '"abc"')
        for direction in ("rx", "tx"):
            row = self.row(p, kind="frame")
            self.assertEqual((row["device"], row["direction"]), ("p1", direction))
            self.assertEqual(bytes.fromhex(row["hex"]), b'"abc"')
        # A new process is traced as well.
        g.ctl("restart", "--wait", "p1")
        g.ctl("send", "p1", "echo", "77")
        self.assertEqual(self.row(p, kind="frame")["hex"], b"77".hex())
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(WAIT_S), 0)
        g.wait(lambda: not g.ctl("show", "p1")[0]["device"]["traced"], "tracing is off again")

    def test_trace_shows_large_frames_close_together(self):
        """Two frames that do not fit into one packet of the control socket."""
        sizes = (6000, 60000, 6000, 58000)
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        runner = os.path.join(folder, "tracer")
        with open(runner, "w", encoding="utf-8") as f:
            f.write(TRACER % (sizes,))
        os.chmod(runner, 0o755)
        g = self.serve([{"module": "x", "type": "tracer", "name": "t1", "runner": runner, "sandbox": "off"}])
        p, _ = self.stream(g, "trace", "t1")
        g.enable("t1")
        for n in sizes:
            row = self.row(p, kind="frame")
            self.assertEqual((row["bytes"], len(row["hex"])), (n, 2 * n))

    def test_reload_is_not_there_or_works(self):
        g = self.serve([probe("p1")])
        r = g.ctl.run("--json", "reload", "--diff")
        self.assertIn(r.returncode, (0, 1))
        self.assertIsInstance(json.loads(r.stdout), list)


if __name__ == "__main__":
    unittest.main()
