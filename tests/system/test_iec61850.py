"""iec61850_client: the real runner process against a server whose every answer the test decides."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import types
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import mms  # noqa: E402
import ports  # noqa: E402
from gatewayd import BUILD, Gateway, program  # noqa: E402
from manual import displays  # noqa: E402
from mms import Array, Bits, Mms, Server, Unsigned, Utc, Variable, tlv  # noqa: E402
from runner_host import Runner  # noqa: E402

RUNNER = os.path.join(BUILD, "libexec/iec61850")
STATUS, LD = "gateway/status", "LD0"
GOOD, NOW = Bits("0" * 13), Utc(bytes.fromhex("6955b900800000") + b"\x0a")
GOOD_JSON = {"validity": "GOOD", "details": [], "source": "PROCESS", "test": False, "operator_blocked": False}
NOW_JSON = {"value": 1767225600.5, "leap_second": False, "clock_failure": False, "not_synchronized": False,
            "accuracy": 10}
ORIGIN = {"category": "REMOTE_CONTROL", "identification": "me"}
MODELS = ["DIRECT_WITH_NORMAL_SECURITY", "SBO_WITH_NORMAL_SECURITY", "DIRECT_WITH_ENHANCED_SECURITY",
          "SBO_WITH_ENHANCED_SECURITY"]
NO_ANSWER = "FAILED_DUE_TO_COMMUNICATIONS_CONSTRAINT"


def struct(**elements):
    return {"type": "STRUCT", "elements": [{"name": n, "type": t} for n, t in elements.items()]}


SPS = struct(stVal="BOOLEAN", q="QUALITY", t="TIMESTAMP")
MV = struct(mag="ANALOGUE", q="QUALITY", t="TIMESTAMP")
CONTROL = struct(Oper=struct(ctlVal="BOOLEAN"))


def ref(name, *names, fc="ST", node="GGIO1"):
    return {"logical_device": LD, "logical_node": node, "fc": fc, "names": [name, *names]}


def typed(name, kind, fc="ST", node="GGIO1"):
    return {"logical_device": LD, "logical_node": node, "fc": fc, "name": name, "type": kind}


def dataset(name="events"):
    return {"logical_device": LD, "logical_node": "LLN0", "name": name}


def block(name="brcb01", kind="BUFFERED"):
    return {"logical_device": LD, "logical_node": "LLN0", "type": kind, "name": name}


def config(port, members=None, types=(), data=None, rcb=None, dynamic=False, **more):
    """One report control block, brcb01; members of its data set: value references."""
    connection = {"host": "127.0.0.1", "port": port, "connect_timeout": 5, "reconnect_delay": 0.1,
                  "response_timeout": 5, "status_delay": 60, "status_timeout": 5, **more.pop("connection", {})}
    return {
        "name": "bay", "connection": connection,
        "value_types": [typed("Ind1", SPS), typed("AnIn1", MV, "MX"), *types,
                        *(typed(f"SPCSO{i}", CONTROL, "CO") for i in range(1, 5))],
        "datasets": [{"ref": dataset(), "dynamic": dynamic, "values": members or [ref("Ind1"), ref("AnIn1", fc="MX")],
                      **more.pop("dataset", {})}],
        "rcbs": [{"ref": block(), "report_id": "events", "dataset": dataset(), **(rcb or {})}],
        "data": data if data is not None else [
            {"name": "ind", "rcb": block(), "value": ref("Ind1", "stVal"), "quality": ref("Ind1", "q"),
             "timestamp": ref("Ind1", "t")},
            {"name": "an", "rcb": block(), "value": ref("AnIn1", "mag", "f", fc="MX")}],
        "commands": [{"name": f"c{i + 1}", "model": MODELS[i], "with_operate_time": False,
                      "ref": {"logical_device": LD, "logical_node": "GGIO1", "name": f"SPCSO{i + 1}"}}
                     for i in range(4)],
        "changes": [{"name": "set", "ref": ref("AnIn1", "mag", "f", fc="MX")}], **more}


def attributes(report_id="events", data_set="LD0/LLN0$events", revision=1, item="LLN0$BR$brcb01"):
    return {Variable(LD, f"{item}${a}"): v
            for a, v in (("RptID", report_id), ("DatSet", data_set), ("ConfRev", Unsigned(revision)))}


def bits(size, *ones):
    return Bits("".join("1" if i in ones else "0" for i in range(size)))


class Case(unittest.TestCase):
    def serve(self, latest=None, level=6, **more):
        """A server, and a client that is connected to it."""
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        for v in range(1, 5):
            self.server.variables[Variable(LD, f"GGIO1$CO$SPCSO{v}$SBO")] = f"LD0/GGIO1$CO$SPCSO{v}"
        return self.start(latest, level, **more)

    def start(self, latest=None, level=6, **more):
        self.r = Runner(RUNNER, "iec61850_client", config(self.server.port, **more), latest, log_level=level)
        self.addCleanup(self.r.stop)
        return self.server

    def up(self, **more):
        """The association, with reports set up."""
        self.serve(**more)
        self.server.wait_write("GI")
        self.r.wait(lambda: "CONNECTED" in self.payloads(STATUS))
        return self.server.session()

    def payloads(self, suffix):
        return [e.payload for e in self.r.events if e.type == suffix]

    def wait_payload(self, suffix, n=1):
        self.r.wait(lambda: len(self.payloads(suffix)) >= n)
        return self.payloads(suffix)[n - 1]

    def logged(self, text):
        self.r.wait(lambda: text in "".join(self.r.log))

    def ask(self, name, action="OPERATE", session="1", value=True, **more):
        self.r.send(f"system/command/{name}", {"session_id": session, "action": action, "value": value,
                                               "origin": ORIGIN, "test": False, "checks": [], **more})


class Connection(Case):
    def test_statuses(self):
        s = self.up()
        self.assertEqual(self.payloads(STATUS), ["CONNECTING", "CONNECTED"])
        s.close()
        self.server.session(2)
        self.r.wait(lambda: self.payloads(STATUS) == ["CONNECTING", "CONNECTED", "DISCONNECTED", "CONNECTING",
                                                      "CONNECTED"])
        self.assertEqual(self.r.stop(), 0)
        self.assertEqual(self.payloads(STATUS)[-1], "DISCONNECTED")

    def test_nobody_listens(self):
        closed = socket.socket()
        self.addCleanup(closed.close)
        closed.bind(("127.0.0.1", ports.free_port()))
        self.server = types.SimpleNamespace(port=closed.getsockname()[1])
        self.start()
        self.r.wait(lambda: self.payloads(STATUS)[:4] == ["CONNECTING", "DISCONNECTED"] * 2)

    def test_aborts_in_each_layer(self):
        self.up()
        for n, layer in enumerate(mms.ABORTS, 1):
            with self.subTest(layer):
                s = self.server.session(n)
                self.server.wait_write("GI", n)
                s.abort(layer)
                self.server.session(n + 1)
                self.r.wait(lambda: self.payloads(STATUS).count("DISCONNECTED") == n)

    def test_silence_in_each_state(self):
        for state in ("transport", "associate", "requests"):
            with self.subTest(state):
                self.server = Server(attributes())
                self.addCleanup(self.server.close)
                self.server.silent = state
                self.start(connection={"connect_timeout": 0.3, "response_timeout": 0.3})
                self.r.wait_event(STATUS, "DISCONNECTED")
                self.server.silent = None
                self.server.wait_write("GI")
                self.r.stop()

    def test_refused_in_each_layer(self):
        for layer, why in (("transport", "transport: the server refused the connection: address unknown"),
                           ("session", "session: the server refused the connection: session selector unknown"),
                           ("presentation", "presentation: the server refused the connection: called presentation "
                                            "address unknown"),
                           ("application", "application: the server refused the association: called AP title not")):
            with self.subTest(layer):
                self.server = Server(attributes())
                self.addCleanup(self.server.close)
                self.server.refusal = layer
                self.start()
                self.logged(why)
                self.r.wait_event(STATUS, "DISCONNECTED")
                self.server.refusal = None
                self.server.wait_write("GI")
                self.r.stop()

    def test_leaving_a_server_that_is_silent(self):
        self.up()
        self.server.silent = "conclude"
        self.assertEqual(self.r.stop(), 0)

    def test_no_more_calls_than_agreed(self):
        """The server agrees to one, and holds the last answer to the setup: the commands wait for it."""
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.calls, held, seen = 1, [], []

        def hook(s, invoke, service, names, values):
            seen.append(names[0].item if names else service)
            if not seen[-1].endswith("$GI"):
                return False
            held.append((s, invoke))
            return True
        self.server.hook = hook
        self.start()
        self.server.wait_write("GI")
        for n in range(1, 4):
            self.ask(f"c{n}", session=str(n))
        self.ask("c1", session="4", value="ON")  # refused by ourselves, once the others were looked at
        self.r.send("system/command/nobody", {"session_id": "5"})
        self.logged("nobody")
        self.assertTrue(seen[-1].endswith("$GI"), seen)
        (s, invoke), = held
        s.answer(invoke, 0xA5, tlv(0x81))
        for n in range(1, 4):
            self.assertTrue(self.wait_payload(f"gateway/command/c{n}")["success"])
        self.assertFalse(self.wait_payload("gateway/command/c1", 2)["success"])

    def test_answers_out_of_order(self):
        """The status that was asked for later is answered first, then the command."""
        self.up(connection={"status_delay": 0.2, "status_timeout": 5})
        held = []

        def hook(s, invoke, service, names, values):
            if service == mms.WRITE:
                held.append((s, invoke))
                return True
            if service == mms.STATUS and held:
                s.answer(invoke, 0xA0, tlv(0x80, b"\0") + tlv(0x81, b"\0"))
                s.answer(held.pop()[1], 0xA5, tlv(0x81))
                return True
            return False
        self.server.hook = hook
        for n in range(1, 4):
            self.ask("c1", session=str(n))
            self.assertEqual(self.wait_payload("gateway/command/c1", n),
                             {"session_id": str(n), "action": "OPERATE", "success": True})
        self.assertEqual(self.payloads(STATUS), ["CONNECTING", "CONNECTED"])

    def test_a_small_pdu_with_a_large_report(self):
        """1,000 octets a PDU: the server sends its 200 values in segments."""
        names = [f"M{i}" for i in range(200)]
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.pdu_size = 1000
        self.start(members=[ref(n) for n in names], types=[typed(n, "INTEGER") for n in names],
                   data=[{"name": n, "rcb": block(), "value": ref(n)} for n in names])
        self.server.wait_write("GI")
        s, fields = self.server.session(), bits(10, 1, 7, 9)
        for part in range(10):
            inside = Bits("".join("1" if i // 20 == part else "0" for i in range(200)))
            s.report("events", fields, Unsigned(3), b"\x01", Unsigned(part), part < 9, inside,
                     *range(20 * part, 20 * part + 20))
        self.wait_payload("gateway/entry_id/events")
        self.assertEqual([self.payloads(f"gateway/data/{n}") for n in names], [
            [{"reasons": [], "value": i}] for i in range(200)])

    def test_status_keeps_the_connection(self):
        s = self.up(connection={"status_delay": 0.2, "status_timeout": 0.3})
        asked = []
        self.server.hook = lambda s, i, service, n, v: asked.append(service)
        self.r.wait(lambda: asked.count(mms.STATUS) >= 3)
        self.assertEqual(self.payloads(STATUS), ["CONNECTING", "CONNECTED"])
        self.server.silent = "requests"
        self.r.wait_event(STATUS, "DISCONNECTED")
        del s

    def test_garbage(self):
        s = self.up()
        s.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.server.session(2)
        self.server.wait_write("GI", 2)
        self.server.session(2).send(b"\x03\x00\x00\x04")
        self.server.session(3)

    def test_small_pdus_and_one_call_at_a_time(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.pdu_size, self.server.calls = 1000, 1
        self.start()
        self.server.wait_write("GI")
        self.ask("c1")
        self.assertTrue(self.wait_payload("gateway/command/c1")["success"])

    def test_selectors(self):
        self.serve(connection={"remote_tsel": 1, "remote_ssel": "0102", "remote_psel": "00000001",
                               "local_ap_title": [1, 3, 9999, 13], "local_ae_qualifier": 12})
        self.server.wait_write("GI")


class Setup(Case):
    def test_order_of_a_buffered_block(self):
        self.up(rcb={"trigger_options": ["DATA_CHANGE", "GENERAL_INTERROGATION"], "conf_revision": 1,
                     "optional_fields": ["SEQUENCE_NUMBER", "ENTRY_ID"], "buffer_time": 50, "integrity_period": 1000,
                     "reservation_time": 30})
        item = "LLN0$BR$brcb01$"
        self.assertEqual(self.server.reads, [item + a for a in ("RptID", "DatSet", "ConfRev")])
        self.assertEqual(self.server.writes, [(item + a, v) for a, v in (
            ("ResvTms", 30), ("RptEna", False), ("PurgeBuf", True), ("TrgOps", bits(6, 1, 5)),
            ("OptFlds", bits(10, 1, 7)), ("BufTm", 50), ("IntgPd", 1000), ("RptEna", True), ("GI", True))])

    def test_order_of_an_unbuffered_block(self):
        self.server = Server(attributes(item="LLN0$RP$brcb01"))
        self.addCleanup(self.server.close)
        unbuffered = block(kind="UNBUFFERED")
        self.start(rcb={"ref": unbuffered}, data=[])
        self.server.wait_write("GI")
        self.assertEqual(self.server.writes, [(f"LLN0$RP$brcb01${a}", v) for a, v in (
            ("Resv", True), ("RptEna", False), ("RptEna", True), ("GI", True))])

    def test_goes_on_behind_the_last_entry(self):
        self.up(latest={"gateway/entry_id/events": "0011223344556677"})
        self.assertEqual(self.server.wait_write("EntryID"), [bytes.fromhex("0011223344556677")])
        self.assertNotIn("LLN0$BR$brcb01$PurgeBuf", dict(self.server.writes))

    def test_an_entry_that_is_refused(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.refused["EntryID"] = mms.DENIED
        self.start(latest={"gateway/entry_id/events": "0011223344556677"})
        self.assertEqual(self.server.wait_write("EntryID", 2), [bytes.fromhex("0011223344556677"), bytes(8)])
        self.server.wait_write("GI")

    def test_purge_although_an_entry_is_known(self):
        self.up(latest={"gateway/entry_id/events": "0011223344556677"}, rcb={"purge_buffer": True})
        self.assertEqual(self.server.wait_write("PurgeBuf"), [True])

    def test_differences_close_the_connection(self):
        for values, rcb, text in (({"report_id": "other"}, {}, "RptID is other"),
                                  ({"data_set": "LD0/LLN0$x"}, {}, "DatSet is LD0/LLN0$x"),
                                  ({"revision": 7}, {"conf_revision": 1}, "ConfRev is 7, not 1")):
            with self.subTest(text):
                self.server = Server(attributes(**values))
                self.addCleanup(self.server.close)
                self.start(rcb=rcb)
                self.logged(text)
                self.r.wait_event(STATUS, "DISCONNECTED")
                self.r.stop()

    def test_what_may_be_refused(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.refused.update(PurgeBuf=mms.DENIED, OptFlds=mms.DENIED)
        self.start(rcb={"optional_fields": []})
        self.server.wait_write("GI")
        self.logged("setting its options failed: object-access-denied")

    def test_enabling_may_not(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.refused["RptEna"] = mms.UNAVAILABLE
        self.start()
        self.logged("report events: enabling it failed: temporarily-unavailable")
        self.server.session(2)

    def test_interrogation_that_is_not_configured_may(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.refused["GI"] = mms.UNAVAILABLE
        self.start(rcb={"trigger_options": ["DATA_CHANGE"]})
        self.logged("1 report control block set up")

    def test_a_server_that_rejects(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.hook = lambda s, i, *_: s.reject(i) or True
        self.start()
        self.r.wait_event(STATUS, "DISCONNECTED")
        self.server.hook = None
        self.server.wait_write("GI")

    def test_restart_with_another_model(self):
        s = self.up(rcb={"conf_revision": 1})
        self.server.variables.update(attributes(revision=2))
        s.close()
        self.logged("ConfRev is 2, not 1")
        self.server.variables.update(attributes())
        self.server.wait_write("GI", 2)


class DataSets(Case):
    MEMBERS = [Variable(LD, "GGIO1$ST$Ind1"), Variable(LD, "GGIO1$MX$AnIn1")]

    def serve_set(self, members, **more):
        self.server = Server(attributes(), {} if members is None else {Variable(LD, "LLN0$events"): members})
        self.addCleanup(self.server.close)
        self.start(dynamic=True, **more)

    def test_made(self):
        self.serve_set(None)
        self.assertEqual(self.server.wait_write("DatSet"), ["LD0/LLN0$events"])
        self.assertEqual(self.server.sets, {Variable(LD, "LLN0$events"): self.MEMBERS})

    def test_kept(self):
        self.serve_set(self.MEMBERS)
        asked = []
        self.server.hook = lambda s, i, service, *_: asked.append(service)
        self.server.wait_write("GI")
        self.assertNotIn(mms.DEFINE, asked)
        self.assertNotIn(mms.DELETE, asked)

    def test_different(self):
        self.serve_set(self.MEMBERS[:1])
        self.logged("data set LD0/LLN0$events is on the server with other members")
        self.r.wait_event(STATUS, "DISCONNECTED")
        self.assertEqual(self.server.sets[Variable(LD, "LLN0$events")], self.MEMBERS[:1])

    def test_replaced(self):
        self.serve_set(self.MEMBERS[::-1], dataset={"replace": True})
        self.server.wait_write("GI")
        self.assertEqual(self.server.sets[Variable(LD, "LLN0$events")], self.MEMBERS)

    def test_of_the_association(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.start(dynamic=True, dataset={"ref": "mine"}, rcb={"dataset": "mine"})
        self.assertEqual(self.server.wait_write("DatSet"), ["@mine"])
        self.assertEqual(self.server.sets, {Variable(None, "mine"): self.MEMBERS})

    def test_too_large_for_a_pdu(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        self.server.pdu_size = 1000
        names = [f"Ind{i}" for i in range(2, 100)]
        self.start(dynamic=True, members=[ref(n) for n in names], types=[typed(n, SPS) for n in names], data=[])
        self.logged("does not fit a PDU of the negotiated size")


class Reports(Case):
    IND, AN = [True, GOOD, NOW], [[1.5], GOOD, NOW]

    def test_all_fields(self):
        s = self.up()
        s.report("events", bits(10, *range(1, 9)), Unsigned(0), b"\0" * 6, "LD0/LLN0$events", False, b"\x01\x02",
                 Unsigned(1), Bits("11"), "LD0/GGIO1$ST$Ind1", "LD0/GGIO1$MX$AnIn1", self.IND, self.AN,
                 bits(7, 1, 2), bits(7, 5))
        self.assertEqual(self.wait_payload("gateway/entry_id/events"), "0102")
        self.assertEqual([(e.type, e.payload) for e in self.r.events if e.type != STATUS], [
            ("gateway/data/ind", {"reasons": ["DATA_CHANGE", "QUALITY_CHANGE"], "value": True, "quality": GOOD_JSON,
                                  "timestamp": NOW_JSON}),
            ("gateway/data/an", {"reasons": ["GENERAL_INTERROGATION"], "value": 1.5}),
            ("gateway/entry_id/events", "0102")])

    def test_no_fields(self):
        s = self.up()
        s.report("events", bits(10), Bits("01"), self.AN)
        self.assertIsNone(self.wait_payload("gateway/entry_id/events"))
        self.assertEqual(self.payloads("gateway/data/an"), [{"reasons": [], "value": 1.5}])
        self.assertEqual(self.payloads("gateway/data/ind"), [])

    def test_each_type(self):
        rows = [("BOOLEAN", True, True), ("INTEGER", -7, -7), ("UNSIGNED", Unsigned(7), 7), ("FLOAT", 1.5, 1.5),
                ("FLOAT", float("inf"), "inf"), ("BIT_STRING", Bits("101"), [True, False, True]),
                ("OCTET_STRING", b"\x00\xff", "00ff"), ("VISIBLE_STRING", "ab", "ab"), ("MMS_STRING", Mms("ä"), "ä"),
                ("QUALITY", Bits("0100000000110"), {**GOOD_JSON, "validity": "INVALID", "source": "SUBSTITUTED",
                                                    "test": True}),
                ("TIMESTAMP", NOW, NOW_JSON), ("DOUBLE_POINT", Bits("10"), "ON"), ("DIRECTION", 1, "FORWARD"),
                ("SEVERITY", 2, "MAJOR"), ("ANALOGUE", [1, 1.5], {"i": 1, "f": 1.5}),
                ("VECTOR", [[1.5], [2.5]], {"magnitude": {"f": 1.5}, "angle": {"f": 2.5}}),
                ("STEP_POSITION", [3, True], {"value": 3, "transient": True}), ("BINARY_CONTROL", Bits("01"), "LOWER"),
                ({"type": "ARRAY", "element_type": "INTEGER", "length": 2}, Array([1, 2]), [1, 2]),
                (struct(a="INTEGER", b="BOOLEAN"), [1, False], {"a": 1, "b": False})]
        names = [f"V{i}" for i in range(len(rows))]
        self.serve(members=[ref(n) for n in names], types=[typed(n, row[0]) for n, row in zip(names, rows)],
                   data=[{"name": n, "rcb": block(), "value": ref(n)} for n in names])
        self.server.wait_write("GI")
        self.server.session().report("events", bits(10), Bits("1" * len(rows)), *(row[1] for row in rows))
        self.wait_payload("gateway/entry_id/events")
        for name, row in zip(names, rows):
            self.assertEqual(self.payloads(f"gateway/data/{name}"), [{"reasons": [], "value": row[2]}], row)

    def test_parts_and_wholes(self):
        """A data inside of a member, one that is several members, and several data of one member."""
        vector = struct(cVal="VECTOR", q="QUALITY")
        self.serve(members=[ref("Ind1", "stVal"), ref("Ind1", "q"), ref("V")], types=[typed("V", vector)],
                   data=[{"name": "whole", "rcb": block(), "value": ref("Ind1")},
                         {"name": "mag", "rcb": block(), "value": ref("V", "cVal", "mag", "f")},
                         {"name": "v", "rcb": block(), "value": ref("V", "cVal")}])
        self.server.wait_write("GI")
        self.server.session().report("events", bits(10), Bits("111"), True, GOOD, [[[1.5], [2.5]], GOOD])
        self.wait_payload("gateway/entry_id/events")
        self.assertEqual(self.payloads("gateway/data/whole"), [{"reasons": [], "value": {
            "stVal": True, "q": GOOD_JSON}}])
        self.assertEqual(self.payloads("gateway/data/mag"), [{"reasons": [], "value": 1.5}])
        self.assertEqual(self.payloads("gateway/data/v"), [{"reasons": [], "value": {
            "magnitude": {"f": 1.5}, "angle": {"f": 2.5}}}])

    def test_what_is_not_as_configured_is_dropped(self):
        s = self.up()
        s.report("nobody", bits(10), Bits("01"), self.AN)
        s.report("events", bits(10), Bits("011"), self.AN)
        s.report("events", bits(10), Bits("01"), self.IND)
        s.report("events", bits(10, 5), Bits("01"), "LD0/GGIO1$ST$Ind1", self.AN)
        s.report("events", bits(10), Bits("11"), self.AN)
        s.report("events", bits(10, 7), b"\x07", Bits("00"))
        self.assertEqual(self.wait_payload("gateway/entry_id/events"), "07")
        self.assertEqual(self.payloads("gateway/data/an"), [])
        self.r.wait_counters(lambda c: c.get("reports_dropped") == 5 and c.get("reports") == 1)

    def test_segments(self):
        s = self.up()
        fields = bits(10, 1, 7, 9)
        s.report("events", fields, Unsigned(3), b"\x01", Unsigned(0), True, Bits("10"), self.IND)
        s.report("events", fields, Unsigned(3), b"\x01", Unsigned(1), False, Bits("01"), self.AN)
        self.wait_payload("gateway/entry_id/events")
        self.assertEqual([e.type for e in self.r.events if e.type != STATUS],
                         ["gateway/data/ind", "gateway/data/an", "gateway/entry_id/events"])

    def test_a_segment_that_is_missing(self):
        s = self.up()
        fields = bits(10, 1, 9)
        s.report("events", fields, Unsigned(3), Unsigned(0), True, Bits("10"), self.IND)
        s.report("events", fields, Unsigned(3), Unsigned(2), False, Bits("01"), self.AN)
        s.report("events", fields, Unsigned(4), Unsigned(0), False, Bits("01"), self.AN)
        self.wait_payload("gateway/entry_id/events")
        self.assertEqual(self.payloads("gateway/data/ind"), [])
        self.r.wait_counters(lambda c: c.get("segments_lost") == 1)

    def test_gaps_and_overflow_are_counted(self):
        s = self.up()
        for n, overflow in ((65534, False), (65535, False), (0, False), (2, True)):
            s.report("events", bits(10, 1, 6), Unsigned(n), overflow, Bits("00"))
        self.wait_payload("gateway/entry_id/events", 4)
        self.r.wait_counters(lambda c: c.get("sequence_gaps") == 1 and c.get("buffer_overflows") == 1)
        self.logged("sequence number 2 follows 0")

    def test_a_purged_buffer_has_not_overflowed(self):
        s = self.up()
        for n in range(3):
            s.report("events", bits(10, 6), True, Bits("00"))
        self.wait_payload("gateway/entry_id/events", 3)
        self.r.wait_counters(lambda c: c.get("buffer_overflows") == 2)

    def test_a_thousand_members(self):
        names = [f"M{i}" for i in range(1000)]
        self.serve(members=[ref(n) for n in names], types=[typed(n, "INTEGER") for n in names],
                   data=[{"name": n, "rcb": block(), "value": ref(n)} for n in names])
        self.server.wait_write("GI")
        s = self.server.session()
        for i in range(20):
            s.report("events", bits(10, 1), Unsigned(i), Bits("1" * 1000), *range(i, i + 1000))
        self.wait_payload("gateway/entry_id/events", 20)
        self.assertEqual([p["value"] for p in self.payloads("gateway/data/M999")], list(range(999, 1019)))

    def test_the_entry_is_remembered(self):
        s = self.up()
        s.report("events", bits(10, 7), b"\x07" * 8, Bits("00"))
        self.wait_payload("gateway/entry_id/events")
        s.close()
        self.assertEqual(self.server.wait_write("EntryID"), [b"\x07" * 8])


class Commands(Case):
    def oper(self, n, count=1, attribute="Oper"):
        return self.server.wait_write(f"SPCSO{n}${attribute}", count)[count - 1]

    def test_four_models(self):
        self.up()
        for n in (1, 3):
            self.ask(f"c{n}")
            self.assertEqual(self.oper(n)[:3], [True, [3, b"me"], 1])
        for n, number in ((2, 0), (4, 1)):
            self.ask(f"c{n}", "SELECT", "s")
            self.assertEqual(self.wait_payload(f"gateway/command/c{n}"),
                             {"session_id": "s", "action": "SELECT", "success": True})
            self.ask(f"c{n}", checks=["SYNCHRO"], test=True)
            value, origin, ctl_num, _, test, checks = self.oper(n)
            self.assertEqual((ctl_num, test, checks), (number, True, Bits("10")))
            self.ask(f"c{n}", "CANCEL", "c")
            self.assertEqual(len(self.oper(n, attribute="Cancel")), 5)
        self.assertIn("GGIO1$CO$SPCSO2$SBO", self.server.reads)
        self.assertEqual(self.oper(4, attribute="SBOw")[2], 1)
        self.assertEqual(self.wait_payload("gateway/command/c4", 3)["action"], "CANCEL")

    def test_selection_that_is_refused(self):
        self.up()
        self.server.variables[Variable(LD, "GGIO1$CO$SPCSO2$SBO")] = ""
        self.ask("c2", "SELECT")
        self.assertEqual(self.wait_payload("gateway/command/c2"), {
            "session_id": "1", "action": "SELECT", "success": False, "service_error": NO_ANSWER})

    def test_refusal_says_why(self):
        self.up()
        def refuse(s, invoke, service, names, values):
            if service != mms.WRITE:
                return False
            s.unconfirmed([Variable(None, "LastApplError")],
                          [["LD0/GGIO1$CO$SPCSO1$Oper", 0, [3, b"me"], Unsigned(1), 10]])
            s.answer(invoke, 0xA5, mms.tlv(0x80, b"\x03"))
            return True
        self.server.hook = refuse
        self.ask("c1")
        self.assertEqual(self.wait_payload("gateway/command/c1"), {
            "session_id": "1", "action": "OPERATE", "success": False, "additional_cause": "BLOCKED_BY_INTERLOCKING",
            "test_error": "NO_ERROR"})

    def test_terminations(self):
        """Two commands, one of which fails, and the next one before its answer."""
        s = self.up()
        oper = Variable(LD, "GGIO1$CO$SPCSO3$Oper")
        for n in (1, 2):
            self.ask("c3", session=str(n))
            self.wait_payload("gateway/command/c3", n)
        first, second = (self.oper(3, n) for n in (1, 2))
        s.unconfirmed([Variable(None, "LastApplError"), oper],
                      [["LD0/GGIO1$CO$SPCSO3$Oper", 0, [3, b"me"], Unsigned(2), 16], second])
        self.wait_payload("gateway/command/c3", 3)
        s.unconfirmed([oper], [first])
        self.wait_payload("gateway/command/c3", 4)

        def early(s, invoke, service, names, values):
            s.unconfirmed([oper], values)
            return False
        self.server.hook = early
        self.ask("c3", session="3")
        self.wait_payload("gateway/command/c3", 6)
        self.assertEqual([(p["session_id"], p["action"], p["success"]) for p in self.payloads("gateway/command/c3")], [
            ("1", "OPERATE", True), ("2", "OPERATE", True), ("2", "TERMINATION", False), ("1", "TERMINATION", True),
            ("3", "OPERATE", True), ("3", "TERMINATION", True)])
        self.assertEqual(self.payloads("gateway/command/c3")[2]["additional_cause"], "TIME_LIMIT_OVER")

    def test_no_answer_and_no_connection(self):
        s = self.up(connection={"response_timeout": 0.3})
        self.server.silent = "requests"
        self.ask("c1")
        self.r.send("system/change/set", {"session_id": "2", "value": 1.5})
        failed = {"session_id": "1", "action": "OPERATE", "success": False, "service_error": NO_ANSWER}
        self.assertEqual(self.wait_payload("gateway/command/c1"), failed)
        self.assertEqual(self.wait_payload("gateway/change/set"),
                         {"session_id": "2", "success": False, "error": NO_ANSWER})
        self.server.refuse()
        s.close()
        self.r.wait_event(STATUS, "DISCONNECTED")
        self.ask("c1")
        self.assertEqual(self.wait_payload("gateway/command/c1", 2), failed)

    def test_lost_on_the_way(self):
        s = self.up()
        self.server.hook = lambda s, i, service, n, v: s.close() or True
        self.ask("c1")
        self.ask("c1", session="2")
        self.assertFalse(self.wait_payload("gateway/command/c1", 2)["success"])
        del s

    def test_with_operate_time(self):
        self.serve(commands=[{"name": "c1", "model": MODELS[0], "with_operate_time": True,
                              "ref": {"logical_device": LD, "logical_node": "GGIO1", "name": "SPCSO1"}}])
        self.server.wait_write("GI")
        self.ask("c1")
        self.assertEqual(len(self.oper(1)), 7)
        self.assertEqual(self.oper(1)[1], Utc(bytes(8)))

    def test_payloads_that_are_none(self):
        self.up()
        self.ask("c1", value="ON")
        self.ask("c1", origin={"category": "ME", "identification": ""})
        self.ask("c1", checks=["ALL"])
        self.ask("c1", origin={**ORIGIN, "identification": "x" * 65})
        for n in range(1, 5):
            self.assertEqual(self.wait_payload("gateway/command/c1", n)["service_error"],
                             "PARAMETER_VALUE_INAPPROPRIATE")
        self.r.send("system/command/c1", {"action": "OPERATE"})
        self.r.send("system/command/nobody", {"session_id": "1"})
        self.r.send_raw("system/command/c1", "{")
        self.ask("c1", origin={**ORIGIN, "identification": "x" * 40})
        self.assertTrue(self.wait_payload("gateway/command/c1", 5)["success"])
        self.logged("identification is longer than 32 octets")

    def test_changes(self):
        self.up()
        self.r.send("system/change/set", {"session_id": "1", "value": 2.5})
        self.assertEqual(self.server.wait_write("AnIn1$mag$f"), [2.5])
        self.assertEqual(self.wait_payload("gateway/change/set"), {"session_id": "1", "success": True})
        for n, (code, name) in enumerate(((3, "ACCESS_VIOLATION"), (10, "INSTANCE_NOT_AVAILABLE"),
                                          (2, "INSTANCE_LOCKED_BY_OTHER_CLIENT"), (7, "TYPE_CONFLICT"),
                                          (11, "PARAMETER_VALUE_INCONSISTENT"), (5, NO_ANSWER)), 2):
            self.server.refused["mag$f"] = code
            self.r.send("system/change/set", {"session_id": "1", "value": 2.5})
            self.assertEqual(self.wait_payload("gateway/change/set", n)["error"], name)


class WholeGateway(Case):
    """With gatewayd around it: verbs, health and trace of gatewayctl."""

    def setUp(self):
        self.server = Server(attributes())
        self.addCleanup(self.server.close)
        conf = config(self.server.port)
        conf["data"][0]["name"] = conf["commands"][0]["name"] = "breaker"
        self.g = self.enterContext(Gateway({"devices": [
            {"module": "hat.gateway.devices.iec61850.client", **conf}]}))
        self.g.enable("bay")
        self.g.wait_state("bay", "running")
        self.server.wait_write("GI")

    def test_describe_and_verbs(self):
        rows = {row["name"]: row for row in self.g.ctl("describe", "bay")}
        self.assertEqual((rows["data/breaker"]["value"], rows["data/breaker"]["about"]),
                         ("boolean", "GGIO1$ST$Ind1$stVal"))
        self.assertEqual([v["verb"] for v in rows["command/breaker"]["verbs"]], ["command", "select"])
        self.server.session().report("events", bits(10), Bits("10"), [True, GOOD, NOW])
        self.g.wait(lambda: any(row["name"] == "data/breaker" and row["value"] is True
                                for row in self.g.ctl("read", "bay")), "the value")
        self.g.ctl.text("command", "bay", "breaker", "true")
        self.assertEqual(self.server.wait_write("SPCSO1$Oper")[0][0], True)
        self.g.ctl.text("command", "--select", "bay", "c4", "false")
        for attribute in ("SBOw", "Oper"):
            self.assertEqual(self.server.wait_write(f"SPCSO4${attribute}")[0][0], False)
        self.g.ctl.text("write", "bay", "set", "2.5")
        self.assertEqual(self.server.wait_write("AnIn1$mag$f"), [2.5])
        self.server.refused["mag$f"] = mms.DENIED
        refused = self.g.ctl.run("write", "bay", "set", "1.5")
        self.assertEqual(refused.returncode, 1)

    def test_health(self):
        self.assertEqual(self.g.ctl.run("health").returncode, 0)
        self.server.silent = "associate"
        self.server.session().close()
        self.g.wait(lambda: self.g.ctl.run("health").returncode != 0, "the server to be missed")

    def test_trace(self):
        p = self.g.ctl.start("--json", "trace", "bay")
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        p.stdout.readline()
        self.g.ctl.text("command", "bay", "breaker", "true")
        # What the connection began with may still be answered.
        row = next(r for r in map(json.loads, p.stdout) if "SPCSO1" in r["text"])
        self.assertEqual((row["protocol"], row["direction"], row["remote"]),
                         ("mms", "tx", f"127.0.0.1:{self.server.port}"))
        self.assertRegex(row["text"], r'^request \d+, write "LD0"/"GGIO1\$CO\$SPCSO1\$Oper" = {true, ')


class Configuration(Case):
    def errors(self, conf):
        r = Runner(RUNNER, "iec61850_client", conf, check_only=True)
        self.addCleanup(r.stop)
        r.wait(lambda: r.closed)
        return {path for severity, path, _ in r.config_errors}

    def test_faults_are_all_told(self):
        conf = config(102, types=[typed("X", "NOTHING")], members=[ref("Ind1"), ref("Nobody"), ref("Ind1", "x")],
                      rcb={"dataset": "none"})
        conf["commands"][0]["ref"]["name"] = "Nobody"
        conf["changes"].append(conf["changes"][0])
        conf["connection"].update(remote_tsel="0", local_ap_title=[9])
        self.assertEqual(self.errors(conf), {
            "value_types[2].type", "datasets[0].values[1]", "datasets[0].values[2]", "rcbs[0].dataset",
            "commands[0].ref", "changes", "connection.remote_tsel", "connection.local_ap_title"})

    def test_a_buffered_block_outlives_the_association(self):
        """libiec61850 refuses such a data set."""
        for kind, told in (("BUFFERED", True), ("UNBUFFERED", False)):
            errors = self.errors(config(102, dynamic=True, dataset={"ref": "mine"}, data=[], rcb={
                "ref": block(kind=kind), "dataset": "mine"}))
            self.assertEqual("rcbs[0].dataset" in errors, told)

    def test_names(self):
        conf = config(102)
        conf["data"][0]["name"] = "*"
        conf["rcbs"][0]["report_id"] = "?"
        conf["commands"][0]["ref"]["name"] = "x" * 200
        conf["value_types"].append(typed("x" * 200, CONTROL, "CO"))
        self.assertEqual(self.errors(conf), {"data", "rcbs[0].report_id", "commands[0].ref"})

    def test_types_of_the_parts_of_a_data(self):
        conf = config(102)
        conf["data"][0].update(quality=ref("Ind1", "t"), timestamp=ref("Ind1", "q"), selected=ref("Ind1", "q"))
        conf["data"][1]["rcb"] = block("other")
        self.assertEqual(self.errors(conf), {
            "data[0].quality", "data[0].timestamp", "data[0].selected", "data[1].rcb"})

    def test_example_of_the_manual(self):
        text = displays("gateway-iec61850.7")
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
            f.write(next(t for t in text if t.startswith("name: ")))
            f.flush()
            done = subprocess.run([program("gatewayd"), "--check", "--config", f.name], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
