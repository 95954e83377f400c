"""smpp_client against message centres that we did not write, and beside hat-gateway's at the same one."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
import threading
import unittest

from peers import LIB, ROOT

try:
    import hat.gateway.devices.smpp.client as hat_client
    from hat import aio
    from hat.drivers import tcp
    from hat.drivers.smpp import transport
    import smpp34
except ImportError as e:
    raise unittest.SkipTest(f"a peer is not importable: {e}")

from hat_device import LoopCase, Reference  # noqa: E402
from ports import free_port  # noqa: E402
from runner_host import Runner  # noqa: E402
from smsc import Smsc, ENQUIRE, RESPONSE, SUBMIT, UNBIND, message  # noqa: E402
from test_smpp import RESULT, RUNNER, STATUS, client_conf  # noqa: E402

logging.disable(logging.CRITICAL)
TEXT = "Störung Ω"


class Case(LoopCase):
    def client(self, port, **more):
        r = Runner(RUNNER, "smpp_client", client_conf(port, **more))
        self.addCleanup(r.stop)
        r.wait_event(STATUS, "CONNECTED")
        return r

    def sent(self, r, text=TEXT, number=1):
        r.send("system/message", {"address": "123", "message": text})
        r.wait(lambda: len([e for e in r.events if e.type == RESULT]) == number)
        return [e.payload for e in r.events if e.type == RESULT][-1]


class HatDrivers(Case):
    def test_session(self):
        run, requests, port = self.loop(), [], free_port()

        async def on_request(request):
            requests.append(request)
            if isinstance(request, transport.BindReq):
                return transport.BindRes(request.bind_type, "hat", {})
            if isinstance(request, transport.SubmitSmReq):
                return transport.SubmitSmRes(b"hat-1")
            if isinstance(request, transport.EnquireLinkReq):
                return transport.EnquireLinkRes()
            return transport.UnbindRes()

        async def on_connection(conn):
            transport.Connection(conn=conn, request_cb=on_request, notification_cb=None)

        server = run(tcp.listen(on_connection, tcp.Address("127.0.0.1", port), bind_connections=True))
        self.addCleanup(lambda: run(server.async_close()))
        r = self.client(port, enquire_link_delay=0.05)
        self.assertEqual(self.sent(r)["message_id"], "hat-1")
        r.wait(lambda: len([q for q in requests if isinstance(q, transport.EnquireLinkReq)]) > 2)
        r.stop()
        m = next(q for q in requests if isinstance(q, transport.SubmitSmReq))
        self.assertEqual((m.destination_addr, m.priority_flag.name, m.data_coding.name, bytes(m.short_message)),
                         ("123", "URGENT", "UCS2", TEXT.encode("utf-16-be")))


class Smpp34(Case):
    def test_session(self):
        run, port = self.loop(), free_port()

        async def start():
            server = smpp34.Server("127.0.0.1", port, system_id="rust")
            await server.start()
            return server
        async def stop():
            await server.stop()

        server = run(start())
        self.addCleanup(lambda: run(stop()))
        r = self.client(port)
        got = []

        async def serve():
            while len(got) < 2:
                event = await server.next()
                if isinstance(event, smpp34.SubmitSmEvent):
                    got.append(event)
                    await aio.call(event.accept, f"rust-{len(got)}")
        done = threading.Thread(target=lambda: run(serve()), daemon=True)
        done.start()
        self.assertEqual(self.sent(r)["message_id"], "rust-1")
        self.assertEqual(self.sent(r, "2", 2)["message_id"], "rust-2")


@unittest.skipUnless(shutil.which("npm") and shutil.which("node"), "npm is not there")
class Npm(Case):
    def test_session(self):
        folder = os.path.join(ROOT, "build", "npm")
        where = os.path.join(folder, "node_modules", "smpp")
        if not os.path.isdir(where):
            done = subprocess.run(["npm", "install", "--silent", "--prefix", folder, "smpp@0.5.1"],
                                  capture_output=True, text=True)
            if done.returncode:
                self.skipTest("npm's registry is out of reach")
        with subprocess.Popen(["node", os.path.join(LIB, "smsc_npm.js"), where], stdout=subprocess.PIPE, text=True) as p:
            try:
                r = self.client(int(p.stdout.readline()), enquire_link_delay=0.05, long_messages="UDH",
                                message_encoding="latin-1", data_coding="LATIN_1")
                self.assertEqual(self.sent(r, "äb")["message_id"], "npm-1")
                self.assertEqual(self.sent(r, "x" * 200, 2)["message_id"], "npm-3")
                r.stop()
            finally:
                p.terminate()
            heard = [json.loads(line) for line in p.stdout]
        messages = [m for m in heard if m["command"] == "submit_sm"]
        self.assertEqual([(m["text"], m["esm_class"]) for m in messages],
                         [("äb", 0), ("x" * 134, 0x40), ("x" * 66, 0x40)])
        self.assertLessEqual({"bind_transceiver", "submit_sm"}, {m["command"] for m in heard})


class Beside(Case):
    """The same message centre and the same events: what hat-gateway's client says, ours says."""

    def play(self, make, asked, **more):
        smsc = Smsc()
        self.addCleanup(smsc.close)
        device = make(client_conf(smsc.port, **more))
        s = smsc.bound()
        device.wait_event(STATUS, "CONNECTED")
        octets = []
        for address, text in asked:
            device.send("system/message", {"address": address, "message": text})
            p = s.expect(SUBMIT)
            octets.append(p)
            s.accept(message(p))
        s.close()
        s = smsc.bound()
        device.wait(lambda: [e.payload for e in device.events if e.type == STATUS][-1:] == ["CONNECTED"] and
                    len([e for e in device.events if e.type == STATUS]) == 5)
        device.send("system/message", {"address": "9", "message": "after"})
        octets.append(s.expect(SUBMIT))
        s.accept(message(octets[-1]))
        s.say(ENQUIRE, 0, 77)
        octets.append(s.expect(ENQUIRE | RESPONSE))
        stopped = threading.Thread(target=device.stop)
        stopped.start()
        p = s.take()
        s.say(UNBIND | RESPONSE, 0, p.sequence)
        octets.append(p)
        stopped.join(20)
        return [(e.type, e.payload) for e in device.events if e.type != RESULT], octets

    def test_the_same(self):
        asked = [("123456789", "abc"), ("+49170", TEXT), ("1", "x" * 100)]
        for more in (
            {}, {"short_message": False}, {"priority": "BULK", "data_coding": "DEFAULT", "message_encoding": "utf-8"},
            {"priority": "VERY_URGENT", "data_coding": "KS", "message_encoding": "utf-16"},
        ):
            theirs = self.play(lambda c: Reference(hat_client.info, c), asked, **more)
            ours = self.play(lambda c: Runner(RUNNER, "smpp_client", c), asked, **more)
            self.assertEqual(ours, theirs, more)


if __name__ == "__main__":
    unittest.main()
