"""smpp_client: the real runner process against a message centre whose every octet is known."""

import os
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import pki  # noqa: E402
from gatewayd import BUILD, ROOT, Gateway, program  # noqa: E402
from manual import commands, displays  # noqa: E402
from runner_host import Runner  # noqa: E402
from smsc import (  # noqa: E402
    BIND, BIND_TRANSMITTER, DATA, DELIVER, ENQUIRE, NACK, RESPONSE, SUBMIT, UNBIND, Smsc, pdu, tlv)

RUNNER = os.path.join(BUILD, "libexec/smpp")
STATUS, RESULT, MESSAGE = "gateway/status", "gateway/message", "system/message"
THROTTLED, QUEUE_FULL, BAD_ADDRESS = 0x58, 0x14, 0x0B


def client_conf(port, **more):
    return {
        "name": "sms", "remote_address": {"host": "127.0.0.1", "port": port}, "ssl": False, "system_id": "sys",
        "password": "pw", "enquire_link_delay": None, "enquire_link_timeout": 0.3, "connect_timeout": 5,
        "reconnect_delay": 0.1, "short_message": True, "priority": "URGENT", "data_coding": "UCS2",
        "message_encoding": "utf-16-be", "message_timeout": 20, **more,
    }


class Case(unittest.TestCase):
    def serve(self, context=None, **more):
        self.smsc = Smsc(context)
        self.addCleanup(self.smsc.close)
        self.r = Runner(RUNNER, "smpp_client", client_conf(self.smsc.port, **more))
        self.addCleanup(self.r.stop)
        return self.smsc

    def bound(self, **more):
        s = self.serve(**more).bound()
        self.r.wait_event(STATUS, "CONNECTED")
        return s

    def ask(self, text="x", address="123456789", **more):
        self.r.send(MESSAGE, {"address": address, "message": text, **more})

    def result(self, after=0):
        at = self.r.wait_event(RESULT, after=after)
        return self.r.events[at - 1].payload

    def counted(self, **wanted):
        """Counters come with the answer to a ping."""
        def asked():
            self.r.ping()
            return all(self.r.counters.get(k) == v for k, v in wanted.items())
        self.r.wait(asked)

    def statuses(self):
        return [e.payload for e in self.r.events if e.type == STATUS]


class Session(Case):
    def test_octets_of_the_session(self):
        s = self.serve().session()
        s.sock.settimeout(10)
        self.assertEqual(
            s.sock.recv(100).hex(" "),
            "00 00 00 1c 00 00 00 09 00 00 00 00 00 00 00 01 73 79 73 00 70 77 00 00 34 00 00 00")
        s.raw(bytes.fromhex("00000015800000090000000000000001736d736300"))
        self.r.wait_event(STATUS, "CONNECTED")
        self.ask("abc")
        self.assertEqual(
            s.sock.recv(100).hex(" "),
            "00 00 00 30 00 00 00 04 00 00 00 00 00 00 00 02 00 00 00 00 00 00 31 32 33 34 35 36 37 38 39 00 00 00 02"
            " 00 00 00 00 08 00 06 00 61 00 62 00 63")
        s.raw(bytes.fromhex("00000013800000040000000000000002313700"))
        self.assertEqual(self.result(), {
            "address": "123456789", "success": True, "status": "ROK", "message_id": "17"})
        self.assertEqual(self.r.stop(), 0)
        self.assertEqual(s.take().command, UNBIND)
        self.assertEqual(self.statuses(), ["CONNECTING", "CONNECTED", "DISCONNECTED"])

    def test_lost_and_back(self):
        s = self.bound()
        s.close()
        self.smsc.bound()
        self.r.wait(lambda: self.statuses() == ["CONNECTING", "CONNECTED", "DISCONNECTED", "CONNECTING", "CONNECTED"])

    def test_refused_bind_is_tried_again_after_the_delay(self):
        smsc = self.serve()
        times = []
        for _ in range(3):
            s = smsc.session()
            times.append(time.monotonic())
            s.bind(status=0x0E)
        self.assertGreater(times[2] - times[0], 0.19)
        smsc.bound()
        self.r.wait_event(STATUS, "CONNECTED")
        self.assertEqual(self.statuses(), ["CONNECTING"] * 4 + ["CONNECTED"])
        self.assertIn("bind refused: RINVPASWD", "".join(self.r.log))

    def test_silence_before_the_bind_ends_the_attempt(self):
        smsc = self.serve(connect_timeout=0.2)
        s = smsc.session()
        s.take()
        self.assertIsNone(s.take())
        smsc.bound()
        self.r.wait_event(STATUS, "CONNECTED")

    def test_unknown_parameters_in_the_bind_answer(self):
        s = self.serve().session()
        s.bind(body=b"smsc\0" + tlv(0x0210, b"\x34") + tlv(0x1499, b"vendor"))
        self.r.wait_event(STATUS, "CONNECTED")

    def test_an_answer_in_pieces(self):
        s = self.serve().session()
        p = s.take()
        for octet in pdu(p.command | RESPONSE, 0, p.sequence, b"smsc\0"):
            s.raw(bytes([octet]))
        self.r.wait_event(STATUS, "CONNECTED")

    def test_enquire_link_of_ours(self):
        s = self.bound(enquire_link_delay=0.1)
        for _ in range(3):
            p = s.expect(ENQUIRE)
            s.say(ENQUIRE | RESPONSE, 0, p.sequence)
        s.expect(ENQUIRE)
        self.assertIsNone(s.take())
        self.r.wait_event(STATUS, "DISCONNECTED")
        self.r.wait(lambda: "no answer to enquire_link" in "".join(self.r.log))

    def test_requests_of_the_peer(self):
        s = self.bound()
        s.raw(pdu(ENQUIRE, 0, 7) + pdu(DELIVER, 0, 8, b"\0\0\0" + b"49\0" + b"\0\0" + b"1\0" + b"\4" + bytes(9)) +
              pdu(DELIVER, 0, 9, b"broken") + pdu(DATA, 0, 10, b"x") + pdu(0x7777, 0, 11) + pdu(0x80007777, 0, 12) +
              pdu(ENQUIRE, 0, 13))
        self.assertEqual(s.take(), (ENQUIRE | RESPONSE, 0, 7, b""))
        self.assertEqual(s.take(), (DELIVER | RESPONSE, 0, 8, b"\0"))
        self.assertEqual(s.take(), (DELIVER | RESPONSE, 0, 9, b"\0"))
        self.assertEqual(s.take(), (DATA | RESPONSE, 3, 10, b""))
        self.assertEqual(s.take(), (NACK, 3, 11, b""))
        self.assertEqual(s.take(), (ENQUIRE | RESPONSE, 0, 13, b""))
        self.counted(receipts=1, received=1)

    def test_unbind_of_the_peer(self):
        s = self.bound()
        s.say(UNBIND, 0, 5)
        self.assertEqual(s.take(), (UNBIND | RESPONSE, 0, 5, b""))
        self.assertIsNone(s.take())
        self.smsc.bound()

    def test_lengths_that_lie(self):
        for head in (struct.pack(">IIII", 15, ENQUIRE, 0, 9), struct.pack(">IIII", 1 << 31, ENQUIRE, 0, 9)):
            s = self.bound()
            s.raw(head)
            self.assertEqual(s.take(), (NACK, 2, 9, b""))
            self.assertIsNone(s.take())
            self.r.stop()

    def test_bind_as_transmitter(self):
        s = self.serve(bind="TRANSMITTER", system_type="ALARM").session()
        p = s.expect(BIND_TRANSMITTER)
        self.assertEqual(p.body, b"sys\0pw\0ALARM\0\x34\0\0\0")
        s.say(BIND_TRANSMITTER | RESPONSE, 0, p.sequence, b"smsc\0")
        self.r.wait_event(STATUS, "CONNECTED")

    @unittest.skipUnless(pki.available(), "openssl is not there")
    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            cert, key = pki.Authority(folder).issue("smsc")
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            self.serve(context, ssl=True)
            s = self.smsc.bound()
            self.r.wait_event(STATUS, "CONNECTED")
            self.ask("a" * 100)
            m = s.take_message()
            self.assertEqual(m.text, ("a" * 100).encode("utf-16-be"))
            s.accept(m)
            self.assertTrue(self.result()["success"])


    def test_tls_is_verified(self):
        """Only a certificate of the authority that names the host will do."""
        with tempfile.TemporaryDirectory() as folder:
            ours, other = pki.Authority(folder, "ours"), pki.Authority(folder, "other")
            for authority, host, good in ((ours, "IP:127.0.0.1", True), (other, "IP:127.0.0.1", False),
                                          (ours, "DNS:elsewhere", False)):
                with self.subTest(host=host, good=good):
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(*authority.issue("smsc", host))
                    self.serve(context, ssl=True, ssl_verify=True, ssl_ca=ours.cert)
                    if good:
                        self.smsc.bound()
                        self.r.wait_event(STATUS, "CONNECTED")
                    else:
                        with self.assertRaises(ssl.SSLError):
                            self.smsc.session().take()
                        self.assertNotIn((STATUS, "CONNECTED"), [(e.type, e.payload) for e in self.r.events])
                    self.r.stop()

    def test_what_tls_is_verified_by_must_be_named(self):
        for more in ({"ssl": True}, {"ssl": False, "ssl_ca": "/x"}):
            r = Runner(RUNNER, "smpp_client", client_conf(1, ssl_verify=True, **more), check_only=True)
            r.wait(lambda: r.config_errors)
            self.assertIn("beside it", str(r.config_errors))
            r.stop()


class Messages(Case):
    def test_payload(self):
        s = self.bound(short_message=False, message_encoding="utf-8", data_coding="LATIN_1", priority="BULK")
        self.ask("ä" * 1000, address="+491")
        m = s.take_message()
        self.assertEqual((m.text, m.payload, m.coding, m.priority), (b"", ("ä" * 1000).encode(), 3, 0))

    def test_keys_of_the_message(self):
        s = self.bound(source_address="4711", source_ton=5, source_npi=1, destination_ton=1, destination_npi=2,
                       registered_delivery=True)
        self.ask()
        m = s.take_message()
        self.assertEqual((m.source, m.destination, m.registered), ((5, 1, b"4711"), (1, 2, b"123456789"), 1))

    def test_the_request_id_comes_back(self):
        s = self.bound()
        for request in ("a", 7, None, {"x": [1.50]}):
            at = len(self.r.events)
            self.ask(request_id=request)
            s.accept(s.take_message(), b"")
            self.assertEqual(self.result(at), {
                "request_id": request, "address": "123456789", "success": True, "status": "ROK", "message_id": None})

    def test_an_error_is_the_messages_not_the_links(self):
        s = self.bound()
        self.ask("1")
        self.ask("2")
        s.refuse(s.take_message(), BAD_ADDRESS)
        self.assertEqual(self.result()["status"], "RINVDSTADR")
        m = s.take_message()
        self.assertEqual(m.text, b"\0" + b"2")
        s.refuse(m, 0x401)
        self.r.wait(lambda: [e.payload["status"] for e in self.r.events if e.type == RESULT] ==
                    ["RINVDSTADR", "0x00000401"])
        self.assertEqual(self.statuses(), ["CONNECTING", "CONNECTED"])

    def test_what_throttles_is_waited_for(self):
        s = self.bound()
        self.ask("1")
        for status in (THROTTLED, QUEUE_FULL):
            m = s.take_message()
            self.assertEqual(m.text, b"\0" + b"1")
            s.refuse(m, status)
            at = time.monotonic()
        s.accept(s.take_message())
        self.assertGreater(time.monotonic() - at, 1.9, "the second wait is twice the first")
        self.assertTrue(self.result()["success"])
        self.assertEqual(self.r.wait(lambda: self.statuses()), ["CONNECTING", "CONNECTED"])

    def test_no_answer_costs_one_message(self):
        s = self.bound(message_timeout=0.3)
        self.ask("1")
        late = s.take_message()
        self.assertEqual(self.result()["status"], "TIMEOUT")
        self.ask("2")
        m = s.take_message()
        s.accept(late)
        s.refuse(m, BAD_ADDRESS)
        self.r.wait(lambda: [e.payload["status"] for e in self.r.events if e.type == RESULT] ==
                    ["TIMEOUT", "RINVDSTADR"])

    def test_one_window_at_a_time(self):
        s = self.bound(window=2)
        for text in "123":
            self.ask(text)
        first, second = s.take_message(), s.take_message()
        s.sock.settimeout(0.2)
        self.assertRaises(TimeoutError, s.take)
        s.sock.settimeout(10)
        s.accept(second)
        self.assertEqual(s.take_message().text, b"\0" + b"3")
        s.accept(first)

    def test_queue_over_a_reconnect(self):
        s = self.bound()
        for text in "123":
            self.ask(text, request_id=text)
        s.take_message()
        s.close()
        self.assertEqual((r := self.result())["status"], "CONNECTION_LOST", r)
        s = self.smsc.bound()
        for text in b"23":
            m = s.take_message()
            self.assertEqual(m.text, bytes([0, text]))
            s.accept(m)
        self.r.wait(lambda: [(e.payload["request_id"], e.payload["success"]) for e in self.r.events
                             if e.type == RESULT] == [("1", False), ("2", True), ("3", True)])

    def test_before_the_first_connection(self):
        smsc = self.serve()
        s = smsc.session()
        self.ask("early")
        s.bind()
        self.assertEqual(s.take_message().text, "early".encode("utf-16-be"))

    def test_each_gets_its_answer_without_a_connection(self):
        self.serve(message_timeout=0.2).sock.close()
        self.ask("1")
        self.assertEqual(self.result()["status"], "TIMEOUT")
        self.r.stop()
        self.r = Runner(RUNNER, "smpp_client", client_conf(self.smsc.port, message_timeout=3600))
        self.r.wait_event(STATUS, "CONNECTING")
        self.ask("2")
        self.counted(messages=1)
        self.r.stop()
        self.assertIn("STOPPED", [e.payload["status"] for e in self.r.events if e.type == RESULT])

    def test_a_full_queue_is_told(self):
        self.serve()
        for n in range(1025):
            self.ask(str(n), request_id=n)
        self.assertEqual(self.result(), {
            "request_id": 1024, "address": "123456789", "success": False, "status": "QUEUE_FULL", "message_id": None})

    def test_refused_at_once(self):
        self.bound(message_encoding="latin-1")
        cases = [
            ({"address": "123", "message": "\u20ac"}, "UNENCODABLE"),
            ({"address": "123", "message": "x" * 255}, "TOO_LONG"),
            ({"address": "1" * 21, "message": "x"}, "INVALID_ADDRESS"),
            ({"address": "ä", "message": "x"}, "INVALID_ADDRESS"),
            ({"address": "", "message": "x"}, "INVALID_ADDRESS"),
            ({"address": 5, "message": "x"}, "INVALID_ADDRESS"),
            ({"address": "123"}, "INVALID_MESSAGE"),
            ({"address": "123", "message": None}, "INVALID_MESSAGE"),
            ([], "INVALID_ADDRESS"),
            (None, "INVALID_ADDRESS"),
        ]
        for payload, why in cases:
            at = len(self.r.events)
            self.r.send(MESSAGE, payload)
            self.assertEqual(self.result(at)["status"], why, payload)

    def test_gsm(self):
        s = self.bound(message_encoding="gsm", data_coding="DEFAULT")
        self.ask("@£$[€]ö\u03a9")
        self.assertEqual(s.take_message().text.hex(), "000102" "1b3c" "1b65" "1b3e" "7c" "15")

    def test_parts_with_headers(self):
        s = self.bound(long_messages="UDH", window=10)
        text = "\U0001f525" * 100  # four octets each: 33 in a part of 134
        self.ask(text)
        parts = [s.take_message() for _ in range(4)]
        self.assertEqual([m.esm_class for m in parts], [0x40] * 4)
        self.assertEqual([m.text[:6].hex() for m in parts], [f"0500030104{n:02x}" for n in range(1, 5)])
        self.assertEqual("".join(m.text[6:].decode("utf-16-be") for m in parts), text)
        self.assertLessEqual(max(len(m.text) for m in parts), 140)
        for n, m in enumerate(parts):
            s.accept(m, str(n).encode())
        self.assertEqual(self.result()["message_id"], "3")

    def test_a_part_that_is_refused_ends_the_message(self):
        s = self.bound(long_messages="UDH", message_encoding="gsm", data_coding="DEFAULT")
        self.ask("a" * 161)
        m = s.take_message()
        self.assertEqual(len(m.text), 6 + 153)
        s.refuse(m, BAD_ADDRESS)
        self.assertEqual(self.result()["status"], "RINVDSTADR")
        self.ask("b" * 160)
        self.assertEqual((m := s.take_message()).text, b"b" * 160)
        self.assertEqual(m.esm_class, 0)

    def test_too_long_as_payload(self):
        s = self.bound(long_messages="PAYLOAD", message_encoding="utf-8", data_coding="LATIN_1")
        self.ask("x" * 254)
        s.accept(m := s.take_message())
        self.assertEqual((m.text, m.payload), (b"x" * 254, None))
        self.ask("x" * 255)
        self.assertEqual((m := s.take_message()).payload, b"x" * 255)

    def test_encodings_are_pythons(self):
        texts = {"cp1251": "Авария", "ISO-8859-5": "Авария", "koi8-r": "Авария", "latin_1": "Störung",
                 "iso8859_15": "5 \u20ac", "utf-16": "a\u00e4", "shift_jis": "警報", "gb18030": "警报", "mac-roman": "é",
                 "cp437": "é", "big5": "警報", "euc-kr": "경보"}
        for name, text in texts.items():
            s = self.bound(message_encoding=name, data_coding="UNSPECIFIED_1")
            self.ask(text)
            self.assertEqual(s.take_message().text, text.encode(name), name)
            self.r.stop()


class Hostile(Case):
    def test_floods(self):
        s = self.bound()
        flood = pdu(DELIVER, 0, 8, b"\0\0\0" + b"49\0" + b"\0\0" + b"1\0" + bytes(10)) * 1000
        for _ in range(100):
            s.raw(flood)
            for _ in range(1000):
                self.assertEqual(s.take().command, DELIVER | RESPONSE)
        self.ask("still")
        s.accept(s.take_message())
        self.assertTrue(self.result()["success"])

    def test_a_peer_that_speaks_first(self):
        """Before it was asked, and before the client was told that the connection can be written."""
        s = self.serve()
        for _ in range(50):
            session = s.session()
            session.raw(pdu(NACK, 3, 0) + b"\0\0")
            session.expect(BIND)
            session.close()
        s.bound()
        self.r.wait_event(STATUS, "CONNECTED")

    def test_a_peer_that_asks_and_never_reads(self):
        s = self.bound()
        try:
            while True:
                s.raw(pdu(ENQUIRE, 0, 1) * 4096)
        except (TimeoutError, OSError):
            pass
        s.close()
        s = self.smsc.session()
        s.bind()

    def test_sequence_numbers_that_are_nobodys(self):
        s = self.bound()
        for sequence in (0, 1, 99, 0x7FFFFFFF, 0xFFFFFFFF):
            s.say(SUBMIT | RESPONSE, 0, sequence, b"1\0")
            s.say(NACK, 3, sequence)
        self.ask("x")
        m = s.take_message()
        s.accept(m)
        s.accept(m)
        self.assertTrue(self.result()["success"])
        self.ask("y")
        s.refuse(s.take_message(), 8)
        self.r.wait(lambda: [e.payload["status"] for e in self.r.events if e.type == RESULT] == ["ROK", "RSYSERR"])


class Texts(unittest.TestCase):
    def test_sample_and_manual(self):
        with open(os.path.join(ROOT, "etc/samples/smpp.yaml"), encoding="utf-8") as f:
            sample = f.read()
        for text in (sample, displays("gateway-smpp.7")[0]):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
                f.write(text)
                f.flush()
                done = subprocess.run([program("gatewayd"), "--check", "-v", "--config", f.name], capture_output=True,
                                      text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), text)
            self.assertIn("registers gateway/status, gateway/message", done.stdout)

    def test_faults_of_the_configuration(self):
        for key, value, said in (
            ("message_encoding", "klingon", "unknown encoding klingon; known: gsm, ascii"),
            ("password", "longer than 8", "password"), ("system_id", "ä", "ASCII"),
            ("data_coding", "UCS3", "data_coding"),
        ):
            r = Runner(RUNNER, "smpp_client", client_conf(1, **{key: value}), check_only=True)
            r.wait(lambda: r.config_errors)
            self.assertIn(said, str(r.config_errors), key)
            r.stop()

    def test_under_the_gateway(self):
        smsc = Smsc()
        self.addCleanup(smsc.close)
        conf = client_conf(smsc.port)
        conf["module"] = "hat.gateway.devices.smpp.client"
        g = self.enterContext(Gateway({"devices": [conf]}))
        g.enable("sms")
        s = smsc.bound()
        g.wait_state("sms", "running")
        shell = f'gatewayctl() {{ "{BUILD}/gatewayctl" "$@"; }}\n'
        (line,) = [c for c in commands("gateway-smpp.7") if "send" in c]
        subprocess.run(["sh", "-c", shell + line], env={**os.environ, **g.env}, check=True, capture_output=True)
        m = s.take_message()
        self.assertEqual(m.text.decode("utf-16-be"), "Feeder 7 tripped")
        s.accept(m)


if __name__ == "__main__":
    unittest.main()
