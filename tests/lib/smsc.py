"""A message centre of SMPP 3.4 whose every octet the test decides. Standard library only."""

import collections
import contextlib
import socket
import struct

from patience import WAIT_S

RESPONSE = 0x80000000
(NACK, BIND_TRANSMITTER, SUBMIT, DELIVER, UNBIND, BIND, ENQUIRE, DATA) = (
    RESPONSE, 0x02, 0x04, 0x05, 0x06, 0x09, 0x15, 0x103)

Pdu = collections.namedtuple("Pdu", "command status sequence body")
Message = collections.namedtuple(
    "Message", "sequence source destination esm_class priority registered coding text payload")


def pdu(command, status=0, sequence=1, body=b""):
    return struct.pack(">IIII", 16 + len(body), command, status, sequence) + body


def tlv(tag, value):
    return struct.pack(">HH", tag, len(value)) + value


def cstrings(body, count):
    texts = []
    for _ in range(count):
        text, body = body.split(b"\0", 1)
        texts.append(text)
    return texts, body


def message(p):
    """What a submit_sm says."""
    (_,), rest = cstrings(p.body, 1)
    source_type, rest = rest[:2], rest[2:]
    (source,), rest = cstrings(rest, 1)
    destination_type, rest = rest[:2], rest[2:]
    (destination,), rest = cstrings(rest, 1)
    esm_class, _, priority = rest[:3]
    (_, _), rest = cstrings(rest[3:], 2)
    registered, _, coding, _, size = rest[:5]
    text, rest = rest[5:5 + size], rest[5 + size:]
    payload = None
    while rest:
        tag, n = struct.unpack(">HH", rest[:4])
        if tag == 0x0424:
            payload = rest[4:4 + n]
        rest = rest[4 + n:]
    return Message(p.sequence, (*source_type, source), (*destination_type, destination), esm_class, priority,
                   registered, coding, text, payload)


class Session:
    def __init__(self, sock):
        self.sock, self.rest = sock, b""
        sock.settimeout(WAIT_S)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def say(self, command, status=0, sequence=1, body=b""):
        self.raw(pdu(command, status, sequence, body))

    def take(self):
        """The next PDU; None at the end of the connection."""
        while len(self.rest) < 4 or len(self.rest) < struct.unpack(">I", self.rest[:4])[0]:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.rest += data
        size = struct.unpack(">I", self.rest[:4])[0]
        p, self.rest = self.rest[:size], self.rest[size:]
        return Pdu(*struct.unpack(">III", p[4:16]), p[16:])

    def expect(self, command):
        p = self.take()
        assert p and p.command == command, (hex(command), p)
        return p

    def bind(self, status=0, body=b"smsc\0"):
        p = self.expect(BIND)
        self.say(BIND | RESPONSE, status, p.sequence, body)
        return p

    def take_message(self):
        return message(self.expect(SUBMIT))

    def accept(self, m, message_id=b"17"):
        self.say(SUBMIT | RESPONSE, 0, m.sequence, message_id + b"\0")

    def refuse(self, m, status):
        self.say(SUBMIT | RESPONSE, status, m.sequence)


class Smsc:
    def __init__(self, context=None):
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.sock.settimeout(WAIT_S)
        self.port = self.sock.getsockname()[1]
        self.context = context
        self.sessions = []

    def session(self):
        """The next connection, not bound yet."""
        sock = self.sock.accept()[0]
        if self.context:
            sock.settimeout(WAIT_S)
            sock = self.context.wrap_socket(sock, server_side=True)
        s = Session(sock)
        self.sessions.append(s)
        return s

    def bound(self):
        s = self.session()
        s.bind()
        return s

    def close(self):
        self.sock.close()
        for s in self.sessions:
            s.close()
