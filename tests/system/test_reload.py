"""A reload: what it changes, what goes on, and that faults change nothing."""

import json
import os
import signal
import socket
import threading
import time
import unittest

import eventer
from gatewayd import CtlError, Gateway, probe, wait_until


class Base(unittest.TestCase):
    naming = {"name": "gw"}
    prefix = "gateway/probe"

    def setUp(self):
        self.server = eventer.EventerServer()
        self.addCleanup(self.server.close)
        self.conf = {"event_server": {"eventer_server": {
            "host": "127.0.0.1", "port": self.server.port}}, **self.naming}

    def start(self, *devices, **more):
        g = Gateway({**self.conf, "devices": list(devices), **more})
        self.addCleanup(g.close)
        g.wait_connected()
        return g

    def write(self, g, *devices, **more):
        g.write_config({**self.conf, "devices": list(devices), **more})

    def reload(self, g, *devices, **more):
        self.write(g, *devices, **more)
        return [(r["change"], r["what"]) for r in g.ctl("reload")]

    def preset(self, *names, on=True):
        for name in names:
            self.server.preset(f"{self.prefix}/{name}/system/enable", eventer.Json(on))

    def tell(self, name, suffix, payload):
        self.server.notify(
            [self.server.event(f"{self.prefix}/{name}/system/{suffix}", eventer.Json(payload))])

    def values(self, name, start=0):
        return [e.payload.data for e in
                self.server.find(f"{self.prefix}/{name}/gateway/value/0", start=start)]

    def running(self, name, start=0):
        return [e.payload.data for e in
                self.server.find(f"{self.prefix}/{name}/gateway/running", start=start)]

    def assert_unbroken(self, name):
        values = self.values(name)
        self.assertEqual(values, list(range(values[0], values[0] + len(values))), name)
        return values


class TestReload(Base):

    def test_added_removed_changed_same(self):
        self.preset("same", "changed", "removed", "added")
        g = self.start(probe("same", interval_ms=5), probe("changed", interval_ms=5),
                       probe("removed", interval_ms=5))
        g.wait_state(["same", "changed", "removed"], "running")
        before = g.status()
        self.server.wait(lambda: len(self.values("same")) > 20)
        self.assertEqual(
            self.reload(g, probe("added", interval_ms=5), probe("changed", interval_ms=5, values=2),
                        probe("same", interval_ms=5)),
            [("removed", "probe/removed"), ("changed", "probe/changed"),
             ("added", "probe/added"), ("same", "1 device")])
        g.wait_state(["added", "same", "changed"], "running")
        self.server.wait(lambda: self.running("added") == [False, True])
        after = g.status()
        self.assertEqual(list(after), ["added", "changed", "same"])
        self.assertEqual(after["same"]["pid"], before["same"]["pid"])
        self.assertNotEqual(after["changed"]["pid"], before["changed"]["pid"])
        self.server.wait(lambda: self.running("removed") == [False, True, False])
        self.server.wait(lambda: self.running("changed") == [False, True, False, True])
        count = len(self.values("same"))
        self.server.wait(lambda: len(self.values("same")) > count + 20)
        self.assert_unbroken("same")
        self.assertEqual(self.running("same"), [False, True])
        self.assertFalse(os.path.exists(f"/proc/{before['removed']['pid']}"))
        # What is told live reaches old and new devices, once.
        for name in ("same", "added"):
            self.tell(name, "echo/x", name)
            self.server.wait_event(f"{self.prefix}/{name}/gateway/echo/x", eventer.Json(name))
        self.tell("added", "enable", False)
        g.wait_state("added", "disabled")
        self.tell("removed", "enable", True)
        self.tell("same", "echo/x", "again")
        self.server.wait_event(f"{self.prefix}/same/gateway/echo/x", eventer.Json("again"))
        for name in ("same", "added"):
            self.assertEqual(
                len(self.server.find(f"{self.prefix}/{name}/gateway/echo/x", eventer.Json(name))), 1)
        self.assertEqual(self.running("removed"), [False, True, False])

    def test_again_and_again(self):
        self.preset("same", *[f"p{i}" for i in range(5)])
        g = self.start(probe("same", interval_ms=2))
        g.wait_state("same", "running")
        pid = g.status("same")["pid"]
        fds = len(os.listdir(f"/proc/{g.pid}/fd"))
        for i in range(15):
            devices = [probe(f"p{(i + k) % 5}", interval_ms=5, values=1 + (i + k) % 3)
                       for k in range(i % 4)]
            self.reload(g, *devices, probe("same", interval_ms=2))
            if i % 3 == 0:
                g.wait_state([d["name"] for d in devices], "running")
        self.reload(g, probe("same", interval_ms=2))
        self.assertEqual(list(g.status()), ["same"])
        self.assertEqual(g.status("same")["pid"], pid)
        self.assert_unbroken("same")
        for i in range(5):
            self.server.wait(lambda: self.running(f"p{i}")[-1] is False)
        g.wait(lambda: len(os.listdir(f"/proc/{g.pid}/fd")) <= fds + 2, "descriptors are closed")

    def test_removed_and_back_while_it_ends(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        os.kill(g.status("p1")["pid"], signal.SIGSTOP)
        self.reload(g)
        self.assertEqual(g.status(), {})
        self.reload(g, probe("p1", interval_ms=5, values=2))
        g.wait_state("p1", "running", 20)
        self.server.wait(lambda: self.running("p1")[-2:] == [False, True])
        self.server.wait_event(f"{self.prefix}/p1/gateway/value/1")

    def test_removed_and_back_after_the_server_was_away(self):
        """What it had not said yet when the connection ended is not in the way of what it says later."""
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=1, payload=20000, limits={"stop_ms": 3000}))
        g.wait_state("p1", "running")
        self.server.stalled.set()
        g.wait(lambda: g.ctl("show", "p1")[0]["queues"]["to_event_server_bytes"], "events that wait")
        os.kill(g.status("p1")["pid"], signal.SIGSTOP)
        self.reload(g)
        self.server.drop_clients()
        g.wait(lambda: g.ctl("info")[0]["link"] != "connected", "the connection is lost")
        self.reload(g, probe("p1", interval_ms=5))
        self.server.stalled.clear()
        start = len(self.server.registered)
        g.wait_state("p1", "running", 20)
        self.server.wait(lambda: True in self.running("p1", start))
        self.server.wait(lambda: self.values("p1", start))

    def test_who_waits_for_a_removed_device_is_told(self):
        g = self.start(probe("p1"), probe("p2"))
        for conf in ({}, {next(iter(self.naming)): "other"}):
            waiting = g.ctl.start("wait", "p2", "running")
            g.wait(lambda: g.ctl("info")[0]["clients"] > 1, "who waits")
            self.conf |= conf
            self.reload(g, probe("p1"))
            self.assertEqual(waiting.communicate(timeout=20),
                             ("", "gatewayctl: there is no device 'p2' (see status)\n"))
            self.reload(g, probe("p1"), probe("p2"))
            g.wait_connected()

    def test_faults_change_nothing(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        pid = g.status("p1")["pid"]
        for text, place in (("devices: [\n", ":2:"), ("type: gateway\nname: 5\ndevices: []\n", ":2:7")):
            g.write_config(text)
            r = g.ctl.run("reload")
            self.assertEqual(r.returncode, 1)
            self.assertIn(g.config + place, r.stdout + r.stderr)
            g.wait_log(g.config + place)
        self.write(g, probe("p1", interval_ms=6), probe("p2", fault="is not to my liking"))
        rows = json.loads(g.ctl.run("--json", "reload").stdout)
        self.assertEqual(rows[0]["change"], "error")
        self.assertIn("devices[1].fault: is not to my liking", rows[0]["detail"])
        line = int(rows[0]["what"].split(":")[1])
        with open(g.config, encoding="utf-8") as f:
            self.assertIn("fault", f.read().splitlines()[line - 1])
        g.wait_log("1 device at fault; nothing has changed")
        os.unlink(g.config)
        self.assertEqual(g.ctl.run("reload").returncode, 1)
        self.assertEqual(list(g.status()), ["p1"])
        self.assertEqual(g.status("p1")["pid"], pid)
        self.assert_unbroken("p1")

    def test_a_device_at_fault_costs_itself(self):
        bad = {"module": "site.devices.none", "name": "bad"}
        self.preset("good", "more")
        self.server.preset(self.prefix.replace("probe", "site.devices.none") + "/bad/system/enable",
                           eventer.Json(True))
        g = self.start(probe("good", interval_ms=5), bad)
        g.wait_state("good", "running")
        g.wait_state("bad", "failed")
        self.assertIn("module: expected one of ", g.ctl("show", "bad")[0]["obituaries"][0]["cause"])
        pid = g.status("good")["pid"]
        # It stays as it is while the others change, and what is newly wrong is refused.
        rows = self.reload(g, probe("good", interval_ms=5), bad, probe("more"))
        self.assertEqual([row for row in rows if row[0] != "error"],
                         [("added", "probe/more"), ("same", "2 devices")])
        self.assertEqual(len(rows), 3)  # and the fault, again
        g.wait_state("more", "running")
        self.write(g, probe("good", interval_ms=5), probe("more", limits={"files": 1}), bad)
        with self.assertRaisesRegex(CtlError, "the configuration is at fault; nothing has changed"):
            g.ctl("reload")
        self.assertEqual((g.status("bad")["state"], g.status("good")["pid"]), ("failed", pid))
        self.assertEqual(g.status("more")["state"], "running")
        # Mended: a reload starts it.
        self.assertIn(("added", "probe/bad"),
                      self.reload(g, probe("good", interval_ms=5), probe("more"), probe("bad")))
        self.preset("bad")
        self.tell("bad", "enable", True)
        g.wait_state("bad", "running")

    def test_on_error_gateway(self):
        g = Gateway({**self.conf, "devices": [{"module": "site.devices.none", "name": "bad"}],
                     "on_error": "gateway"}, start=False)
        self.addCleanup(g.close)
        g.start(wait=False)
        self.assertEqual(g.process.wait(10), 78)

    def test_diff(self):
        self.preset("p1", "p2")
        g = self.start(probe("p1", interval_ms=5), probe("p2"))
        g.wait_state(["p1", "p2"], "running")
        pid = g.status("p1")["pid"]
        self.write(g, probe("p1", interval_ms=6), probe("p3"), log={"version": 1})
        rows = [(r["change"], r["what"]) for r in g.ctl("reload", "--diff")]
        self.assertEqual(rows, [("changed", "log"), ("removed", "probe/p2"),
                                ("changed", "probe/p1"), ("added", "probe/p3")])
        self.assertEqual(list(g.status()), ["p1", "p2"])
        self.assertEqual(g.status("p1")["pid"], pid)
        self.write(g, probe("p1", interval_ms=5), probe("p2"))
        self.assertEqual([(r["change"], r["what"]) for r in g.ctl("reload", "--diff")],
                         [("same", "2 devices")])

    def test_diff_of_the_gateway_itself(self):
        self.preset("p1", "p2")
        g = self.start(probe("p1"), probe("p2"))
        g.wait_state(["p1", "p2"], "running")
        conf = self.conf
        self.conf = {**conf, next(iter(self.naming)): "other"}
        self.write(g, probe("p1", values=2), probe("p3"))
        expected = [("changed", "name", "all devices stop and start again"),
                    ("removed", "probe/p2", "stops"), ("changed", "probe/p1", "restarts"),
                    ("added", "probe/p3", "starts when it is enabled")]
        for args in (("--diff",), ()):
            rows = [(r["change"], r["what"], r["detail"]) for r in g.ctl("reload", *args)]
            self.assertEqual(rows, expected)
        g.wait(lambda: list(g.status()) == ["p1", "p3"], "what the file says")

    def test_the_keys_that_changed(self):
        data = [{"name": n, "interval": 1, "password": "secret1"} for n in "abcd"]
        self.preset("p1")
        g = self.start(probe("p1", data=data, old=[1, {"x": 5}], gone=True))
        g.wait_state("p1", "running")
        first = g.status("p1")["pid"]
        data[3] = {"name": "d", "interval": 2, "password": "secret2"}
        self.write(g, probe("p1", data=[data[0], data[2], data[3]], old=[1, {"x": 5}], new={"y": 1},
                            limits={"files": 300}))
        for args in (("--diff",), ()):
            row = next(r for r in g.ctl("reload", *args) if r["what"] == "probe/p1")
            self.assertEqual((row["change"], row["detail"]), ("changed", "restarts"))
            self.assertEqual(sorted(row["keys"]), sorted([
                "data[1].name: b -> c", "data[2].name: c -> d", "data[2].interval: 1 -> 2", "data[2].password: changed",
                "data[3]: removed, was {...}", "gone: removed, was true", "new: added, {...}",
                "limits.files: 256 -> 300"]))
        g.wait_log("data[2].interval: 1 -> 2")
        self.assertNotIn("secret", g.log())
        g.wait(lambda: g.status("p1")["pid"] not in (None, first), "another process")

    def test_the_keys_of_the_gateway(self):
        log = {"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}},
               "root": {"level": "INFO", "handlers": ["console"]}}
        g = self.start(probe("p1"), log=log)
        server = self.conf["event_server"]["eventer_server"]
        name = next(iter(self.naming))
        changed = {"event_server": {"eventer_server": {**server, "host": "localhost", "token": "hidden2"}},
                   "log": {**log, "root": {**log["root"], "level": "DEBUG"}}, "control": {"group": "root"}, name: "other"}
        self.conf = {**self.conf, **{k: v for k, v in changed.items() if k not in ("log", "control")}}
        self.write(g, probe("p1"), **{k: changed[k] for k in ("log", "control")})
        keys = {row["what"]: row["keys"] for row in g.ctl("reload", "--diff")}
        self.assertEqual(keys["name"], [f"{name}: {self.naming[name]} -> other"])
        self.assertEqual(keys["event server"], ["event_server.eventer_server.host: 127.0.0.1 -> localhost",
                                                "event_server.eventer_server.token: changed"])
        self.assertEqual(keys["log"], ["log.root.level: INFO -> DEBUG"])
        self.assertEqual(keys["control"], ["control: added, {...}"])
        self.assertNotIn("reload_gateway", "".join(g.log()))
        self.assertEqual(g.ctl.run("reload").returncode, 0)
        g.wait_log("event_server.eventer_server.host: 127.0.0.1 -> localhost")
        self.assertNotIn("hidden2", "".join(g.log()))

    def test_limits_without_a_restart(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5), limits={"ping_ms": 3000})
        g.wait_state("p1", "running")
        first = g.status("p1")["pid"]
        self.write(g, probe("p1", interval_ms=5, limits={"stop_ms": 700, "credit": 400000, "types": 9}),
                   limits={"ping_ms": 4000})
        row = next(r for r in g.ctl("reload") if r["what"] == "probe/p1")
        self.assertEqual((row["change"], row["detail"]), ("changed", "goes on, takes effect at once"))
        self.assertEqual(row["keys"], ["limits.ping_ms: 3000 -> 4000", "limits.stop_ms: 5000 -> 700",
                                       "limits.credit: 262144 -> 400000", "limits.types: 262144 -> 9"])
        self.assertEqual(g.status("p1")["pid"], first)
        self.assertEqual([r["change"] for r in g.ctl("reload")], ["same"])

    def test_enabled_without_a_restart(self):
        g = self.start(probe("p1", interval_ms=5), probe("p2"))
        self.server.wait(lambda: self.running("p1"))
        self.assertEqual(g.status("p1")["state"], "disabled")
        self.write(g, probe("p1", interval_ms=5, enabled=True), probe("p2"))
        g.wait(lambda: any(r["keys"] == ["enabled: false -> true"] for r in g.ctl("reload")) or
               g.status("p1")["state"] == "running", "the key")
        g.wait_state("p1", "running")

    def test_a_runner_that_never_says_its_plan(self):
        g = self.start(probe("p1"))
        runner = os.path.join(g.dir, "runner")
        with open(runner, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\nexec sleep 60\n")
        os.chmod(runner, 0o755)
        self.write(g, probe("p1"), {"name": "h", "type": "x", "runner": runner,
                                    "limits": {"start_ms": 500}})
        r = g.ctl.run("reload")
        self.assertEqual(r.returncode, 1)
        self.assertIn("devices[1]: the runner of h ended without a plan: never ready", r.stdout)
        self.assertEqual(list(g.status()), ["p1"])

    def test_a_group_that_is_not_there(self):
        g = self.start(probe("p1"))
        self.write(g, probe("p1"), control={"group": "no-such-group"})
        for args in (("--diff",), ()):
            r = g.ctl.run("reload", *args)
            self.assertEqual(r.returncode, 1)
            self.assertIn("control.group: expected a group of this machine", r.stdout)
            with open(g.config, encoding="utf-8") as f:
                line = next(n for n, x in enumerate(f, 1) if "no-such-group" in x)
            self.assertIn(f"{g.config}:{line}:", r.stdout)
        self.assertIn("the configuration is at fault; nothing has changed", r.stderr)

    def test_name_or_server_starts_anew(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        first = g.status("p1")["pid"]
        with eventer.EventerServer() as other:
            other.preset(f"{self.prefix}/p1/system/enable", eventer.Json(True))
            self.conf["event_server"] = {"eventer_server": {
                "host": "127.0.0.1", "port": other.port}}
            self.assertIn(("changed", "event server"), self.reload(g, probe("p1", interval_ms=7)))
            other.wait_event(f"{self.prefix}/p1/gateway/running", eventer.Json(True))
            self.server.wait(lambda: self.running("p1") == [False, True, False])
            self.server.wait(lambda: not self.server.clients)
            self.assertNotEqual(g.status("p1")["pid"], first)
            self.assertEqual(g.stop(), 0)
            other.wait(lambda: other.find(f"{self.prefix}/p1/gateway/running")[-1].payload.data
                       is False)

    def test_from_and_to_the_built_in_server(self):
        g = self.start(probe("p1", interval_ms=5))
        self.conf = {**self.naming}
        self.reload(g, probe("p1", interval_ms=5))
        g.wait(lambda: "built in" in (g.ctl("info")[0]["event_server"] or ""), "the built-in one")
        g.enable("p1")
        g.wait_state("p1", "running")
        pid = g.status("p1")["pid"]
        self.reload(g, probe("p1", interval_ms=5), probe("p2"))
        g.enable("p2")
        g.wait_state("p2", "running")
        self.assertEqual(g.status("p1")["pid"], pid)

    def test_while_the_server_is_away(self):
        self.preset("p1", "p2")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        self.server.accepting.clear()
        self.server.drop_clients()
        g.wait_state("p1", "disabled")
        self.reload(g, probe("p2"), probe("p1", interval_ms=5))
        self.server.accepting.set()
        g.wait_state(["p1", "p2"], "running", 20)
        self.assertEqual(len(self.server.clients), 1)
        self.tell("p2", "echo/x", 1)
        self.server.wait_event(f"{self.prefix}/p2/gateway/echo/x")

    def test_levels_of_the_log(self):
        log = {"version": 1, "handlers": {"c": {"class": "logging.StreamHandler"}},
               "root": {"level": "INFO", "handlers": ["c"]}}
        g = self.start(probe("p1"), probe("p2"), log=log)
        g.ctl("log", "p1", "debug")
        self.reload(g, probe("p1"), probe("p2"), probe("p3"), log=log)
        level = lambda name: g.ctl("show", name)[0]["device"]["log_level"]
        self.assertEqual([level(n) for n in ("p1", "p2", "p3")], ["debug", "info", "info"])
        log["root"]["level"] = "WARNING"
        self.reload(g, probe("p1"), probe("p2"), probe("p3"), log=log)
        self.assertEqual([level(n) for n in ("p1", "p2", "p3")], ["warning"] * 3)
        self.assertEqual(g.ctl("info")[0]["log_level"], "warning")

    def test_the_client_goes_away(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        for i in range(10):
            self.write(g, probe("p1", interval_ms=5), *[probe(f"x{i}{k}") for k in range(8)])
            ctl = g.ctl.start("reload")
            time.sleep(0.002 * i)
            ctl.kill()
            ctl.communicate()
        g.wait(lambda: g.ctl.run("reload").returncode == 0, "a reload")
        self.assertEqual(len(g.status()), 9)
        self.assert_unbroken("p1")


    def test_a_client_that_does_not_wait_for_the_answer(self):
        g = self.start(probe("p1"))
        for ask in ({"command": "reload", "diff": False}, {"command": "events", "types": []}):
            self.server.answering.clear()
            for i in range(10):
                self.write(g, probe("p1"), *[probe(f"y{i}{k}") for k in range(5)])
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                    s.settimeout(10)
                    s.connect(g.socket)
                    s.send(json.dumps(ask).encode())
                    s.send(json.dumps({"command": "status"}).encode())
                    end = s.recv(1 << 17)
                    self.assertTrue(end)
            self.server.answering.set()
        g.wait(lambda: g.ctl.run("reload").returncode == 0, "a reload")
        self.assertEqual(g.ctl("status", "p1")[0]["name"], "p1")


class TestGatewayName(TestReload):
    naming = {"gateway_name": "gw"}
    prefix = "gateway/gw/probe"

    def test_one_connection_is_enough(self):
        self.preset("p1", "p2")
        g = self.start(probe("p1"))
        self.reload(g, probe("p1"), probe("p2"))
        g.wait_state("p2", "running")
        self.assertEqual(self.server.connects, 1)


class TestSecondConnection(Base):

    def test_it_ends_when_the_first_is_made_anew(self):
        self.preset("p1", "p2", "p3")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        self.reload(g, probe("p1", interval_ms=5), probe("p2"))
        g.wait_state("p2", "running")
        self.reload(g, probe("p1", interval_ms=5), probe("p2"), probe("p3"))
        g.wait_state("p3", "running")
        self.assertEqual(self.server.connects, 2)
        self.assertEqual(self.running("p2"), [False, True])
        self.assertEqual([c.name for c in self.server.clients], ["gateway/gw", "gateway/gw/added"])
        self.assert_unbroken("p1")
        self.server.drop_clients()
        self.server.wait(lambda: self.server.connects >= 3)
        g.wait_state(["p1", "p2", "p3"], "running")
        self.assertEqual([c.name for c in self.server.clients], ["gateway/gw"])
        self.assertEqual(len(self.server.clients[0].subscriptions), 3)

    def test_it_is_lost_alone(self):
        self.preset("p1", "p2")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        self.reload(g, probe("p1", interval_ms=5), probe("p2"))
        self.server.wait(lambda: self.running("p2") == [False, True])
        start = len(self.server.registered)
        self.server.clients[1].chatter.close()
        self.server.wait(lambda: self.running("p2", start)[-2:] == [False, True])
        self.assertIn(self.running("p2", start), ([False, True], [False, False, True]))
        self.assertEqual(self.running("p1"), [False, True])
        self.assert_unbroken("p1")


class TestSignal(Base):

    def test_systemd_is_told(self):
        messages = []
        path = os.path.join("/tmp", f"gatewayd-notify-{os.getpid()}")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(path)
            self.addCleanup(os.unlink, path)

            def read():
                while data := notify.recv(4096):
                    messages.append((time.clock_gettime_ns(time.CLOCK_MONOTONIC), data.decode()))

            threading.Thread(target=read, daemon=True).start()
            g = Gateway({**self.conf, "devices": [probe("p1")]}, start=False)
            self.addCleanup(g.close)
            g.env["NOTIFY_SOCKET"] = path
            g.start()
            g.wait_connected()
            wait_until(lambda: [m for _, m in messages if m == "READY=1"], "ready")
            del messages[:]
            self.write(g, probe("p1"), probe("p2"))
            os.kill(g.pid, signal.SIGHUP)
            os.kill(g.pid, signal.SIGHUP)
            g.wait(lambda: "p2" in g.status(), "the added device")
            wait_until(lambda: len([m for _, m in messages if m == "READY=1"]) >= 1, "ready again")
            when, text = messages[0]
            self.assertEqual(text.splitlines()[0], "RELOADING=1")
            us = int(text.splitlines()[1].removeprefix("MONOTONIC_USEC="))
            self.assertLess(abs(when // 1000 - us), 2_000_000)
            g.write_config("]")
            os.kill(g.pid, signal.SIGHUP)
            g.wait_log("nothing has changed")
            wait_until(lambda: messages[-1][1] == "READY=1", "ready after a fault")
            os.kill(g.pid, signal.SIGHUP)
            self.assertEqual(g.stop(), 0)

    def anew(self, *more):
        """A gateway that leaves its server for another, while its device takes its time to stop."""
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        os.kill(g.status("p1")["pid"], signal.SIGSTOP)
        other = eventer.EventerServer()
        self.addCleanup(other.close)
        here = self.conf
        self.conf = {**here, "event_server": {"eventer_server": {
            "host": "127.0.0.1", "port": other.port}}}
        self.write(g, probe("p1", interval_ms=5), *more)
        os.kill(g.pid, signal.SIGHUP)
        g.wait_log("SIGHUP: reload")
        self.conf = here
        return g, other

    def wait_last(self, g):
        self.server.wait_event(f"{self.prefix}/p1/gateway/value/1")
        self.assertEqual(set(g.status()), {"p1", "p9"})
        self.assertEqual(g.stop(), 0)

    def test_behind_one_that_starts_everything_anew(self):
        # Their check lasts until the second signal.
        g, _ = self.anew(*[probe(f"q{i}") for i in range(30)])
        time.sleep(0.05)
        self.write(g, probe("p1", interval_ms=5, values=2), probe("p9"))
        os.kill(g.pid, signal.SIGHUP)
        self.wait_last(g)

    def test_at_the_end(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        os.kill(g.status("p1")["pid"], signal.SIGSTOP)
        os.kill(g.pid, signal.SIGTERM)
        g.wait_log("signal 15")
        os.kill(g.pid, signal.SIGHUP)
        g.wait_log("skipped: the gateway is stopping")
        g.wait(lambda: g.process.poll() is not None, "its end")
        self.assertEqual(g.stop(), 0)

    def test_while_it_starts(self):
        devices = [probe(f"p{i}") for i in range(1000)]

        def heeds(g):
            """Whether its main() has begun: it has a say in what SIGHUP does."""
            with open(f"/proc/{g.pid}/status", encoding="ascii") as f:
                masks = dict(line.split(":\t") for line in f.read().splitlines() if "Sig" in line)
            return (int(masks["SigBlk"], 16) | int(masks["SigCgt"], 16)) & 1

        for delay in (0, 0.02, 0.05, 0.1):
            g = Gateway({**self.conf, "devices": devices}, start=False)
            self.addCleanup(g.close)
            g.start(wait=False)
            wait_until(lambda: heeds(g), "the program")
            time.sleep(delay)
            os.kill(g.pid, signal.SIGHUP)
            g.wait_log("devices: 0 removed, 0 changed, 0 added, 1000 the same")
            self.assertEqual(g.stop(), 0)

    def serve_elsewhere(self):
        """Another Event Server; from now on it is that of the configuration."""
        other = eventer.EventerServer()
        self.addCleanup(other.close)
        other.preset(f"{self.prefix}/p1/system/enable", eventer.Json(True))
        self.conf["event_server"] = {"eventer_server": {"host": "127.0.0.1", "port": other.port}}
        return other

    def test_while_everything_starts_anew(self):
        """What the file says then is not forgotten: it is in force as soon as may be."""
        self.preset("p1")
        g = self.start(probe("p1", limits={"stop_ms": 1000}))
        g.wait_state("p1", "running")
        self.tell("p1", "do", "hang")
        self.serve_elsewhere()
        self.write(g, probe("p1"), probe("p2"))
        g.ctl("reload")
        g.wait_log("everything restarts")
        refused = g.ctl.run("reload", "--diff")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is starting again", refused.stderr)
        self.write(g, probe("p1"), probe("p3"))
        os.kill(g.pid, signal.SIGHUP)
        g.wait(lambda: list(g.status()) == ["p1", "p3"], "what the file says")
        g.wait_state("p1", "running")

    def test_again_and_again_with_servers_that_change(self):
        self.preset("p1")
        g = self.start(probe("p1", interval_ms=5))
        g.wait_state("p1", "running")
        servers = [self.conf["event_server"]]
        self.serve_elsewhere()
        servers.append(self.conf["event_server"])
        for i in range(60):
            self.conf["event_server"] = servers[i % 2]
            new = g.config + ".new"
            with open(new, "w", encoding="utf-8") as f:
                devices = [probe("p1", interval_ms=5), *[probe(f"x{k}") for k in range(i % 7)]]
                json.dump({**self.conf, "devices": devices}, f)
            os.rename(new, g.config)
            os.kill(g.pid, signal.SIGHUP)
            time.sleep(0.005 * (i % 5))
        g.wait(lambda: len(g.status()) == 1 + 59 % 7, "the last devices")
        g.wait_state("p1", "running")
        port = servers[1]["eventer_server"]["port"]
        self.assertIn(str(port), g.ctl("info")[0]["event_server"])


if __name__ == "__main__":
    unittest.main()
