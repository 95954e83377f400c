"""The engine's rules, with real processes against an Event Server that is told what to do: subscriptions,
'running', 'enable', whether it is operational. test_link.py has what becomes of the link."""

import os
import random
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import eventer  # noqa: E402
from eventer import Binary, EventerServer, Json, RawJson  # noqa: E402
from gatewayd import WAIT_S, Gateway, probe, wait_until  # noqa: E402

TRUE, FALSE = Json(True), Json(False)


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"), key=int)


def children(pid):
    """The process's children that are alive or wait to be reaped."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


class Case(unittest.TestCase):
    """Devices are probes named p0, p1, ...; their types gateway/probe/NAME/... ."""

    prefix = "gateway/probe"

    def serve(self, count=1, conf=None, server=None, start=True, **probe_conf):
        self.server = server or EventerServer()
        self.addCleanup(self.server.close)
        self.names = [f"p{i}" for i in range(count)]
        g = Gateway(
            {
                "devices": [probe(n, **probe_conf) for n in self.names],
                "event_server": {
                    "eventer_server": {"host": "127.0.0.1", "port": self.server.port},
                    **((conf or {}).pop("event_server", {})),
                },
                **(conf or {}),
            },
            start=start,
        )
        self.addCleanup(g.close)
        self.g = g
        return g

    def kind(self, name, suffix):
        return f"{self.prefix}/{name}/{suffix}"

    def enable(self, name, payload=TRUE):
        self.server.notify([self.server.event(self.kind(name, "system/enable"), payload)])

    def preset(self, name, payload=TRUE):
        self.server.preset(self.kind(name, "system/enable"), payload)

    def running(self, name):
        """The payloads of 'running' so far."""
        return [e.payload.data for e in self.server.find(self.kind(name, "gateway/running"))]

    def wait_running(self, name, values, seconds=WAIT_S):
        try:
            self.server.wait(lambda: self.running(name) == values, seconds)
        except TimeoutError:
            self.fail(f"{name}: {self.running(name)}, not {values}\n" + "\n".join(self.g.log()[-30:]))

    def wait_connects(self, n, seconds=WAIT_S):
        self.server.wait(lambda: len(self.server.inits) >= n, seconds)


class Start(Case):
    def test_one_subscription_a_device(self):
        self.serve(3)
        self.wait_connects(1)
        (client,) = self.server.inits
        self.assertEqual(client.name, "gateway/gw")
        self.assertEqual(
            client.subscriptions, [("gateway", "probe", n, "system", "*") for n in self.names]
        )
        self.assertEqual((client.token, client.server_id, client.persisted), (None, None, False))

    def test_without_devices(self):
        self.serve(0)
        self.wait_connects(1)
        self.assertEqual(self.server.inits[0].subscriptions, [])
        self.assertEqual(self.g.stop(), 0)
        self.assertEqual(self.server.queries, [])

    def test_running_false_of_each_before_anything_else_on_each_connection(self):
        before = []
        server = EventerServer()
        server.on_query = lambda kind, types: before.append((kind, types, len(server.registered))) or []
        self.serve(3, server=server)
        for turn in range(1, 4):
            server.wait(lambda turn=turn: len(server.queries) == turn)
            start = 3 * (turn - 1)
            first = [e for _, e in server.registered[start : start + 3]]
            self.assertEqual(
                [("/".join(e.type), e.payload) for e in first],
                [(self.kind(n, "gateway/running"), FALSE) for n in self.names],
            )
            self.assertTrue(all(e.source_timestamp for e in first))
            server.drop_clients()
        enables = [tuple(self.kind(n, "system/enable").split("/")) for n in self.names]
        self.assertEqual(before, [("latest", enables, 3 * turn) for turn in (1, 2, 3)])

    def test_the_last_enables_start_devices(self):
        server = EventerServer()
        self.prefix = "gateway/probe"
        for name, payload in (("p0", TRUE), ("p1", FALSE), ("p3", Json("true"))):
            server.preset(self.kind(name, "system/enable"), payload)
        self.serve(4, server=server)
        self.wait_running("p0", [False, True])
        rows = self.g.status()
        self.assertEqual([rows[n]["state"] for n in self.names], ["running"] + 3 * ["disabled"])

    def test_enabled_by_the_configuration(self):
        """A device that no event has enabled or disabled is enabled by its configuration, on each connection."""
        server = EventerServer()
        server.preset(self.kind("p1", "system/enable"), FALSE)
        self.serve(3, server=server, enabled=True)
        for turn in (1, 2):
            self.wait_running("p0", [False, True] * turn)
            self.wait_running("p2", [False, True] * turn)
            self.assertEqual(self.running("p1"), [False] * turn)
            self.assertEqual(self.g.status("p1")["state"], "disabled")
            if turn == 1:
                server.drop_clients()
                self.wait_running("p0", [False, True, False, True])
        self.enable("p0", FALSE)
        server.wait(lambda: self.running("p0")[-1] is False)

    def test_a_live_enable_is_newer_than_the_answer(self):
        server = EventerServer()

        def on_query(kind, types):
            stale = [
                server.event(self.kind("p0", "system/enable"), FALSE),
                server.event(self.kind("p1", "system/enable"), TRUE),
                server.event(self.kind("p2", "system/enable"), TRUE),
            ]
            self.enable("p0", TRUE)
            self.enable("p1", FALSE)
            return stale

        server.on_query = on_query
        self.serve(3, server=server)
        self.wait_running("p0", [False, True])
        self.wait_running("p2", [False, True])
        self.assertEqual(self.running("p1"), [False])
        self.assertEqual(self.g.status("p1")["state"], "disabled")


class FirstGeneration(Case):
    prefix = "gateway/north/probe"

    def serve_seed(self, server=None):
        self.server = server or EventerServer()
        self.addCleanup(self.server.close)
        self.g = Gateway(start=False)
        self.addCleanup(self.g.close)
        self.g.write_config(
            "{type: gateway, gateway_name: north, log: {version: 1},\n"
            f" event_server_address: 'tcp+sbs://127.0.0.1:{self.server.port}',\n"
            f" devices: [{probe('p0')}, {probe('p1')}]}}\n"
        )
        self.g.start()

    def test_one_subscription_and_the_name_in_types(self):
        self.serve_seed()
        self.wait_connects(1)
        (client,) = self.server.inits
        self.assertEqual(client.name, "gateway/north")
        self.assertEqual(client.subscriptions, [("gateway", "north", "?", "?", "system", "*")])
        self.enable("p0")
        self.wait_running("p0", [False, True])
        self.wait_running("p1", [False])
        self.assertEqual(self.server.find("gateway/probe/*"), [])

    def test_others_of_the_same_subscription_are_passed_over(self):
        self.serve_seed()
        self.wait_connects(1)
        for kind in ("gateway/north/other/p0/system/enable", "gateway/north/probe/p00/system/enable",
                     "gateway/north/probe/p/system/enable", "gateway/north/probe/p2/system/echo"):
            self.server.notify([self.server.event(kind, TRUE)])
        self.enable("p1")
        self.wait_running("p1", [False, True])
        self.assertEqual(self.running("p0"), [False])
        self.assertEqual(self.g.ctl("info")[0]["unrouted"], 4)


class Enable(Case):
    def test_true_and_nothing_else(self):
        wrong = [
            FALSE, Json(1), Json(1.0), Json("true"), Json(None), Json([True]), Json({"value": True}),
            Json({}), Json([]), None, Binary("json", b"true"), Binary("", b"\x01"), RawJson("True"),
            RawJson("tru"), RawJson(""), RawJson("true true"), RawJson("true\x00"), RawJson("trues"),
            RawJson("[" * 5000 + "true" + "]" * 5000),
        ]
        self.serve(2)
        self.wait_connects(1)
        told = 0
        for payload in wrong:
            self.enable("p0", payload)
            self.enable("p1", TRUE)
            told += 1
            self.wait_running("p1", [False] + [True, False] * (told - 1) + [True])
            self.assertEqual(self.running("p0"), [False], payload)
            # what is not true ends a running device as well
            self.enable("p1", payload)
            self.wait_running("p1", [False] + [True, False] * told)
        for payload in (TRUE, RawJson(" \n\ttrue ")):
            self.enable("p0", payload)
            self.server.wait_event(self.kind("p0", "gateway/running"), TRUE)
            self.enable("p0", FALSE)
            self.g.wait_state("p0", "disabled")

    def test_only_the_device_itself_and_exactly_enable(self):
        self.serve(2)
        self.wait_connects(1)
        for suffix in ("system/enable/x", "system", "system/Enable", "gateway/enable", "enable"):
            self.server.notify([self.server.event(self.kind("p0", suffix), TRUE)])
        for client in self.server.clients:  # not even subscribed to
            client.subscriptions.append(("*",))
        self.server.notify([self.server.event("gateway/probe/p0/gateway/enable", TRUE)])
        self.enable("p1")
        self.wait_running("p1", [False, True])
        self.assertEqual(self.running("p0"), [False])

    def test_running_and_the_devices_own_events_are_in_order_and_dated(self):
        self.serve(1, interval_ms=1, values=5)
        self.wait_connects(1)
        self.enable("p0")
        self.server.wait(lambda: len(self.server.find(self.kind("p0", "gateway/value/*"))) > 50)
        self.enable("p0", FALSE)
        self.wait_running("p0", [False, True, False])
        kinds = ["/".join(e.type[3:]) for _, e in self.server.registered]
        self.assertEqual(kinds[:2], ["gateway/running"] * 2)
        self.assertEqual(kinds[-2:], ["gateway/stopped", "gateway/running"])
        self.assertEqual(kinds.count("gateway/running"), 3)
        now = time.time()
        times = [e.source_timestamp for e in self.server.find(self.kind("p0", "gateway/running"))]
        self.assertEqual(times, sorted(times))
        self.assertTrue(all(0 <= now - t.s < 60 for t in times))

    def test_a_death_is_a_stop(self):
        self.serve(1)
        self.wait_connects(1)
        self.enable("p0")
        self.wait_running("p0", [False, True])
        os.kill(self.g.status("p0")["pid"], signal.SIGKILL)
        self.wait_running("p0", [False, True, False, True])

    def test_a_thousand_toggles_end_in_the_last_state(self):
        self.serve(4)
        self.wait_connects(1)
        for n in self.names:
            self.enable(n)
        self.g.wait_state(self.names, "running")
        for n in self.names:
            self.enable(n, FALSE)
        self.g.wait_state(self.names, "disabled")
        files = descriptors(self.g.pid)
        for last in (TRUE, FALSE):
            values = [TRUE, FALSE] * 250 + [last]
            for i, value in enumerate(values):
                self.server.notify(
                    [self.server.event(self.kind(n, "system/enable"), value) for n in self.names]
                )
                if i % 50 == 0:
                    time.sleep(0.02)  # some of them find a process that is just up
            rows = self.g.wait_state(self.names, "running" if last == TRUE else "disabled", 4 * WAIT_S)
            pids = {r["pid"] for r in rows.values() if r["pid"]}
            wait_until(lambda p=pids: set(children(self.g.pid)) == p, "no process is left", log=self.g.log)
            for n in self.names:
                self.server.wait(lambda n=n, v=last: self.running(n)[-1] == v.data)
                told = self.running(n)[1:]
                self.assertTrue(all(a != b for a, b in zip(told, told[1:])), "each change is told once")
        # Those of gatewayctl's connections come and go.
        wait_until(lambda: len(descriptors(self.g.pid)) <= len(files), "no descriptor is left")


class Order(Case):
    def test_ten_thousand_events_once_each_and_in_order_with_kills_beside(self):
        self.serve(4)
        self.wait_connects(1)
        for n in self.names:
            self.enable(n)
        self.g.wait_state(self.names, "running")
        stop = threading.Event()

        def kill_neighbours():
            while not stop.is_set():
                for n in ("p1", "p2"):
                    pid = self.g.status(n)["pid"]
                    if pid:
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            pass
                stop.wait(0.1)

        killer = threading.Thread(target=kill_neighbours)
        killer.start()
        try:
            for i in range(0, 10000, 100):
                self.server.notify(
                    [self.server.event(self.kind("p0", "system/echo"), Json(i + k)) for k in range(100)]
                )
            kind = self.kind("p0", "gateway/echo")
            self.server.wait(lambda: len(self.server.find(kind)) >= 10000, 3 * WAIT_S)
        finally:
            stop.set()
            killer.join()
        self.assertEqual([e.payload.data for e in self.server.find(kind)], list(range(10000)))
        self.assertEqual(self.g.status("p0")["restarts"], 0)
        self.assertGreater(self.g.status("p1")["restarts"], 0)

    def test_what_a_killed_runner_registered_is_not_lost(self):
        """Values have no gap: what it registered before its death came through, then it starts counting again."""
        self.serve(1, interval_ms=1)
        self.wait_connects(1)
        self.enable("p0")
        kind = self.kind("p0", "gateway/value/0")
        for turn in range(1, 6):
            at = len(self.server.find(kind))
            self.server.wait(lambda at=at: len(self.server.find(kind)) > at + 100)
            with_pid = self.g.wait_state("p0", "running")["p0"]["pid"]
            os.kill(with_pid, signal.SIGKILL)
            self.server.wait(lambda t=turn: self.running("p0").count(False) > t)
        lives, expect = 0, 0
        for _, e in self.server.registered:
            if e.type[3:] == ("gateway", "running"):
                expect, lives = 1, lives + (e.payload == TRUE)
            elif e.type[3:] == ("gateway", "value", "0"):
                self.assertEqual(e.payload.data, expect)
                expect += 1
        self.assertGreaterEqual(lives, 5)
        told = sum(o["events"] for o in self.g.ctl("show", "p0")[0]["obituaries"])
        self.assertGreater(told, 500)

    def test_events_for_a_device_that_is_not_running_are_dropped_and_counted(self):
        self.serve(2)
        self.wait_connects(1)
        self.server.notify(
            [self.server.event(self.kind("p0", "system/echo"), Json(i)) for i in range(7)]
        )
        self.enable("p0")
        self.wait_running("p0", [False, True])
        self.server.notify([self.server.event(self.kind("p0", "system/echo"), Json("now"))])
        self.server.wait_event(self.kind("p0", "gateway/echo"))
        self.assertEqual(
            [e.payload.data for e in self.server.find(self.kind("p0", "gateway/echo"))], ["now"]
        )
        self.assertEqual(self.g.ctl("show", "p0")[0]["counters"]["dropped"], 7)


class Operational(Case):
    def test_the_engine_lives_while_the_server_is_operational(self):
        server = EventerServer(status="standby")
        server.preset("gateway/probe/p0/system/enable", TRUE)
        self.serve(2, {"event_server": {"require_operational": True}}, server=server)
        self.wait_connects(1)
        server.set_status("starting")
        self.g.wait_log("starting")
        self.assertEqual((server.registered, server.queries), ([], []))
        server.set_status("operational")
        self.wait_running("p0", [False, True])
        self.enable("p1")
        self.wait_running("p1", [False, True])
        server.set_status("stopping")
        for n in self.names:
            self.wait_running(n, [False, True, False])
        last = ["/".join(e.type[3:]) for _, e in server.registered if e.type[2] == "p0"][-2:]
        self.assertEqual(last, ["gateway/stopped", "gateway/running"])
        self.enable("p0")
        self.g.wait_state(self.names, "disabled")
        server.set_status("operational")
        for n in self.names:
            self.wait_running(n, [False, True, False, False, True])
        self.assertEqual(len(server.inits), 1)

    def test_without_it_any_status_will_do(self):
        server = EventerServer(status="standby")
        self.serve(1, server=server)
        self.wait_connects(1)
        self.enable("p0")
        self.wait_running("p0", [False, True])
        server.set_status("stopping")
        self.enable("p0", FALSE)
        self.wait_running("p0", [False, True, False])


class Hostile(Case):
    def notify_raw(self, events, count=None):
        data = eventer.put_int(len(events) if count is None else count) + b"".join(events)
        self.server.clients[0].chatter.send("HatEventer.MsgEventsNotify", data)

    def event(self, segments, payload=Json(True)):
        e = self.server.event("x", payload)
        return eventer.put_event(e._replace(type=tuple(segments)))

    def alive(self):
        """It still does what it is told, on the same connection."""
        self.enable("p0")
        self.server.wait_event(self.kind("p0", "gateway/running"), TRUE)
        self.assertEqual(len(self.server.inits), 1, self.g.log()[-5:])

    def test_types_of_any_shape(self):
        self.serve(2)
        self.wait_connects(1)
        p1 = ["gateway", "probe", "p1"]
        self.notify_raw(
            [
                self.event([]),
                self.event([""]),
                self.event(["gateway"]),
                self.event(["gateway", "probe"]),
                self.event(p1),
                self.event(p1 + [""]),
                self.event(p1 + ["system"] + ["x"] * 36),
                self.event(p1 + ["system", "enable"] * 30),
                self.event(["a"] * 40),
                self.event(["a"] * 5000),
                self.event(p1 + ["system", "\x00"]),
                self.event(p1 + ["system\x00enable"]),
                self.event(p1 + ["system", "enable\x00"]),
                self.event(p1 + ["system", "x" * 100000]),
                self.event(["gateway", "probe", "p1\x00"] + ["system", "enable"]),
                self.event(["?", "?", "?", "system", "enable"]),
                self.event(["gateway", "probe", "*"]),
                self.event(p1 + ["gateway", "running"]),
            ]
        )
        self.alive()
        self.assertEqual(self.running("p1"), [False])

    def test_payloads_of_any_shape(self):
        self.serve(2)
        self.wait_connects(1)
        self.enable("p1")
        self.wait_running("p1", [False, True])
        echo = ["gateway", "probe", "p1", "system", "echo"]
        pid = self.g.status("p1")["pid"]
        for payload in (
            Json("x" * 5_000_000), Binary("x" * 100000, b""), Binary("\x00", b"\x00" * 1000),
            Json("\x00\x01\ufffd"), None, Json("x" * 58000),
        ):
            self.notify_raw([self.event(echo, payload)])
        self.notify_raw([self.event(echo, Json("last"))])
        self.server.wait_event(self.kind("p1", "gateway/echo"), Json("last"))
        self.assertEqual(self.g.status("p1")["pid"], pid)
        self.alive()

    def test_answers_with_a_hundred_thousand_events(self):
        server = EventerServer()
        foreign = [server.event(f"gateway/probe/x{i}/system/enable", TRUE) for i in range(100000)]
        mine = [server.event("gateway/probe/p1/system/enable", Json(bool(i % 2))) for i in range(1000)]
        server.on_query = lambda kind, types: foreign + mine
        self.serve(2, server=server)
        self.wait_connects(1)
        self.alive()
        self.g.wait_state("p1", "running")  # of several the last counts

    def test_a_flood_of_events_for_one_device_is_its_own_affair(self):
        self.serve(3, interval_ms=5)
        self.wait_connects(1)
        for n in ("p1", "p2"):
            self.enable(n)
        self.g.wait_state(["p1", "p2"], "running")
        one = self.event(["gateway", "probe", "p1", "system", "nothing"], Json("x" * 50))
        for _ in range(10):
            self.notify_raw([one * 10000], 10000)
            self.notify_raw([one])
        self.alive()
        values = [e.payload.data for e in self.server.find(self.kind("p2", "gateway/value/0"))]
        self.assertEqual(values, list(range(1, len(values) + 1)))
        self.assertEqual(self.g.status("p2")["restarts"], 0)


class Raw(str):
    """A segment whose encoding is not UTF-8."""

    def encode(self, *args):
        return b"\xff\xfe"


if __name__ == "__main__":
    unittest.main()
