"""A server of MMS over the OSI layers (IEC 61850-8-1) whose every answer the test decides: it keeps variables and data
sets, sends reports, and can be slow, refuse, reject, abort in each layer, go silent, or begin again with another
model. Standard library only."""

import collections
import contextlib
import socket
import struct
import threading

from patience import WAIT_S

(STATUS, NAME_LIST, IDENTIFY, READ, WRITE, DEFINE, LIST, DELETE) = (0, 1, 2, 4, 5, 11, 12, 13)
DENIED, UNAVAILABLE, NON_EXISTENT = 3, 2, 10

Variable = collections.namedtuple("Variable", "domain item")


# --- BER ---

def tlv(tag, content=b""):
    n = len(content)
    head = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + struct.pack(">H", n)
    return bytes([tag]) + head + content


def elements(data):
    """[(tag, content)] of elements with tags of one octet."""
    found = []
    while data:
        tag, n, at = data[0], data[1], 2
        if n & 0x80:
            at = 2 + (n & 0x7F)
            n = int.from_bytes(data[2:at], "big")
        found.append((tag, data[at:at + n]))
        data = data[at + n:]
    return found


def spdu(identifier, content):
    """A unit of session, or a parameter of one: a length of one octet, or ff and two."""
    n = len(content)
    return bytes([identifier]) + (bytes([n]) if n < 255 else b"\xff" + struct.pack(">H", n)) + content


def number(n):
    return n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True)


# --- Values: bool, int, float, str, bytes (an octet string), list (a structure), and these ---

class Unsigned(int):
    pass


class Bits(str):
    """"0110" """


class Utc(bytes):
    pass


class Mms(str):
    pass


class Array(list):
    pass


def encode(v):
    if isinstance(v, bool):
        return tlv(0x83, b"\x01" if v else b"\x00")
    if isinstance(v, Unsigned):
        return tlv(0x86, number(int(v)))
    if isinstance(v, int):
        return tlv(0x85, number(v))
    if isinstance(v, float):
        return tlv(0x87, b"\x08" + struct.pack(">f", v))
    if isinstance(v, Bits):
        pad = -len(v) % 8
        octets = int(v + "0" * pad or "0", 2).to_bytes((len(v) + pad) // 8, "big")
        return tlv(0x84, bytes([pad]) + octets)
    if isinstance(v, Mms):
        return tlv(0x90, v.encode())
    if isinstance(v, str):
        return tlv(0x8A, v.encode())
    if isinstance(v, Utc):
        return tlv(0x91, v)
    if isinstance(v, bytes):
        return tlv(0x89, v)
    if isinstance(v, Array):
        return tlv(0xA1, b"".join(encode(i) for i in v))
    return tlv(0xA2, b"".join(encode(i) for i in v))


def decode(tag, c):
    if tag in (0xA1, 0xA2):
        return [decode(*e) for e in elements(c)]
    if tag == 0x83:
        return c != b"\0"
    if tag == 0x84:
        return Bits("".join(f"{o:08b}" for o in c[1:])[:8 * (len(c) - 1) - c[0]])
    if tag == 0x85:
        return int.from_bytes(c, "big", signed=True)
    if tag == 0x86:
        return Unsigned(int.from_bytes(c, "big"))
    if tag == 0x87:
        return struct.unpack(">f", c[1:])[0]
    if tag == 0x8A:
        return c.decode()
    if tag == 0x91:
        return Utc(c)
    return bytes(c)


def object_name(n):
    if n.domain is None:
        return tlv(0x82, n.item.encode())
    return tlv(0xA1, tlv(0x1A, n.domain.encode()) + tlv(0x1A, n.item.encode()))


def take_name(tag, c):
    if tag != 0xA1:
        return Variable(None, c.decode())
    return Variable(*(e.decode() for _, e in elements(c)))


def take_variables(content):
    """Names of a list of variables: SEQUENCE OF { [0] name }."""
    return [take_name(*elements(elements(c)[0][1])[0]) for _, c in elements(content)]


# --- Frames ---

def tpkt(p):
    return b"\x03\x00" + struct.pack(">H", 4 + len(p)) + p


def data(pdu):
    """An MMS PDU in presentation, session and transport."""
    p = tlv(0x61, tlv(0x30, tlv(0x02, b"\x03") + tlv(0xA0, pdu)))
    return tpkt(b"\x02\xf0\x80\x01\x00\x01\x00" + p)


def associated(pdu_size, calls):
    initiate = tlv(0xA9, tlv(0x80, number(pdu_size)) + tlv(0x81, number(calls)) + tlv(0x82, number(calls)) +
                   tlv(0x83, b"\x0a") + tlv(0xA4, bytes.fromhex("800101810305f100820c03ee1c00000002000040ed18")))
    user = tlv(0xBE, tlv(0x28, tlv(0x02, b"\x03") + tlv(0xA0, initiate)))
    aare = tlv(0x61, bytes.fromhex("a107060528ca220203a203020100a305a103020100") + user)
    presentation = tlv(0x31, bytes.fromhex("a003800101") + tlv(
        0xA2, bytes.fromhex("830400000001a512300780010081025101300780010081025101") +
        tlv(0x61, tlv(0x30, tlv(0x02, b"\x01") + tlv(0xA0, aare)))))
    session = bytes.fromhex("05061301001601021402000234020001") + spdu(0xC1, presentation)
    return tpkt(b"\x02\xf0\x80" + spdu(0x0E, session))


ABORTS = {
    "transport": tpkt(bytes.fromhex("06800001000000")),
    "session": tpkt(b"\x02\xf0\x80" + bytes.fromhex("1903110102")),
    "acse": tpkt(b"\x02\xf0\x80" + spdu(0x19, bytes.fromhex("110102") + spdu(0xC1, tlv(0xA0, tlv(0x61, tlv(
        0x30, bytes.fromhex("020101") + tlv(0xA0, bytes.fromhex("6403800100")))))))),
    "close": b"",
}


# What answers the request for an association in place of an accept, by the layer that refuses.
REFUSALS = {
    "transport": tpkt(bytes.fromhex("06800001000103")),
    "session": tpkt(b"\x02\xf0\x80" + bytes.fromhex("0c03320181")),
    "presentation": tpkt(b"\x02\xf0\x80" + bytes.fromhex("0c0a32080230058a01030500")),
    "application": tpkt(b"\x02\xf0\x80" + bytes.fromhex(
        "0c1dc11b301961173015020101a010610ea203020101a307a1050203000007")),
}


class Session:
    """One connection, and what can be said on it."""

    def __init__(self, server, sock):
        self.server, self.sock, self.rest = server, sock, b""
        self.closed = False
        sock.settimeout(server.patience)

    def send(self, octets):
        with contextlib.suppress(OSError):
            self.sock.sendall(octets)

    def pdu(self, p):
        self.send(data(p))

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def abort(self, layer):
        self.send(ABORTS[layer])
        if layer == "close":
            self.close()

    def frame(self):
        """The next TPKT; None at the end."""
        while len(self.rest) < 4 or len(self.rest) < struct.unpack(">H", self.rest[2:4])[0]:
            try:
                more = self.sock.recv(65536)
            except OSError:
                more = b""
            if not more:
                return None
            self.rest += more
        n = struct.unpack(">H", self.rest[2:4])[0]
        f, self.rest = self.rest[:n], self.rest[n:]
        return f

    def report(self, *values):
        """A report: a list named RPT."""
        self.pdu(tlv(0xA3, tlv(0xA0, tlv(0xA1, tlv(0x80, b"RPT")) + tlv(0xA0, b"".join(encode(v) for v in values)))))

    def unconfirmed(self, names, values):
        listed = b"".join(tlv(0x30, tlv(0xA0, object_name(n) if n.domain else tlv(0x80, n.item.encode())))
                          for n in names)
        self.pdu(tlv(0xA3, tlv(0xA0, tlv(0xA0, listed) + tlv(0xA0, b"".join(encode(v) for v in values)))))

    def answer(self, invoke, service, content):
        self.pdu(tlv(0xA1, tlv(0x02, number(invoke)) + tlv(service, content)))

    def error(self, invoke, kind=0x87, code=2):
        """access: object-non-existent."""
        self.pdu(tlv(0xA2, tlv(0x80, number(invoke)) + tlv(0xA2, tlv(0xA0, tlv(kind, number(code))))))

    def reject(self, invoke):
        self.pdu(tlv(0xA4, tlv(0x80, number(invoke)) + tlv(0x81, b"\x01")))

    def serve(self):
        while (f := self.frame()) is not None:
            kind = f[5]
            if kind == 0xE0:
                if self.server.silent == "transport":
                    continue
                if self.server.refusal == "transport":
                    self.send(REFUSALS["transport"])
                    break
                self.send(tpkt(bytes([6, 0xD0]) + f[8:10] + b"\x00\x01\x00"))
            elif f[7] == 0x0D:
                if self.server.refusal:
                    self.send(REFUSALS[self.server.refusal])
                    break
                if self.server.silent != "associate":
                    self.send(associated(self.server.pdu_size, self.server.calls))
                    self.server.on_session(self)
            elif f[7] in (0x09, 0x19):
                break
            else:
                self.on_pdu(f)
        self.close()

    def on_pdu(self, f):
        pdu = elements(elements(elements(f[11:])[0][1])[0][1])[1][1]
        tag, content = elements(pdu)[0]
        if tag == 0x8B and self.server.silent != "conclude":
            self.pdu(tlv(0x8C))
        elif tag == 0xA0:
            (_, invoke), (service, body) = elements(content)[0], elements(content)[-1]
            self.server.on_request(self, int.from_bytes(invoke, "big"), service & 0x1F, service, body)


class Server:
    """variables: {(domain, item): value}; sets: {(domain or None, item): [Variable]}; refused: {item: access error};
    writes: [(item, value)] in order. hook(session, invoke, service, names, values) is asked first and returns True
    where it has answered, or nothing is to be answered. silent: "transport", "associate", "requests", "conclude".
    refusal: a layer of REFUSALS."""

    def __init__(self, variables=None, sets=None):
        self.variables, self.sets, self.refused = dict(variables or {}), dict(sets or {}), {}
        self.writes, self.reads, self.sessions = [], [], []
        self.patience = WAIT_S  # with a client that has nothing to say
        self.hook, self.silent, self.refusal, self.pdu_size, self.calls = None, None, None, 65000, 5
        self._changed = threading.Condition()
        self._listen("127.0.0.1", 0)

    def _listen(self, host, port):
        self.sock = socket.create_server((host, port), backlog=16)
        self.port = self.sock.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self.sock,), daemon=True)
        self._thread.start()

    def _accept(self, sock):
        while True:
            try:
                s = Session(self, sock.accept()[0])
            except OSError:
                return
            threading.Thread(target=s.serve, daemon=True).start()

    def on_session(self, s):
        with self._changed:
            self.sessions.append(s)
            self._changed.notify_all()

    def session(self, n=1):
        """Number n of the associations, from 1."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.sessions) >= n, WAIT_S):
                raise AssertionError(f"only {len(self.sessions)} associations")
            return self.sessions[n - 1]

    def wait_write(self, item, count=1):
        """The values that were written to what ends so."""
        def found():
            return [v for i, v in self.writes if i.endswith(item)]
        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, WAIT_S):
                raise AssertionError(f"{item} was not written {count} times: {self.writes}")
            return found()

    def refuse(self):
        """Listens no more. The thread is gone before the descriptor is: somebody else may get its number."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self.sock.close()

    def close(self):
        self.refuse()
        for s in self.sessions:
            s.close()

    # --- Services ---

    def on_request(self, s, invoke, service, tag, body):
        if self.silent == "requests":
            return
        names, values = [], []
        if service == READ:
            names = take_variables(elements(elements(body)[-1][1])[0][1])
        elif service == WRITE:
            (_, listed), (_, written) = elements(body)
            names, values = take_variables(listed), [decode(*e) for e in elements(written)]
        with self._changed:
            self.reads += [n.item for n in names if service == READ]
            self.writes += [(n.item, v) for n, v in zip(names, values)]
            self._changed.notify_all()
        if self.hook and self.hook(s, invoke, service, names, values):
            return
        serve = {STATUS: self._status, READ: self._read, WRITE: self._write, DEFINE: self._define, LIST: self._list,
                 DELETE: self._delete}.get(service)
        if serve:
            serve(s, invoke, names, values, body)
        else:
            s.reject(invoke)

    def _status(self, s, invoke, *_):
        s.answer(invoke, 0xA0, tlv(0x80, b"\0") + tlv(0x81, b"\0"))

    def _read(self, s, invoke, names, *_):
        results = b"".join(encode(self.variables[n]) if n in self.variables else tlv(0x80, bytes([NON_EXISTENT]))
                           for n in names)
        s.answer(invoke, 0xA4, tlv(0xA1, results))

    def _write(self, s, invoke, names, *_):
        results = b""
        for n in names:
            error = next((e for end, e in self.refused.items() if n.item.endswith(end)), None)
            results += tlv(0x81) if error is None else tlv(0x80, bytes([error]))
        s.answer(invoke, 0xA5, results)

    def _define(self, s, invoke, names, values, body):
        name, listed = elements(body)
        self.sets[take_name(*name)] = take_variables(listed[1])
        s.answer(invoke, 0x8B, b"")

    def _list(self, s, invoke, names, values, body):
        name = take_name(*elements(body)[0])
        if name not in self.sets:
            s.error(invoke)
            return
        members = b"".join(tlv(0x30, tlv(0xA0, object_name(v))) for v in self.sets[name])
        s.answer(invoke, 0xAC, tlv(0x80, b"\x01") + tlv(0xA1, members))

    def _delete(self, s, invoke, names, values, body):
        name = take_name(*elements(elements(body)[-1][1])[0])
        found = self.sets.pop(name, None) is not None
        s.answer(invoke, 0xAD, tlv(0x80, number(int(found))) + tlv(0x81, number(int(found))))
