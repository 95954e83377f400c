"""The stack of MMS against servers that we did not write: libiec61850 (pyiec61850-ng), open61850 and hat-drivers, by
mms-probe; tshark finds nothing malformed in what it says."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

import peers  # noqa: F401

try:
    import open61850  # noqa: F401
    import pyiec61850  # noqa: F401
    from hat.drivers import mms, tcp
except ImportError as e:
    raise unittest.SkipTest(f"a peer is not importable: {e}")

from iec61850_server import TEMPLATES, Server, serve_scl  # noqa: E402
from ports import free_port  # noqa: E402
from tcp_record import Recorder  # noqa: E402

PROBE = os.path.join(os.environ.get("BUILD", "build"), "tests/lib/mms-probe")
LLN0 = "testLD0", "LLN0$events"


def probe(port, *commands, **environment):
    """The lines that it prints; it must end well."""
    done = subprocess.run([PROBE, "127.0.0.1", str(port), *commands], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **environment})
    if done.returncode:
        raise AssertionError(done.stdout)
    return done.stdout.splitlines()


class Libiec61850(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(sys.executable, free_port())
        cls.addClassCleanup(cls.server.stop)

    def test_services(self):
        self.server.do("bool GGIO1.Ind1.stVal 1")
        self.server.do("float GGIO1.AnIn1.mag.f 2.5")
        lines = probe(
            self.server.port, "identify", "status", "domains", "lists", "testLD0", "list", *LLN0,
            "read", "testLD0", "GGIO1$MX$AnIn1$mag", "read", "testLD0", "GGIO1$ST$Ind1$stVal",
            "type", "testLD0", "GGIO1$MX$AnIn1", "define", "testLD0", "LLN0$dyn", "GGIO1$ST$Ind1",
            "list", "testLD0", "LLN0$dyn", "delete", "testLD0", "LLN0$dyn", "list", "testLD0", "LLN0$dyn",
            "read", "testLD0", "nothing", "write-bool", "testLD0", "GGIO1$ST$Ind1$stVal", "1", "conclude")
        self.assertEqual(lines[0], "associated: 65000 octets, 5 calls")
        self.assertIn("LIBIEC61850", lines[1])
        self.assertEqual(lines[2:], [
            "status answered 0 0",
            "getNameList answered testLD0",
            "getNameList answered LLN0$events LLN0$wide",
            "getNamedVariableListAttributes answered testLD0/GGIO1$ST$Ind1 testLD0/GGIO1$ST$Ind2 "
            "testLD0/GGIO1$ST$Ind3 testLD0/GGIO1$ST$Ind4 testLD0/GGIO1$MX$AnIn1",
            "read answered {2.5}",
            "read answered true",
            "getVariableAccessAttributes answered structure { mag:structure { f:floating point[32] } "
            "q:bit string[-13] t:UTC time }",
            "defineNamedVariableList answered",
            "getNamedVariableListAttributes answered testLD0/GGIO1$ST$Ind1",
            "deleteNamedVariableList answered 1 1",
            "getNamedVariableListAttributes refused access: object-non-existent",
            "read answered object-non-existent",
            "write answered object-access-denied",
            "ended: released (concluded)"])

    def test_reports(self):
        lines = probe(self.server.port, "write-bool", "testLD0", "LLN0$RP$urcb01$RptEna", "1",
                      "write-bool", "testLD0", "LLN0$RP$urcb01$GI", "1", "reports", "1", "conclude")
        self.assertEqual(sum(line.startswith('report /RPT: "urcb01"') for line in lines), 1)

    def test_small_pdus(self):
        """1,000 octets: what is longer comes in parts, or is refused, and the association stands."""
        lines = probe(self.server.port, "variables", "testLD0", "type", "testLD0", "GGIO1", "status", "conclude",
                      MMS_PDU="1000")
        self.assertEqual(lines[0], "associated: 1000 octets, 5 calls")
        self.assertTrue(lines[1].endswith(" ..."))
        self.assertIn("getVariableAccessAttributes refused", lines[2])
        self.assertEqual(lines[3:], ["status answered 0 0", "ended: released (concluded)"])

    @unittest.skipUnless(shutil.which("tshark"), "no tshark")
    def test_tshark(self):
        recorder = Recorder(self.server.port)
        self.addCleanup(recorder.close)
        probe(recorder.port, "identify", "status", "domains", "variables", "testLD0", "lists", "testLD0",
              "list", *LLN0, "read", "testLD0", "GGIO1$MX$AnIn1", "type", "testLD0", "GGIO1$CO$SPCSO1",
              "define", "testLD0", "LLN0$dyn", "GGIO1$ST$Ind1", "delete", "testLD0", "LLN0$dyn",
              "write-bool", "testLD0", "LLN0$RP$urcb02$RptEna", "1",
              "write-bool", "testLD0", "LLN0$RP$urcb02$GI", "1", "reports", "1", "conclude")
        self.assertEqual(recorder.tshark(102, "-Y", "_ws.malformed || _ws.expert.severity == error"), [])
        services = {line for line in recorder.tshark(102, "-Y", "mms", "-T", "fields", "-e", "mms.confirmedServiceRequest")
                    if line}
        # identify, status, getNameList, getVariableAccessAttributes, read, write, define, get, delete of lists
        self.assertEqual({int(s) for s in services}, {0, 1, 2, 4, 5, 6, 11, 12, 13})


class Open61850(unittest.TestCase):
    def test_services(self):
        with tempfile.NamedTemporaryFile("w", suffix=".cid") as f:
            f.write(CID)
            f.flush()
            port = serve_scl(self, f.name)
        lines = probe(port, "identify", "status", "domains", "variables", "IED1LD0",
                      "read", "IED1LD0", "GGIO1$ST$Ind1$stVal", "type", "IED1LD0", "GGIO1$ST$Ind1")
        self.assertEqual(lines[1:4], ["identify answered open61850, open61850, 0.9.12", "status rejected",
                                      "getNameList answered IED1LD0"])
        self.assertIn("GGIO1$ST$Ind1", lines[4])
        self.assertEqual(lines[5:], [
            "read answered false",
            "getVariableAccessAttributes answered structure { stVal:boolean q:bit string[-13] t:UTC time }"])


CID = """<?xml version="1.0"?>
<SCL xmlns="http://www.iec.ch/61850/2003/SCL" version="2007" revision="B">
 <Header id="one"/>
 <IED name="IED1"><AccessPoint name="P1"><Server><Authentication/><LDevice inst="LD0">
  <LN0 lnClass="LLN0" inst="" lnType="LLN0"/>
  <LN lnClass="GGIO" inst="1" lnType="GGIO"/>
 </LDevice></Server></AccessPoint></IED>
""" + TEMPLATES


class HatDrivers(unittest.TestCase):
    """A server that answers what a function of the test returns, over the reference's own layers."""

    def serve(self, on_request):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        port = free_port()

        async def handle(_, request):
            return on_request(request)

        async def listen():
            return await mms.listen(lambda c: None, tcp.Address("127.0.0.1", port), request_cb=handle)
        server = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)

        def end():
            asyncio.run_coroutine_threadsafe(server.async_close(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
        self.addCleanup(end)
        return port

    def test_requests_are_what_the_reference_reads(self):
        got = []

        def answer(request):
            got.append(request)
            if isinstance(request, mms.StatusRequest):
                return mms.StatusResponse(0, 0)
            if isinstance(request, mms.ReadRequest):
                return mms.ReadResponse([mms.UnsignedData(7)])
            if isinstance(request, mms.WriteRequest):
                return mms.WriteResponse([None])
            return mms.DefineNamedVariableListResponse()
        port = self.serve(answer)
        lines = probe(port, "status", "read", "d", "x", "write-bool", "d", "x", "1", "define", "d", "l", "y")
        self.assertEqual(lines[1:], ["status answered 0 0", "read answered 7", "write answered done",
                                     "defineNamedVariableList answered"])
        name = mms.DomainSpecificObjectName
        self.assertEqual(got, [
            mms.StatusRequest(),
            mms.ReadRequest([mms.NameVariableSpecification(name("d", "x"))]),
            mms.WriteRequest([mms.NameVariableSpecification(name("d", "x"))], [mms.BooleanData(True)]),
            mms.DefineNamedVariableListRequest(name("d", "l"), [mms.NameVariableSpecification(name("d", "y"))])])


if __name__ == "__main__":
    unittest.main()
