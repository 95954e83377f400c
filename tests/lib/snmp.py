"""SNMP for tests, standard library only: BER, messages of all versions (USM with MD5 and SHA digests, no
encryption), an agent whose every answer a test decides, and senders of traps. Written for tests alone: it takes
nothing from what it tests."""
import hashlib
import hmac
import socket
import threading
import time

from ports import FIRST, LAST, _random

GET, GET_NEXT, RESPONSE, SET, TRAP_V1, BULK, INFORM, TRAP, REPORT = range(0xa0, 0xa9)
INTEGER, STRING, NULL, OID, IP, COUNTER, GAUGE, TICKS, OPAQUE, COUNTER64 = (
    0x02, 0x04, 0x05, 0x06, 0x40, 0x41, 0x42, 0x43, 0x44, 0x46)
NO_OBJECT, NO_INSTANCE, END_OF_VIEW = 0x80, 0x81, 0x82
V1, V2C, V3 = 0, 1, 3
AUTH, PRIV, REPORTABLE = 1, 2, 4
USM = '1.3.6.1.6.3.15.1.1.'
UPTIME, TRAP_OID = '1.3.6.1.2.1.1.3.0', '1.3.6.1.6.3.1.1.4.1.0'
ENGINE = bytes.fromhex('80000000fe7465737400')
MACS = {'MD5': ('md5', 12), 'SHA': ('sha1', 12), 'SHA256': ('sha256', 24), 'SHA512': ('sha512', 48)}


def tlv(tag, content=b''):
    n = len(content)
    if n < 128:
        return bytes([tag, n]) + content
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, 'big') + content


def integer(v, tag=INTEGER):
    return tlv(tag, v.to_bytes((v + (v < 0)).bit_length() // 8 + 1, 'big', signed=True))


def oid_content(text):
    arcs = [int(a) for a in text.split('.')]
    out = b''
    for arc in [arcs[0] * 40 + arcs[1], *arcs[2:]]:
        septets = [arc & 127]
        while arc := arc >> 7:
            septets.append(arc & 127 | 128)
        out += bytes(reversed(septets))
    return out


def oid(text):
    return tlv(OID, oid_content(text))


def oid_text(content):
    arcs, arc = [], 0
    for byte in content:
        arc = arc << 7 | byte & 127
        if byte < 128:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return '.'.join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def binding(name, value):
    """value: encoded already."""
    return tlv(0x30, oid(name) + value)


def pdu(kind, request_id, bindings, status=0, index=0):
    return tlv(kind, integer(request_id) + integer(status) + integer(index) +
               tlv(0x30, b''.join(bindings)))


def read(data):
    """Tag, content and what follows."""
    n, at = data[1], 2
    if n & 128:
        at += n & 127
        n = int.from_bytes(data[2:at], 'big')
    assert len(data) >= at + n, 'cut short'
    return data[0], data[at:at + n], data[at + n:]


def items(content):
    out = []
    while content:
        tag, inner, content = read(content)
        out.append((tag, inner))
    return out


def key(auth, password, engine):
    name = MACS[auth][0]
    password = password.encode()
    ku = hashlib.new(name, (password * ((1 << 20) // len(password) + 1))[:1 << 20]).digest()
    return hashlib.new(name, ku + engine + ku).digest()


class Message:
    """What came. kind, request_id, status, index, bindings [(oid, tag, content)]."""

    def __init__(self, data):
        self.data = data
        _, content, _ = read(data)
        (_, version), *rest = items(content)
        self.version = int.from_bytes(version, 'big')
        self.community = None
        if self.version == V3:
            (_, header), (_, security), (tag, scoped) = rest
            (_, ident), (_, _), (_, flags), _ = items(header)
            self.id, self.flags = int.from_bytes(ident, 'big'), flags[0]
            fields = [c for _, c in items(read(security)[1])]
            self.engine, boots, seconds, self.user, self.mac, self.salt = fields
            self.boots, self.time = int.from_bytes(boots, 'big'), int.from_bytes(seconds, 'big')
            self.encrypted = scoped if tag == STRING else None
            if self.encrypted is not None:
                return
            (_, self.context_engine), (_, self.context), body = items(scoped)
        else:
            (_, self.community), body = rest
        self.kind, content = body
        (_, rid), (_, status), (_, index), (_, bindings) = items(content)
        self.request_id = int.from_bytes(rid, 'big', signed=True)
        self.status, self.index = status[0], index[0]
        self.bindings = []
        for _, b in items(bindings):
            (_, name), (tag, value) = items(b)
            self.bindings.append((oid_text(name), tag, value))


def v12(version, body, community='public'):
    return tlv(0x30, integer(version) + tlv(STRING, community.encode()) + body)


def v3(body, ident, flags=0, engine=ENGINE, boots=1, seconds=0, user='', auth=None, auth_key=None,
       context_engine=None, context=b''):
    """auth: of MACS, with its localized key, where flags has AUTH."""
    def make(mac):
        security = tlv(0x30, tlv(STRING, engine) + integer(boots) + integer(seconds) +
                       tlv(STRING, user.encode()) + tlv(STRING, mac) + tlv(STRING))
        header = tlv(0x30, integer(ident) + integer(65507) + tlv(STRING, bytes([flags])) + integer(3))
        scoped = tlv(0x30, tlv(STRING, engine if context_engine is None else context_engine) +
                     tlv(STRING, context) + body)
        return tlv(0x30, integer(V3) + header + tlv(STRING, security) + scoped)
    if not flags & AUTH:
        return make(b'')
    name, size = MACS[auth]
    return make(hmac.new(auth_key, make(bytes(size)), name).digest()[:size])


def bound(host='127.0.0.1', port=0):
    """A datagram socket on a port that no connection that goes out is given."""
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    while True:
        s = socket.socket(family, socket.SOCK_DGRAM)
        try:
            s.bind((host, port or _random.randint(FIRST, LAST)))
            return s
        except OSError:
            s.close()
            if port:
                raise


class Agent:
    """Answers what a manager asks for. values: {oid: (tag, content)}; set() writes there.

    answer: called with (agent, message, address), returns datagrams to send, or None for the usual answer.
    silent: answers nothing. user: of V3, (name, auth, password)."""

    def __init__(self, values=None, user=None, engine=ENGINE, boots=1, answer=None, port=0):
        self.values, self.user, self.engine, self.boots = dict(values or {}), user, engine, boots
        self.answer, self.silent = answer, False
        self.start_time = time.monotonic()
        self.messages = []  # every one that came
        self._keys = {}
        self.socket = bound(port=port)
        self.port = self.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._thread.join(5)
        self.socket.close()

    def restart(self, boots):
        """As if the agent were started again."""
        self.boots, self.start_time = boots, time.monotonic()

    @property
    def time(self):
        return int(time.monotonic() - self.start_time)

    def requests(self, kind=GET):
        return [m for m in self.messages if getattr(m, 'kind', None) == kind and
                (m.version != V3 or m.engine)]

    def _key(self):
        if self.engine not in self._keys:
            self._keys[self.engine] = key(self.user[1], self.user[2], self.engine)
        return self._keys[self.engine]

    def _run(self):
        while True:
            try:
                data, address = self.socket.recvfrom(70000)
            except OSError:
                return
            if not data:
                return
            m = Message(data)
            self.messages.append(m)
            if self.silent:
                continue
            replies = self.answer(self, m, address) if self.answer else None
            for reply in self.usual(m) if replies is None else replies:
                self.socket.sendto(reply, address)

    def usual(self, m):
        """The datagrams that an agent answers m with."""
        if m.version == V3:
            return [self._usual_v3(m)]
        body = self.body(m)
        return [v12(m.version, body, m.community.decode())] if body else []

    def body(self, m):
        if m.kind == SET:
            self.values.update({name: (tag, value) for name, tag, value in m.bindings})
        missing = (NO_OBJECT, b'')
        found = [(name, *self.values.get(name, missing)) for name, _, _ in m.bindings]
        absent = [i for i, (_, tag, _) in enumerate(found, 1) if tag == NO_OBJECT]
        if m.version == V1 and absent:
            return pdu(RESPONSE, m.request_id, [binding(n, tlv(t, v)) for n, t, v in m.bindings], 2,
                       absent[0])
        return pdu(RESPONSE, m.request_id, [binding(n, tlv(t, v)) for n, t, v in found])

    def report(self, m, number, flags=0, boots=None, seconds=None):
        body = pdu(REPORT, getattr(m, 'request_id', 0), [binding(f'{USM}{number}.0', integer(1, COUNTER))])
        return self.seal(m, body, flags, boots, seconds)

    def seal(self, m, body, flags, boots=None, seconds=None):
        known = self.user and self.user[1]
        return v3(body, m.id, flags, self.engine, self.boots if boots is None else boots,
                  self.time if seconds is None else seconds,
                  m.user.decode() if flags & AUTH or not known else '',
                  self.user[1] if known else None, self._key() if known else None,
                  context_engine=getattr(m, "context_engine", b"") or self.engine, context=getattr(m, "context", b""))

    def _usual_v3(self, m):
        if m.engine != self.engine:
            return self.report(m, 4)
        if m.user.decode() != self.user[0]:
            return self.report(m, 3)
        if bool(self.user[1]) != bool(m.flags & AUTH):
            return self.report(m, 1)
        if m.flags & AUTH:
            name, size = MACS[self.user[1]]
            blank = m.data.replace(m.mac, bytes(size), 1)
            if hmac.new(self._key(), blank, name).digest()[:size] != m.mac:
                return self.report(m, 5)
            if m.boots != self.boots or abs(m.time - self.time) > 150:
                return self.report(m, 2, AUTH)
        return self.seal(m, self.body(m), m.flags & AUTH)


def trap_bindings(values, name='1.3.6.1.4.1.8072.2.3.0.1', seconds=5):
    """values: [(oid, tag, content)]."""
    return [binding(UPTIME, integer(seconds, TICKS)), binding(TRAP_OID, oid(name)),
            *(binding(n, tlv(t, v)) for n, t, v in values)]


def trap_v1(values, community='public'):
    body = oid('1.3.6.1.4.1.9') + tlv(IP, bytes([10, 0, 0, 1])) + integer(6) + integer(1) + integer(5, TICKS)
    return v12(V1, tlv(TRAP_V1, body + tlv(0x30, b''.join(binding(n, tlv(t, v)) for n, t, v in values))),
               community)


def trap_v2c(values, community='public', kind=TRAP, request_id=1):
    return v12(V2C, pdu(kind, request_id, trap_bindings(values)), community)
