"""gatewayd as a component of a Monitor Server that blesses as the test says."""

import configparser
import os
import signal
import time
import unittest

import eventer
import hat_site
from gatewayd import ROOT, Gateway, probe, wait_until

PREFIX = "gateway/probe"


class Base(unittest.TestCase):
    prefix = PREFIX
    name = "gw"

    def setUp(self):
        self.monitor = eventer.ObserverServer()
        self.addCleanup(self.monitor.close)
        self.events = self.event_server(1)

    def event_server(self, server_id):
        server = eventer.EventerServer(server_id=server_id)
        self.addCleanup(server.close)
        for name in ("p1", "p2"):
            server.preset(f"{self.prefix}/{name}/system/enable", eventer.Json(True))
        return server

    def component(self, server, **kwargs):
        return self.monitor.event_server("event", server.server_id, server.port, **kwargs)

    def conf(self, **more):
        return {"name": self.name, "event_server": {"monitor_component": {
            "host": "127.0.0.1", "port": self.monitor.port, "gateway_group": "gateway",
            "event_server_group": "event", **more}}}

    def start(self, devices=("p1",), conf=None, **kwargs):
        g = Gateway({**(conf or self.conf()),
                     "devices": [probe(name, interval_ms=5) for name in devices]}, **kwargs)
        self.addCleanup(g.close)
        self.monitor.wait(lambda: self.monitor.clients and self.monitor.client.said)
        return g

    def info(self):
        return self.monitor.client.info

    def running(self, server, name="p1"):
        return [e.payload.data for e in
                server.find(f"{self.prefix}/{name}/gateway/running")]

    def wait_running(self, server, *states, name="p1"):
        server.wait(lambda: self.running(server, name) == list(states))

    def wait_exit(self, g, why):
        code = wait_until(lambda: g.process.poll(), "its end", log=g.log)
        g.wait_log(why)
        self.assertEqual(code, 1)


class TestBlessing(Base):

    def test_ready_blessed_active(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        info = self.info()
        self.assertEqual((info.name, info.group, info.data, info.ready, info.res),
                         ("gw", "gateway", None, True, None))
        time.sleep(0.1)
        self.assertEqual(self.events.connects, 0)
        self.assertEqual(g.ctl("info")[0]["link"], "off")
        self.monitor.bless(7)
        self.monitor.wait(lambda: self.info().res == 7)
        self.wait_running(self.events, False, True)
        client = self.events.clients[0]
        self.assertEqual((client.name, client.token, client.server_id, client.persisted),
                         ("gateway/gw", None, 1, False))
        self.assertEqual(g.stop(), 0)
        self.wait_running(self.events, False, True, False)

    def test_not_before_the_answer_is_echoed(self):
        self.monitor.set_event_servers(self.component(self.events))
        update, self.monitor.update = self.monitor.update, lambda: None
        g = self.start()
        self.monitor.client.info = self.info()._replace(req=3)
        update()
        self.monitor.wait(lambda: self.info().res == 3)
        time.sleep(0.1)
        self.assertEqual(g.ctl("info")[0]["link"], "off")
        self.monitor.update = update
        update()
        self.wait_running(self.events, False, True)

    def test_an_event_server_that_is_not_active_is_not_used(self):
        other = self.event_server(2)
        self.monitor.set_event_servers(
            self.component(self.events, answer=None),
            self.component(other)._replace(group="other"))
        g = self.start()
        self.monitor.bless(1)
        self.monitor.wait(lambda: self.info().res == 1)
        time.sleep(0.1)
        self.assertEqual(g.ctl("info")[0]["link"], "off")
        self.monitor.set_event_servers(self.component(self.events))
        self.wait_running(self.events, False, True)
        self.assertEqual(other.connects, 0)

    def test_token(self):
        self.monitor.set_event_servers(self.component(self.events, token="wrong"))
        g = self.start(conf=self.conf(token="right"))
        self.monitor.bless(1)
        self.monitor.wait(lambda: self.info().res == 1)
        time.sleep(0.1)
        self.assertEqual(g.ctl("info")[0]["link"], "off")
        self.monitor.set_event_servers(self.component(self.events, token="right"))
        self.wait_running(self.events, False, True)
        self.assertEqual(self.events.clients[0].token, "right")

    def test_the_servers_own_token(self):
        self.monitor.set_event_servers(self.component(self.events, token="its own"))
        self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.assertEqual(self.events.clients[0].token, "its own")

    def test_the_blessing_is_lost(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start(devices=("p1", "p2"))
        self.monitor.bless(1)
        self.wait_running(self.events, False, True, name="p1")
        self.wait_running(self.events, False, True, name="p2")
        self.monitor.bless(None)
        self.monitor.wait(lambda: self.info().res is None)
        # By then all had stopped, and said so, and the link was closed.
        revoked = self.monitor.client.said[-1][0]
        self.wait_running(self.events, False, True, False, name="p1")
        self.wait_running(self.events, False, True, False, name="p2")
        self.events.wait(lambda: not self.events.clients)
        end = [t for t, e in self.events.registered if e.payload == eventer.Json(False)][-1]
        self.assertLess(end, revoked + 0.1)  # two threads of this test take the time
        self.assertEqual({r["state"] for r in g.status().values()}, {"disabled"})
        self.assertTrue(self.info().ready)
        count = len(self.events.registered)
        self.monitor.bless(2)
        self.monitor.wait(lambda: self.info().res == 2)
        self.wait_running(self.events, False, True, False, False, True)
        self.assertEqual(len(self.events.find(f"{PREFIX}/p1/gateway/running", start=count)), 2)

    def test_a_new_token_at_once(self):
        self.monitor.set_event_servers(self.component(self.events))
        self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.monitor.bless(2)
        self.wait_running(self.events, False, True, False, False, True)
        self.assertEqual([i.res for _, i in self.monitor.client.said], [None, 1, None, 2])

    def test_the_event_server_moves(self):
        other = self.event_server(2)
        self.monitor.set_event_servers(
            self.component(self.events), self.component(other, blessing=None, answer=None))
        self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.monitor.set_event_servers(
            self.component(self.events, blessing=None), self.component(other))
        self.wait_running(other, False, True)
        self.assertEqual(self.running(self.events), [False, True, False])
        self.assertEqual(other.clients[0].server_id, 2)
        self.events.wait(lambda: not self.events.clients)
        self.assertEqual(self.info().res, 1)  # still active

    def test_the_event_server_is_killed(self):
        other = self.event_server(2)
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.events.close()
        g.wait_state("p1", "disabled")
        self.monitor.set_event_servers()
        self.monitor.set_event_servers(self.component(other))
        self.wait_running(other, False, True)

    def test_the_event_server_moves_while_we_try_again(self):
        other = self.event_server(2)
        gone = self.component(self.events)
        self.events.close()
        self.monitor.set_event_servers(gone)
        g = self.start()
        self.monitor.bless(1)
        # The next try is 3 s away by then.
        g.wait(lambda: sum("next try in" in line for line in g.log()) >= 6, "tries")
        moved = time.monotonic()
        self.monitor.set_event_servers(self.component(other))
        self.wait_running(other, False, True)
        self.assertLess(time.monotonic() - moved, 1)
        self.assertEqual(other.clients[0].server_id, 2)

    def test_the_event_server_is_active_no_more(self):
        active = self.component(self.events)
        self.monitor.set_event_servers(active)
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.monitor.set_event_servers(active._replace(res=None))
        self.wait_running(self.events, False, True, False)
        self.events.wait(lambda: not self.events.clients)
        self.assertEqual(g.ctl("info")[0]["link"], "off")
        self.assertEqual(self.info().res, 1)  # the blessing is ours all the same
        self.monitor.set_event_servers(active)
        self.wait_running(self.events, False, True, False, False, True)

    def test_the_token_is_kept_until_a_device_that_hangs_is_dead(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        pid = g.status("p1")["pid"]
        os.kill(pid, signal.SIGSTOP)
        self.monitor.bless(None)
        g.wait_state("p1", "stopping")
        self.monitor.bless(2)
        said = self.monitor.client.said
        while os.path.exists(f"/proc/{pid}"):
            kept = len(said)
            time.sleep(0.01)
        self.assertEqual(kept, 2)
        self.wait_running(self.events, False, True, False, False, True)
        self.assertEqual([i.res for _, i in said], [None, 1, None, 2])

    def test_names_of_hosts(self):
        self.monitor.set_event_servers(self.component(self.events, host="localhost"))
        self.start(conf=self.conf(host="localhost"))
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)

    def test_everything_changes_all_the_time(self):
        other = self.event_server(2)
        g = self.start()
        for i in range(40):
            self.monitor.bless(i if i % 3 else None)
            self.monitor.set_event_servers(self.component((self.events, other)[i % 2]))
            time.sleep(0.01 * (i % 4))
        self.monitor.bless(99)
        self.monitor.set_event_servers(self.component(other))
        self.monitor.wait(lambda: self.info().res == 99)
        other.wait(lambda: self.running(other)[-2:] == [False, True])
        self.events.wait(lambda: not self.events.clients)
        for server in (self.events, other):
            states = self.running(server)
            self.assertFalse([i for i in range(1, len(states)) if states[i - 1] and states[i]])
        self.assertEqual(g.stop(), 0)

    def test_reload_meanwhile(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        pid = g.status("p1")["pid"]
        g.write_config({**self.conf(), "devices": [probe("p1", interval_ms=5), probe("p2")]})
        g.ctl("reload")
        self.wait_running(self.events, False, True, name="p2")
        self.assertEqual(g.status("p1")["pid"], pid)
        self.assertEqual({c.server_id for c in self.events.clients}, {1})
        self.monitor.bless(None)
        self.monitor.wait(lambda: self.info().res is None)
        self.wait_running(self.events, False, True, False, name="p2")


class TestScreen(Base):
    """What an operator reads of where the blessing stands, and why nothing runs."""

    def wait_screen(self, g, blessing, why):
        def shown():
            info = g.ctl("info")[0]
            return info["blessing"] == blessing and why in (info["why_idle"] or "-")

        g.wait(shown, f"{blessing}: {why}")
        self.assertIn(f"127.0.0.1:{self.monitor.port}", g.ctl.text("info"))

    def refusal(self, g, *command):
        r = g.ctl.run(*command)
        self.assertEqual(r.returncode, 1)
        return r.stderr

    def test_each_state(self):
        g = self.start(conf=self.conf(token="right"))
        standing_by = "has not blessed this gateway of group 'gateway'"
        g.wait_log("as gw of group 'gateway'; waiting to be blessed")
        self.wait_screen(g, "standing by", standing_by)
        for command in (["enable", "p1"], ["events"]):
            self.assertIn(standing_by, self.refusal(g, *command))
        self.monitor.bless(1)
        self.wait_screen(g, "active", "group 'event': none is active")
        g.wait_log("this gateway is active: Event Servers of group 'event': none is active")
        good = self.component(self.events, token="right")
        self.monitor.set_event_servers(good._replace(data={"server_id": 1}))
        self.wait_screen(g, "active", "does not say where it is")
        self.monitor.set_event_servers(self.component(self.events, token="wrong"))
        self.wait_screen(g, "active", "has another token")
        self.monitor.set_event_servers(good)
        g.wait_log(f"this gateway is active: Event Server 1 is at 127.0.0.1:{self.events.port}")
        g.wait_state("p1", "running")
        self.wait_screen(g, "active", "-")
        os.kill(g.status("p1")["pid"], signal.SIGSTOP)
        self.monitor.bless(None)
        self.wait_screen(g, "releasing", "devices stop")
        g.wait_log("not active: devices stop, then another of group 'gateway' may be blessed")
        g.wait_state("p1", "disabled")
        self.wait_screen(g, "standing by", standing_by)

    def test_a_monitor_that_says_nothing(self):
        self.monitor.update = lambda: None
        self.wait_screen(self.start(), "standing by", "has not sent its state yet")

    def test_answering(self):
        update, self.monitor.update = self.monitor.update, lambda: None
        g = self.start()
        self.monitor.client.info = self.info()._replace(req=3)
        update()
        self.monitor.wait(lambda: self.info().res == 3)
        self.wait_screen(g, "answering", "has not blessed")

    def test_an_event_server_that_is_not_operational(self):
        self.events.status = "standby"
        self.monitor.set_event_servers(self.component(self.events))
        conf = self.conf()
        conf["event_server"]["require_operational"] = True
        g = self.start(conf=conf)
        self.monitor.bless(1)
        self.wait_screen(g, "active", "the Event Server is standby, require_operational is set")
        self.events.set_status("operational")
        self.wait_running(self.events, False, True)
        self.wait_screen(g, "active", "-")
        self.events.set_status("starting")
        self.wait_running(self.events, False, True, False)
        self.wait_screen(g, "active", "the Event Server is starting")

    def test_what_was_wrong_before_is_not_said_of_what_is_off(self):
        self.monitor.set_event_servers(self.component(self.events))
        self.events.init_error = "not today"
        g = self.start()
        self.monitor.bless(1)
        g.wait(lambda: g.ctl("info")[0]["link_error"], "a refusal")
        self.monitor.bless(None)
        g.wait(lambda: g.ctl("info")[0]["link"] == "off", "no link")
        self.assertIsNone(g.ctl("info")[0]["link_error"])


class TestFrozen(Base):
    """Slow by nature."""

    def test_devices_do_not_outlive_a_frozen_gateway(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        pid = g.status("p1")["pid"]
        os.kill(g.pid, signal.SIGSTOP)
        try:
            stopped = time.monotonic()

            def is_dead():
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    return f.read().split()[2] == "Z"

            wait_until(is_dead, "the end of its runner", 20)
            self.assertGreater(time.monotonic() - stopped, 10)
        finally:
            os.kill(g.pid, signal.SIGCONT)
        g.wait_state("p1", "running")
        g.wait_log("p1: the supervisor is silent")

    def modbus(self, name):
        """A gateway and its simulated device, polled."""
        prefix = f"gateway/modbus_master/{name}/system"
        for what in ("enable", "remote_device/1/enable"):
            self.events.preset(f"{prefix}/{what}", eventer.Json(True))
        device = hat_site.Device({"127.0.0.1": name})
        self.addCleanup(device.close)
        g = Gateway({**self.conf(),
                     "devices": [{**hat_site.device_conf("127.0.0.1", device.port), "name": name}]})
        self.addCleanup(g.close)
        self.monitor.wait(lambda: len(self.monitor.clients) == int(name))
        self.monitor.bless(int(name))
        device.wait_poll(name, 0)
        g.wait_state(name, "running")
        return g, g.status(name)["pid"], device

    def test_nothing_is_asked_when_all_come_back(self):
        # Long enough for another to be blessed. The machine decides which one goes on first; a pause
        # between the two is what a loaded one makes of it.
        orders = ([0, 1], [1, 0], [0, None, 1], [1, None, 0], [0])
        self.monitor.set_event_servers(self.component(self.events))
        made = [self.modbus(str(i + 1)) for i in range(len(orders))]
        for (g, pid, _), order in zip(made, orders):
            for i in sorted(order, key=str):
                if i is not None:
                    os.kill((g.pid, pid)[i], signal.SIGSTOP)
        time.sleep(21)
        for (g, pid, device), order in zip(made, orders):
            since = time.monotonic()
            for i in order:
                time.sleep(0.02) if i is None else os.kill((g.pid, pid)[i], signal.SIGCONT)
            self.wait_exit(g, "this gateway was frozen for 2")
            self.assertEqual(device.polls(device.names["127.0.0.1"], since), [], order)


class TestEnd(Base):

    def active(self):
        self.monitor.set_event_servers(self.component(self.events))
        g = self.start()
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        return g

    def test_lost(self):
        g = self.active()
        self.monitor.close()
        self.wait_exit(g, "Monitor Server: ")
        self.wait_running(self.events, False, True, False)

    def test_close(self):
        g = self.active()
        self.monitor.send_close()
        self.wait_exit(g, "it asked this gateway to close")
        self.wait_running(self.events, False, True, False)

    def test_garbage(self):
        g = self.active()
        self.monitor.send_garbage()
        self.wait_exit(g, "malformed state")

    def test_what_no_monitor_server_says(self):
        us = eventer.put_component(eventer.Component(1, 0, "gw", "gateway", req=1, res=1, ready=True))
        head = eventer.put_int(1) + eventer.put_int(0)
        for kind, data in (
                ("MsgServer", b""),
                ("MsgServer", head + eventer.put_int(1 << 40)),
                ("MsgServer", head + eventer.put_int(-1)),
                ("MsgServer", eventer.put_int(1 << 80) + head),
                ("MsgServer", head + eventer.put_int(1) + us + b"x"),
                ("MsgServer", head + eventer.put_int(1) + us.replace(b"gateway", b"\xff\xfeteway")),
                ("MsgClient", b""), ("MsgOther", b"")):
            with self.subTest(kind=kind, data=data[:40]):
                g = self.active()
                self.monitor.client.chatter.send(f"HatObserver.{kind}", data)
                self.wait_exit(g, "the gateway exits")
                self.monitor.wait(lambda: not self.monitor.clients)
                self.events.wait(lambda: not self.events.clients)
                self.events.registered.clear()

    def test_a_name_that_is_not_found(self):
        g = Gateway({**self.conf(host="no-such.invalid"), "devices": []}, start=False)
        self.addCleanup(g.close)
        g.start(wait=False)
        self.wait_exit(g, "look up no-such.invalid")

    def test_unreachable(self):
        conf = self.conf()
        self.monitor.close()
        g = Gateway({**conf, "devices": []}, start=False)
        self.addCleanup(g.close)
        g.start(wait=False)
        self.wait_exit(g, "Monitor Server: ")


class TestUnit(unittest.TestCase):

    def test_the_service_is_started_again_for_ever(self):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(os.path.join(ROOT, "etc", "systemd", "gatewayd.service"))
        self.assertEqual(unit["Service"]["Restart"], "on-failure")
        # A Monitor Server that refuses costs an end each second: more than systemd puts up with
        # by default.
        self.assertEqual(unit["Unit"]["StartLimitIntervalSec"], "0")


class TestSeed(Base):
    prefix = "gateway/gw/probe"

    def test_the_first_generations_keys(self):
        self.monitor.set_event_servers(self.component(self.events))
        self.start(conf={
            "gateway_name": "gw", "event_server_group": "event",
            "monitor": {"name": "component", "group": "gateways", "component_address": None,
                        "monitor_address": f"tcp+sbs://127.0.0.1:{self.monitor.port}"}})
        self.assertEqual((self.info().name, self.info().group), ("component", "gateways"))
        self.monitor.bless(1)
        self.wait_running(self.events, False, True)
        self.assertEqual(self.events.clients[0].subscriptions,
                         [("gateway", "gw", "?", "?", "system", "*")])


if __name__ == "__main__":
    unittest.main()
