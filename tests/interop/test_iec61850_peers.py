"""iec61850_client beside hat-gateway's, each against libiec61850's server that does the same: the same events; and with
open61850's server, which serves an SCL file."""

import logging
import os
import subprocess
import sys
import tempfile
import unittest

from peers import LIB

try:
    import hat.gateway.devices.iec61850.client as hat_client
    import pyiec61850  # noqa: F401
    import yaml
except ImportError as e:
    raise unittest.SkipTest(f"a peer is not importable: {e}")

from gatewayd import program  # noqa: E402
from hat_device import Reference  # noqa: E402
from iec61850_server import TEMPLATES, WIDE, Server, serve_scl  # noqa: E402
from ports import free_port  # noqa: E402
from runner_host import Runner  # noqa: E402
from test_iec61850 import CONTROL, MODELS, MV, ORIGIN, RUNNER, SPS, STATUS, config as small_config  # noqa: E402

logging.disable(logging.CRITICAL)
LD = "testLD0"
FIELDS = ["SEQUENCE_NUMBER", "REPORT_TIME_STAMP", "REASON_FOR_INCLUSION", "DATA_SET_NAME", "DATA_REFERENCE",
          "BUFFER_OVERFLOW", "ENTRY_ID", "CONF_REVISION"]


def ref(name, *names, fc="ST"):
    return {"logical_device": LD, "logical_node": "GGIO1", "fc": fc, "names": [name, *names]}


def typed(name, kind, fc="ST"):
    return {"logical_device": LD, "logical_node": "GGIO1", "fc": fc, "name": name, "type": kind}


def node(name, **more):
    return {"logical_device": LD, "logical_node": "LLN0", **more, "name": name}


STATIC, DYNAMIC = node("events"), node("dyn")
BUFFERED, UNBUFFERED = node("brcb01", type="BUFFERED"), node("urcb01", type="UNBUFFERED")


def config(port):
    blocks = [{"ref": BUFFERED, "report_id": "brcb01", "dataset": STATIC, "conf_revision": 1, "buffer_time": 20},
              {"ref": UNBUFFERED, "report_id": "urcb01", "dataset": DYNAMIC}]
    return {
        "name": "bay",
        "connection": {"host": "127.0.0.1", "port": port, "connect_timeout": 5, "reconnect_delay": 0.5,
                       "response_timeout": 5, "status_delay": 0.3, "status_timeout": 5},
        "value_types": [*(typed(f"Ind{i}", SPS) for i in range(1, 5)), typed("AnIn1", MV, "MX"),
                        *(typed(f"SPCSO{i}", CONTROL, "CO") for i in range(1, 5))],
        "datasets": [
            {"ref": STATIC, "dynamic": False, "values": [*(ref(f"Ind{i}") for i in range(1, 5)), ref("AnIn1", fc="MX")]},
            {"ref": DYNAMIC, "dynamic": True, "values": [ref("Ind2", "stVal"), ref("Ind2", "q"),
                                                         ref("AnIn1", "mag", fc="MX")]}],
        "rcbs": [{**b, "trigger_options": ["DATA_CHANGE", "QUALITY_CHANGE", "GENERAL_INTERROGATION"],
                  "optional_fields": FIELDS} for b in blocks],
        "data": [{"name": "one", "rcb": BUFFERED, "value": ref("Ind1", "stVal"), "quality": ref("Ind1", "q"),
                  "timestamp": ref("Ind1", "t")},
                 {"name": "all", "rcb": BUFFERED, "value": ref("AnIn1", fc="MX")},
                 {"name": "part", "rcb": BUFFERED, "value": ref("AnIn1", "mag", "f", fc="MX"),
                  "quality": ref("AnIn1", "q", fc="MX")},
                 {"name": "pieces", "rcb": UNBUFFERED, "value": ref("Ind2")},
                 {"name": "mag", "rcb": UNBUFFERED, "value": ref("AnIn1", "mag", fc="MX")}],
        "commands": [{"name": f"c{i + 1}", "model": MODELS[i], "with_operate_time": False,
                      "ref": {"logical_device": LD, "logical_node": "GGIO1", "name": f"SPCSO{i + 1}"}}
                     for i in range(4)],
        "changes": [{"name": "no", "ref": ref("Ind1", "stVal")}]}


def of(events, *suffixes):
    return [e for e in events if e.type.startswith(tuple(suffixes))]


def plain(e):
    """What has to be the same: all but the EntryID itself and the order of reasons."""
    if e.type.startswith("gateway/entry_id"):
        return e.type, e.payload is not None
    if "reasons" in (e.payload if isinstance(e.payload, dict) else {}):
        return e.type, {**e.payload, "reasons": sorted(e.payload["reasons"])}
    return e.type, e.payload


class Same(unittest.TestCase):
    def play(self, device, server):
        """Reports and commands; the events by what they are about."""
        def wait(count, *suffixes):
            device.wait(lambda: len(of(device.events, *suffixes)) >= count)
        wait(1, "gateway/entry_id")
        wait(2, "gateway/data/pieces", "gateway/data/mag")
        for n, line in enumerate(("bool GGIO1.Ind1.stVal 1", "float GGIO1.AnIn1.mag.f 2.5", "bool GGIO1.Ind2.stVal 1"), 2):
            server.do(line)
            wait(n, "gateway/entry_id")
        wait(4, "gateway/data/pieces", "gateway/data/mag")
        number = 0
        for name, actions in (("c1", ["OPERATE"]), ("c2", ["OPERATE", "SELECT", "OPERATE"]), ("c3", ["OPERATE"]),
                              ("c4", ["OPERATE", "SELECT", "CANCEL", "SELECT", "OPERATE"])):
            for n, action in enumerate(actions, 1):
                number += 1
                device.send(f"system/command/{name}", {
                    "session_id": str(number), "action": action, "value": True, "origin": ORIGIN, "test": False,
                    "checks": []})
                device.wait(lambda: len([e for e in of(device.events, f"gateway/command/{name}")
                                         if e.payload["action"] != "TERMINATION"]) == n)
            if name in ("c3", "c4"):
                device.wait(lambda: any(e.payload["action"] == "TERMINATION"
                                        for e in of(device.events, f"gateway/command/{name}")))
        device.send("system/change/no", {"session_id": "9", "value": True})
        wait(1, "gateway/change")
        return [[plain(e) for e in of(device.events, *suffixes)] for suffixes in (
            (STATUS,), ("gateway/data/one", "gateway/data/all", "gateway/data/part", "gateway/entry_id"),
            ("gateway/data/pieces", "gateway/data/mag"), ("gateway/command",), ("gateway/change",))]

    def run_on_a_server(self, make):
        server = Server(os.environ.get("IEC61850_PYTHON", sys.executable), free_port())
        try:
            device = make(config(server.port))
            try:
                return self.play(device, server)
            finally:
                device.stop()
        finally:
            server.stop()

    def test_events(self):
        ours = self.run_on_a_server(lambda conf: Runner(RUNNER, "iec61850_client", conf))
        theirs = self.run_on_a_server(lambda conf: Reference(hat_client.info, conf))
        # hat-gateway may tell a termination before its OPERATE.
        for events in (ours, theirs):
            events[3].sort(key=lambda e: (int(e[1]["session_id"]), e[1]["action"]))
        self.maxDiff = None
        for a, b in zip(ours, theirs):
            self.assertEqual(a, b)


class Segments(unittest.TestCase):
    def test_a_data_set_larger_than_a_pdu(self):
        """libiec61850 sends 100 measured values in PDUs of 1,000 octets."""
        server = Server(os.environ.get("IEC61850_PYTHON", sys.executable), free_port())
        self.addCleanup(server.stop)
        names, wide = [f"AnIn{i + 1}" for i in range(WIDE)], node("wide01", type="BUFFERED")

        def value(name, *path):
            return {"logical_device": LD, "logical_node": "GGIO2", "fc": "MX", "names": [name, *path]}
        conf = {**config(server.port), "commands": [], "changes": [],
                "value_types": [{"logical_device": LD, "logical_node": "GGIO2", "fc": "MX", "name": n, "type": MV}
                                for n in names],
                "datasets": [{"ref": node("wide"), "dynamic": False, "values": [value(n) for n in names]}],
                "rcbs": [{"ref": wide, "report_id": "wide01", "dataset": node("wide"), "buffer_time": 300,
                          "trigger_options": ["DATA_CHANGE", "GENERAL_INTERROGATION"],
                          "optional_fields": ["SEQUENCE_NUMBER", "REASON_FOR_INCLUSION", "ENTRY_ID"]}],
                "data": [{"name": n, "rcb": wide, "value": value(n, "mag", "f")} for n in names]}
        conf["connection"]["local_detail_calling"] = 1000
        r = Runner(RUNNER, "iec61850_client", conf, log_level=7)
        self.addCleanup(r.stop)
        r.wait_event("gateway/entry_id/wide01")
        self.assertEqual({e.type for e in of(r.events, "gateway/data")}, {f"gateway/data/{n}" for n in names})
        self.assertEqual({e.payload["value"] for e in of(r.events, "gateway/data")}, {0})
        before = len(of(r.events, "gateway/data"))
        for n, name in enumerate(names):
            server.do(f"float GGIO2.{name}.mag.f {n + 1}")
        r.wait(lambda: len(of(r.events, "gateway/data")) >= before + WIDE)
        changed = of(r.events, "gateway/data")[before:]
        self.assertEqual({e.type: e.payload["value"] for e in changed},
                         {f"gateway/data/{n}": i + 1 for i, n in enumerate(names)})
        self.assertGreater(len([line for line in r.log if ": report " in line]), 6)
        r.wait_counters(lambda c: c.get("reports", 0) >= 2 and not c.get("segments_lost") and
                        not c.get("reports_dropped"))


class Open61850(unittest.TestCase):
    CID = """<?xml version="1.0"?>
<SCL xmlns="http://www.iec.ch/61850/2003/SCL" version="2007" revision="B">
 <Header id="one"/>
 <IED name="I"><AccessPoint name="P1"><Server><Authentication/><LDevice inst="LD0" ldName="LD0">
  <LN0 lnClass="LLN0" inst="" lnType="LLN0">
   <DataSet name="events"><FCDA ldInst="LD0" lnClass="GGIO" lnInst="1" doName="Ind1" fc="ST"/></DataSet>
   <ReportControl name="brcb" datSet="events" rptID="events" confRev="1" buffered="true" bufTime="0" intgPd="0">
    <TrgOps dchg="true" gi="true"/><OptFields seqNum="true" reasonCode="true" entryID="true"/><RptEnabled max="1"/>
   </ReportControl>
  </LN0>
  <LN lnClass="GGIO" inst="1" lnType="GGIO"/>
 </LDevice></Server></AccessPoint></IED>
""" + TEMPLATES

    def test_configuration_of_its_file(self):
        """What gatewayctl makes of a file is what the server of that file has: every data is reported, a control
        works, a setting is written."""
        path = os.path.join(LIB, "bay.cid")
        made = subprocess.run([program("gatewayctl"), "new", "iec61850_client", "bay", "--scl", path],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        conf = yaml.safe_load(made)[0]
        conf["connection"]["port"] = serve_scl(self, path)
        r = Runner(RUNNER, "iec61850_client", conf, log_level=7)
        self.addCleanup(r.stop)
        names = {f"gateway/data/{d['name']}" for d in conf["data"]}
        self.assertGreaterEqual(len(names), 12)
        r.wait(lambda: names <= {e.type for e in r.events})

        def first(suffix):
            r.wait_event(suffix)
            return of(r.events, suffix)[0].payload

        self.assertEqual(first("gateway/data/BAY1CTRL.CSWI1.Pos")["value"], "INTERMEDIATE")
        self.assertEqual(set(first("gateway/data/BAY1MEAS.MMXU1.A.phsB")["value"]), {"magnitude", "angle"})
        r.send("system/command/BAY1CTRL.xGGIO1.SPCSO1", {"session_id": "1", "action": "OPERATE", "value": True,
                                                         "origin": ORIGIN, "test": False, "checks": []})
        self.assertTrue(first("gateway/command/BAY1CTRL.xGGIO1.SPCSO1")["success"])
        for n, action in enumerate(("SELECT", "OPERATE"), 1):
            r.send("system/command/BAY1CTRL.CSWI1.Pos", {"session_id": str(n), "action": action, "value": True,
                                                         "origin": ORIGIN, "test": False, "checks": []})
            r.wait(lambda: len(of(r.events, "gateway/command/BAY1CTRL.CSWI1.Pos")) >= n)
        self.assertEqual({e.payload["success"] for e in of(r.events, "gateway/command/BAY1CTRL.CSWI1.Pos")}, {True})
        r.send("system/change/BAY1CTRL.xGGIO1.Lim", {"session_id": "1", "value": {"f": 2.5}})
        self.assertEqual(first("gateway/change/BAY1CTRL.xGGIO1.Lim"),
                         {"session_id": "1", "success": True})

    def test_reports(self):
        """It rejects the status request, which the connection outlives."""
        with tempfile.NamedTemporaryFile("w", suffix=".cid") as f:
            f.write(self.CID)
            f.flush()
            port = serve_scl(self, f.name)
        conf = small_config(port, members=[{"logical_device": "LD0", "logical_node": "GGIO1", "fc": "ST",
                                            "names": ["Ind1"]}],
                            connection={"status_delay": 0.2, "status_timeout": 5})
        conf["data"].pop()
        r = Runner(RUNNER, "iec61850_client", conf, log_level=7)
        self.addCleanup(r.stop)
        r.wait_event("gateway/entry_id/events")
        self.assertEqual(of(r.events, "gateway/data/ind")[0].payload["value"], False)
        r.wait(lambda: "".join(r.log).count("reject ") >= 2)
        self.assertEqual([e.payload for e in of(r.events, STATUS)], ["CONNECTING", "CONNECTED"])


if __name__ == "__main__":
    unittest.main()
