"""gatewayctl's verbs that know the device by its description: describe, read, write, command, interrogate, and the
check of send, each with a real device."""

import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iec104  # noqa: E402
import snmp  # noqa: E402
from gatewayd import Gateway, probe  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402
from test_modbus_slave import DATA, tcp_conf  # noqa: E402
from test_snmp_manager import A, conf as manager_conf  # noqa: E402


class Case(unittest.TestCase):
    def serve(self, *devices):
        self.g = self.enterContext(Gateway({"devices": list(devices)}))
        names = [d["name"] for d in devices]
        self.g.enable(*names)
        self.g.wait_state(names, "running")
        self.ctl = self.g.ctl
        return self.g

    def refused(self, *args, code=1):
        r = self.ctl.run(*args)
        self.assertEqual((r.returncode, r.stdout), (code, ""), r.stderr)
        return r.stderr

    def rows(self, name):
        return {row["name"]: row for row in self.ctl("describe", name)}


class Modbus(Case):
    def setUp(self):
        self.slave = Slave(device=Registers({0: 7, 1: 0xfffe}))
        self.addCleanup(self.slave.stop)
        conf = master_conf(self.slave.port, [
            (1, [register("temperature", 0), register("setpoint", 10), register("signed", 1, type="int16"),
                 {**register("input", 30), "data_type": "INPUT_REGISTER"}, register("none", 500)]),
            (2, [register("temperature", 0)])])
        self.slave.device.refused.add(500)
        self.serve({"module": "hat.gateway.devices.modbus.master", **conf, "name": "plc"})
        self.ctl("send", "plc", "remote_device/1/enable", "true")

    def test_describe(self):
        rows = self.rows("plc")
        self.assertEqual(len(rows), 8)
        self.assertEqual(rows["1/temperature"]["value"], "integer -32768..65535")
        self.assertEqual(rows["1/temperature"]["about"], "holding register 0, 16 bits from bit 0")
        self.assertEqual(rows["1/temperature"]["gives"], ["gateway", "remote_device", "1", "read", "temperature"])
        self.assertEqual([v["verb"] for v in rows["1/temperature"]["verbs"]], ["write"])
        self.assertEqual(rows["1/signed"]["about"], "holding register 1, int16")
        self.assertEqual(rows["1/input"]["verbs"], [])
        self.assertEqual([v["verb"] for v in rows["2"]["verbs"]], ["enable"])
        self.assertRegex(self.ctl.text("describe", "plc"), r"(?m)^1/setpoint +integer \S+ +write +holding")

    def test_read(self):
        def values():
            return {row["name"]: row for row in self.ctl("read", "plc")}

        self.g.wait(lambda: {"1/temperature", "1/signed", "1/none", "1"} <= set(values()), "the values")
        rows = values()
        self.assertEqual((rows["1/temperature"]["value"], rows["1/signed"]["value"]), (7, -2))
        self.assertEqual((rows["1/none"]["value"], rows["1/none"]["detail"]), (None, "result INVALID_DATA_ADDRESS"))
        self.assertEqual(rows["1"]["value"], "CONNECTED")
        (row,) = self.ctl("read", "plc", "signed")
        self.assertEqual((row["name"], row["payload"]["value"]), ("1/signed", -2))
        text = self.ctl.text("read", "plc", "1/temperature", "2/temperature").splitlines()
        self.assertRegex(text[1], r"^1/temperature +7 ")
        self.assertRegex(text[2], r"^2/temperature +- +-")
        self.assertIn("may be 1/temperature or 2/temperature", self.refused("read", "plc", "temperature"))
        self.assertIn("did you mean 'setpoint'?", self.refused("read", "plc", "setpiont"))

    def test_write(self):
        self.g.wait(lambda: "1" in {r["name"]: r for r in self.ctl("read", "plc")}, "the connection")
        self.assertEqual(self.ctl.text("write", "plc", "setpoint", "42"), "plc 1/setpoint: SUCCESS\n")
        self.assertEqual(self.slave.device.values[10], 42)
        self.assertEqual(self.ctl("write", "plc", "1/setpoint", "0x10"), [
            {"name": "plc 1/setpoint", "result": "SUCCESS"}])
        self.assertEqual(self.slave.device.values[10], 16)
        self.ctl.text("write", "plc", "setpoint", "-2")
        self.assertEqual(self.slave.device.values[10], 0xfffe)
        for value in "65536", "1.5", "warm":
            self.assertIn("expected an integer of -32768..65535, found", self.refused("write", "plc", "setpoint", value))
        self.assertIn("no data 'input' to write", self.refused("write", "plc", "input", "1"))

    def test_completion(self):
        def complete(*words):
            return set(self.ctl.text("complete", "--socket", self.g.socket, *words).split())

        self.assertEqual(complete("write", "plc", "1/s"), {"1/setpoint", "1/signed"})
        self.assertEqual(complete("read", "plc", "1/i"), {"1/input"})
        self.assertEqual(complete("send", "plc", "remote_device/2/"),
                         {"remote_device/2/enable", "remote_device/2/write/temperature"})
        self.assertEqual(complete("events", "plc/gateway/remote_device/2/"),
                         {"plc/gateway/remote_device/2/status", "plc/gateway/remote_device/2/read/temperature"})

    def test_failures_and_time_outs_are_told(self):
        def answer(s, transaction, unit, pdu):
            return pdu[0] == 6 and (s.reply(transaction, unit, bytes([0x86, 3])) or True)

        self.slave.on_request = answer
        self.assertIn("plc 1/setpoint: result INVALID_DATA_VALUE", self.refused("write", "plc", "setpoint", "1"))
        self.slave.on_request = lambda s, transaction, unit, pdu: pdu[0] == 6
        self.assertIn("result TIMEOUT", self.refused("write", "plc", "setpoint", "1"))
        self.assertIn("no answer within 0.001 s",
                      self.refused("write", "--timeout", "0.001", "plc", "setpoint", "1"))

    def test_send_is_checked(self):
        for args, text in (
            (("remote_device/1/writ/setpoint", '{"request_id": 1, "value": 1}'), "no event of that type"),
            (("remote_device/1/write/nothing", '{"request_id": 1, "value": 1}'), "no event of that type"),
            (("remote_device/1/write/setpoint", '{"value": 1}'), "the payload has no 'request_id'"),
            (("remote_device/1/write/setpoint", '{"request_id": 1, "value": 70000}'), "value: expected an integer"),
            (("remote_device/1/write/setpoint", "7"), "expected an object, found a number"),
            (("remote_device/1/write/setpoint",), "a payload is missing"),
            (("remote_device/1/enable", '"on"'), "expected true or false, found on"),
        ):
            with self.subTest(args):
                error = self.refused("send", "plc", *args)
                self.assertIn("plc would ignore it: ", error)
                self.assertIn(text, error)
                self.assertIn("--force", error)
        self.ctl.text("send", "--force", "plc", "remote_device/1/enable", '"on"')
        self.ctl.text("send", "plc", "remote_device/1/write/setpoint", '{"request_id": 1, "value": true}')
        self.ctl("disable", "--wait", "plc")
        self.ctl.text("send", "plc", "remote_device/1/enable", "true")

    def test_devices_without_a_description(self):
        self.ctl("disable", "--wait", "plc")
        self.assertIn("not running", self.refused("describe", "plc"))
        self.assertIn("there is no device 'nobody'", self.refused("read", "nobody"))


class Others(Case):
    def test_probe(self):
        self.serve(probe("p1"))
        self.assertIn("no description", self.refused("read", "p1"))
        self.ctl.text("send", "p1", "anything", "1")

    def station(self):
        station = iec104.Station()
        self.addCleanup(station.close)
        self.serve({**iec104.master_conf(station.port), "name": "sub"})
        self.peer = station.accept()
        self.assertEqual(self.ctl.run("wait", "sub", "connected").returncode, 0)

    def in_thread(self, work):
        t = threading.Thread(target=work)
        t.start()
        self.addCleanup(t.join)

    def answer(self, cause, negative=False, count=1):
        """The station confirms what comes, unchanged but for the cause."""

        def work():
            for _ in range(count):
                a = self.peer.asdu(ack=True)
                self.asked.append(a)
                self.peer.send(iec104.asdu(a.type, cause, a.common, [(a.address, a.element)], negative=negative))

        self.asked = []
        self.in_thread(work)

    def test_iec104_command(self):
        self.station()
        self.answer(7)
        self.assertEqual(self.ctl.text("command", "sub", "single/1/100", "on"), "sub single/1/100: SUCCESS\n")
        self.assertEqual((self.asked[0].type, self.asked[0].common), (58, 1))
        self.answer(7, count=2)
        self.ctl.text("command", "--select", "sub", "double/1/100", "OFF")
        self.assertEqual([a.element[0] & 0x80 for a in self.asked], [0x80, 0])
        self.answer(7, negative=True)
        self.assertIn("sub single/1/100: is_negative_confirm true", self.refused("command", "sub", "single/1/100", "off"))
        self.assertIn("expected one of OFF|ON, found maybe", self.refused("command", "sub", "single/1/100", "maybe"))
        self.assertIn("no data 'binary_counter/1/1' to command", self.refused("command", "sub", "binary_counter/1/1", "1"))

    def test_iec104_completion(self):
        self.station()
        for words, offered in ((("command", "sub", "si"), {"single/"}), (("command", "sub", "single/1/1", ""), {"OFF", "ON"}),
                               (("interrogate", "sub", ""), {"interrogation/"})):
            r = self.ctl.text("complete", "--socket", self.g.socket, *words)
            self.assertEqual(set(r.split()), offered)

    def test_iec104_interrogation(self):
        self.station()
        self.answer(7)
        self.assertEqual(self.ctl.text("interrogate", "sub", "3"), "sub interrogation/3: SUCCESS\n")
        self.assertEqual((self.asked[0].type, self.asked[0].common, self.asked[0].element[-1]), (100, 3, 20))
        self.answer(7)
        self.ctl.text("interrogate", "sub", "counter_interrogation/3")
        self.assertEqual((self.asked[0].type, self.asked[0].element[-1]), (101, 5))

    def test_iec104_read_and_send(self):
        self.station()
        self.peer.send(iec104.asdu(1, 3, 1, [(100, b"\1")]))
        self.g.wait(lambda: self.ctl("read", "sub", "single/1/100")[0]["value"], "the value")
        (row,) = self.ctl("read", "sub", "single/1/100")
        self.assertEqual((row["name"], row["value"]), ("single/1/100", "ON"))
        self.assertIn("the payload has no 'cause'", self.refused(
            "send", "sub", "command/single/1/1", '{"is_test": false, "command": {}}'))

    def test_snmp(self):
        agent = snmp.Agent({A: (snmp.INTEGER, b"\1")})
        self.addCleanup(agent.stop)
        self.serve({"module": "hat.gateway.devices.snmp.manager", **manager_conf(agent.port), "name": "ups"})
        self.assertEqual(self.ctl.run("wait", "ups", "connected").returncode, 0)
        self.g.wait(lambda: self.ctl("read", "ups", A)[0]["value"] == 1, "the value")
        self.assertEqual(self.ctl.text("write", "ups", A, '{"type": "INTEGER", "value": 5}'), f"ups {A}: SUCCESS\n")
        self.g.wait(lambda: self.ctl("read", "ups", A)[0]["value"] == 5, "the new value")

    def test_modbus_slave(self):
        self.serve({"module": "hat.gateway.devices.modbus.slave", **tcp_conf(), "name": "sl"})
        name = DATA[0]["name"]
        self.assertEqual(self.ctl.text("write", "sl", name, "1"), f"sl {name}: sent, nothing answers it\n")
        self.assertIn("it has no data 'nothing' to write", self.refused("write", "sl", "nothing", "1"))

    def test_every_row_is_whole(self):
        self.serve({"module": "hat.gateway.devices.iec104.slave",
                    **iec104.slave_conf(iec104.free_port(), [
                        {"data_type": kind, "asdu_address": 1, "io_address": i, "buffer": None}
                        for i, kind in enumerate(("SINGLE", "FLOATING", "BINARY_COUNTER", "BITSTRING", "STATUS"))]),
                    "name": "up"})
        for data, value in (("single/1/0", "on"), ("floating/1/1", "1.5"), ("binary_counter/1/2", "7"),
                            ("bitstring/1/3", "[1,2,3,4]")):
            self.ctl.text("write", "up", data, value)
            self.assertEqual(self.ctl("read", "up", data)[0]["value"],
                             "ON" if value == "on" else json.loads(value))
        self.assertNotIn("refused event", "".join(self.g.lines))


if __name__ == "__main__":
    unittest.main()
