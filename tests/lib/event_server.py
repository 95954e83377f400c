"""An Event Server of a few lines, in the test's own process: what was registered is in a list, and a
test can cut it or mute it. Serves any number of clients over TCP on loopback."""

import json
import socket
import threading
import time

import ports


class Reader:
    def __init__(self, data):
        self.data = data
        self.pos = 0

    def int(self):
        first = self.data[self.pos]
        v = -1 if first & 0x40 else 0
        while True:
            byte = self.data[self.pos]
            self.pos += 1
            v = (v << 7) | (byte & 0x7F)
            if byte & 0x80:
                return v

    def raw(self, n):
        self.pos += n
        return self.data[self.pos - n : self.pos]

    def bytes(self):
        return self.raw(self.int())

    def str(self):
        return self.bytes().decode()

    def bool(self):
        return self.raw(1) == b"\x01"

    def array(self, read):
        return [read() for _ in range(self.int())]

    def optional(self, read):
        return read() if self.int() else None

    def type(self):
        return tuple(self.array(self.str))

    def timestamp(self):
        return self.int(), self.int()

    def payload(self):
        if self.int() == 0:
            return (self.str(), self.bytes())
        return json.loads(self.str())


def put_int(v):
    out = bytearray()
    while True:
        out.insert(0, v & 0x7F)
        rest = v >> 7
        if (rest == 0 and not v & 0x40) or (rest == -1 and v & 0x40):
            break
        v = rest
    out[-1] |= 0x80
    return bytes(out)


def put_bytes(v):
    return put_int(len(v)) + v


def put_str(v):
    return put_bytes(v.encode())


def put_array(put, values):
    return put_int(len(values)) + b"".join(map(put, values))


def matches(pattern, type_):
    if not pattern:
        return not type_
    if pattern[0] == "*" and len(pattern) == 1:
        return True
    return bool(type_) and pattern[0] in ("?", type_[0]) and matches(pattern[1:], type_[1:])


class Client:
    def __init__(self, server, sock):
        self.server, self.sock = server, sock
        self.next_id = 0
        self.name, self.subscriptions = None, []

    def send(self, type_, data, first=None, last=True):
        self.next_id += 1
        owner = first is None
        msg = (
            put_int(self.next_id)
            + put_int(self.next_id if owner else first)
            + bytes([owner, owner, last])
            + put_str(type_)
            + put_bytes(data)
        )
        size = len(msg).to_bytes(4, "big")
        try:
            self.sock.sendall(bytes([4]) + size + msg)
        except OSError:
            pass

    def receive(self, stream):
        head = stream.read(1)
        if not head:
            return None
        size = int.from_bytes(stream.read(head[0]), "big")
        r = Reader(stream.read(size))
        r.int()
        first, _, _, self.last = r.int(), r.bool(), r.bool(), r.bool()
        return first, r.str(), Reader(r.bytes())

    def serve(self):
        with self.sock, self.sock.makefile("rb") as stream:
            while (msg := self.receive(stream)) is not None:
                first, type_, r = msg
                handler = {
                    "HatChatter.Ping": self.on_ping,
                    "HatEventer.MsgInitReq": self.on_init,
                    "HatEventer.MsgRegisterReq": self.on_register,
                    "HatEventer.MsgQueryReq": self.on_query,
                }.get(type_)
                if handler:
                    handler(first, r)

    def on_ping(self, first, r):
        self.send("HatChatter.Pong", b"", first)

    def on_init(self, first, r):
        self.name = r.str()
        r.optional(r.str)
        self.subscriptions = r.array(r.type)
        self.send("HatEventer.MsgInitRes", put_int(0) + put_int(self.server.status), first)
        self.server.connects += 1

    def on_register(self, first, r):
        now = time.time()
        for _ in range(r.int()):
            type_, source, payload = r.type(), r.optional(r.timestamp), r.optional(r.payload)
            if not self.server.refuse:
                self.server.store(type_, payload, source, now)
        if not self.last and not self.server.deaf:
            self.send("HatEventer.MsgRegisterRes", b"\x81" if self.server.refuse else b"\x80\x80", first)

    def on_query(self, first, r):
        if self.server.mute:
            self.server.muted.append((self, first, r))
            return
        r.int()
        patterns = r.optional(lambda: r.array(r.type))
        with self.server.lock:
            found = [
                raw
                for type_, raw in self.server.latest.items()
                if patterns is None or any(matches(p, type_) for p in patterns)
            ]
        self.send("HatEventer.MsgQueryRes", put_array(lambda e: e, found) + b"\x00", first)


class EventServer:
    """with EventServer() as s: Gateway({"event_server": s.conf, ...})"""

    def __init__(self, port=0):
        self.lock = threading.RLock()
        self.status = 2
        self.latest = {}
        self.events = []  # (type, payload, source timestamp) in order
        self.connects = 0
        self.refuse = False  # registers are refused
        self.deaf = False  # registers are not answered
        self.mute, self.muted = False, []  # queries wait for unmute()
        self.clients = []
        self.instance = 0
        self.listener = ports.listen(port)
        self.port = self.listener.getsockname()[1]
        self.conf = {"eventer_server": {"host": "127.0.0.1", "port": self.port}}
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            client = Client(self, sock)
            self.clients.append(client)
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            client.serve()
        except (OSError, ValueError):
            pass
        if client in self.clients:
            self.clients.remove(client)

    def store(self, type_, payload, source=None, now=None):
        """Keeps an event and notifies those who subscribed."""
        now = now or time.time()
        with self.lock:
            self.instance += 1
            raw = b"".join(put_int(v) for v in (1, 1, self.instance))
            raw += put_array(put_str, type_)
            raw += put_int(int(now)) + put_int(int(now % 1 * 1e6))
            raw += put_int(1) + put_int(source[0]) + put_int(source[1]) if source else put_int(0)
            raw += put_int(0) if payload is None else put_int(1) + self.put_payload(payload)
            self.latest[type_] = raw
            self.events.append((type_, payload, source))
            for c in self.clients:
                if any(matches(p, type_) for p in c.subscriptions):
                    c.send("HatEventer.MsgEventsNotify", put_array(lambda e: e, [raw]))

    def put_payload(self, payload):
        if isinstance(payload, tuple):
            return put_int(0) + put_str(payload[0]) + put_bytes(payload[1])
        return put_int(1) + put_str(json.dumps(payload))

    def register(self, type_text, payload=None):
        self.store(tuple(type_text.split("/")), payload)

    def unmute(self):
        """Answers the queries that waited, and answers at once again."""
        self.mute = False
        while self.muted:
            client, first, r = self.muted.pop(0)
            client.on_query(first, r)

    def find(self, type_text):
        """The payloads registered under a type, in order."""
        type_ = tuple(type_text.split("/"))
        with self.lock:
            return [p for t, p, _ in self.events if t == type_]

    def cut(self):
        """Ends every connection; new ones are taken."""
        for c in list(self.clients):
            try:
                c.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
