"""Both ends of the Event Server's protocol for tests: SBS, Chatter and HatEventer.

EventerClient talks to an Event Server; EventerServer is one that can be told to
misbehave. Standard library only; each has one thread a connection.

    with EventerServer() as server:                 # server.port
        server.wait(lambda: server.clients)
        server.notify([server.event('gateway/gw/modbus_master/m/system/enable', Json(True))])
        server.wait_event('gateway/gw/?/?/gateway/running', Json(True))

    with EventerClient(port=23012, subscriptions=['*']) as client:
        client.register([RegisterEvent('a/b', None, Json(1))], response=True)
        client.next_events(timeout=1)
        client.query_latest(['a/*'])
"""

import collections
import json
import queue
import socket
import struct
import threading
import time

import ports
from patience import WAIT_S

Timestamp = collections.namedtuple('Timestamp', ['s', 'us'])
EventId = collections.namedtuple('EventId', ['server', 'session', 'instance'])
Json = collections.namedtuple('Json', ['data'])
RawJson = collections.namedtuple('RawJson', ['text'])  # to send what json.dumps would not
Binary = collections.namedtuple('Binary', ['type', 'data'])
Event = collections.namedtuple(
    'Event', ['id', 'type', 'timestamp', 'source_timestamp', 'payload'])
RegisterEvent = collections.namedtuple(
    'RegisterEvent', ['type', 'source_timestamp', 'payload'], defaults=[None, None])
Msg = collections.namedtuple('Msg', ['id', 'first', 'owner', 'token', 'last', 'type', 'data'])
QueryResult = collections.namedtuple('QueryResult', ['events', 'more'])

STATUSES = ['standby', 'starting', 'operational', 'stopping']


def now():
    ns = time.time_ns()
    return Timestamp(ns // 10**9, ns % 10**9 // 1000)


def event_type(value):
    """A tuple of segments, of itself or of 'a/b/c'."""
    if isinstance(value, str):
        return tuple(value.split('/')) if value else ()
    return tuple(value)


def matches(kind, pattern):
    kind, pattern = event_type(kind), event_type(pattern)
    if pattern and pattern[-1] == '*':
        pattern = pattern[:-1]
        kind = kind[:len(pattern)]
    return len(kind) == len(pattern) and all(
        p == '?' or k == p for k, p in zip(kind, pattern))


# SBS

def put_int(v):
    groups = [v & 0x7f]
    while not -64 <= v <= 63:
        v >>= 7
        groups.append(v & 0x7f)
    groups[0] |= 0x80
    return bytes(reversed(groups))


def put_bytes(v):
    return put_int(len(v)) + v


def put_str(v):
    return put_bytes(v.encode())


def put_bool(v):
    return b'\x01' if v else b'\x00'


def put_list(put, values):
    values = list(values)
    return put_int(len(values)) + b''.join(put(v) for v in values)


def put_optional(put, v):
    return put_int(0) if v is None else put_int(1) + put(v)


def put_type(v):
    return put_list(put_str, event_type(v))


def put_time(v):
    return put_int(v[0]) + put_int(v[1])


def put_id(v):
    return put_int(v[0]) + put_int(v[1]) + put_int(v[2])


def put_payload(v):
    if isinstance(v, Binary):
        return put_int(0) + put_str(v.type) + put_bytes(v.data)
    text = v.text if isinstance(v, RawJson) else json.dumps(v.data)
    return put_int(1) + put_str(text)


def put_register_event(v):
    return (put_type(v.type) + put_optional(put_time, v.source_timestamp) +
            put_optional(put_payload, v.payload))


def put_event(v):
    return (put_id(v.id) + put_type(v.type) + put_time(v.timestamp) +
            put_optional(put_time, v.source_timestamp) + put_optional(put_payload, v.payload))


class Reader:
    """Reads SBS values from bytes, one after another."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        if n < 0 or n > len(self.data) - self.at:
            raise ValueError('cut short')
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.take(1)[0]

    def int(self):
        b = self.byte()
        v = -1 if b & 0x40 else 0
        while True:
            v = v << 7 | b & 0x7f
            if b & 0x80:
                return v
            b = self.byte()

    def bytes(self):
        return bytes(self.take(self.int()))

    def str(self):
        return self.bytes().decode()

    def bool(self):
        return self.byte() != 0

    def list(self, get):
        return [get() for _ in range(self.int())]

    def optional(self, get):
        return get() if self.int() else None

    def type(self):
        return tuple(self.list(self.str))

    def time(self):
        return Timestamp(self.int(), self.int())

    def event_id(self):
        return EventId(self.int(), self.int(), self.int())

    def payload(self):
        if self.int() == 0:
            return Binary(self.str(), self.bytes())
        return Json(json.loads(self.str()))

    def register_event(self):
        return RegisterEvent(self.type(), self.optional(self.time), self.optional(self.payload))

    def event(self):
        return Event(self.event_id(), self.type(), self.time(), self.optional(self.time),
                     self.optional(self.payload))


# Chatter

def put_frame(msg):
    body = (put_int(msg.id) + put_int(msg.first) + put_bool(msg.owner) + put_bool(msg.token) +
            put_bool(msg.last) + put_str(msg.type) + put_bytes(msg.data))
    width = max((len(body).bit_length() + 7) // 8, 1)
    return bytes([width]) + len(body).to_bytes(width, 'big') + body


class Closed(Exception):
    """The connection has ended."""


class Chatter:
    """One connection over a connected stream socket; sending is safe from any thread."""

    def __init__(self, sock):
        self.sock = sock
        self.next_id = 1
        self.lock = threading.Lock()
        self.buffer = bytearray()
        self.answer_pings = True

    def send(self, kind, data=b'', last=True, reply_to=None, before=None):
        """Returns the id of the conversation's first message, which before gets first."""
        with self.lock:
            this = self.next_id
            self.next_id += 1
            first = this if reply_to is None else reply_to.first
            owner = True if reply_to is None else not reply_to.owner
            if before:
                before(first)
            try:
                self.sock.sendall(put_frame(Msg(this, first, owner, True, last, kind, data)))
            except OSError as e:
                raise Closed(str(e)) from e
            return first

    def send_raw(self, data):
        with self.lock:
            self.sock.sendall(data)

    def fill(self, n):
        while len(self.buffer) < n:
            try:
                data = self.sock.recv(1 << 16)
            except OSError as e:
                raise Closed(str(e)) from e
            if not data:
                raise Closed('end of stream')
            self.buffer += data

    def receive(self):
        """The next message that is not a ping or pong."""
        while True:
            self.fill(1)
            width = self.buffer[0]
            self.fill(1 + width)
            size = int.from_bytes(self.buffer[1:1 + width], 'big')
            end = 1 + width + size
            self.fill(end)
            r = Reader(bytes(self.buffer[1 + width:end]))
            del self.buffer[:end]
            msg = Msg(r.int(), r.int(), r.bool(), r.bool(), r.bool(), r.str(), r.bytes())
            if msg.type == 'HatChatter.Ping' and self.answer_pings:
                self.send('HatChatter.Pong', reply_to=msg)
            elif msg.type not in ('HatChatter.Ping', 'HatChatter.Pong'):
                return msg

    def close(self):
        for step in (lambda: self.sock.shutdown(socket.SHUT_RDWR), self.sock.close):
            try:
                step()
            except OSError:
                pass


def connect(host='127.0.0.1', port=None, path=None, timeout=WAIT_S):
    if path is not None:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(path)
    else:
        sock = socket.create_connection((host, port), timeout)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    return sock


# HatEventer

class Refused(Exception):
    """MsgInitRes said error."""


class EventerClient:
    """A client of an Event Server. Notified events wait in order for next_events."""

    def __init__(self, host='127.0.0.1', port=None, path=None, name='test', subscriptions=(),
                 token=None, server_id=None, persisted=False, timeout=WAIT_S):
        self.timeout = timeout
        self.chatter = Chatter(connect(host, port, path, timeout))
        self.status = None
        self.closed = threading.Event()
        self.notified = queue.Queue()
        self.answers = {}
        self.chatter.sock.settimeout(timeout)
        data = (put_str(name) + put_optional(put_str, token) +
                put_list(put_type, subscriptions) + put_optional(put_int, server_id) +
                put_bool(persisted))
        try:
            self.chatter.send('HatEventer.MsgInitReq', data, last=False)
            msg = self.chatter.receive()
            r = Reader(msg.data)
            if msg.type != 'HatEventer.MsgInitRes':
                raise ValueError(msg.type)
            if r.int():
                raise Refused(r.str())
            self.status = STATUSES[r.int()]
        except BaseException:
            self.chatter.close()
            raise
        self.chatter.sock.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        self.chatter.close()
        self.closed.wait(self.timeout)

    def _read(self):
        try:
            while True:
                self._process(self.chatter.receive())
        except (Closed, ValueError, OSError):
            pass
        self.closed.set()
        self.chatter.close()
        for waiting in list(self.answers.values()):
            waiting.put(None)

    def _process(self, msg):
        r = Reader(msg.data)
        if msg.type == 'HatEventer.MsgEventsNotify':
            self.notified.put(r.list(r.event))
            if not msg.last:
                self.chatter.send('HatEventer.MsgEventsAck', reply_to=msg)
        elif msg.type == 'HatEventer.MsgStatusNotify':
            self.status = STATUSES[r.int()]
        elif msg.first in self.answers:
            self.answers[msg.first].put(msg)

    def _ask(self, kind, data):
        waiting = queue.Queue()
        firsts = []

        def expect(first):
            firsts.append(first)
            self.answers[first] = waiting
            if self.closed.is_set():
                raise Closed('closed')

        try:
            self.chatter.send(kind, data, last=False, before=expect)
            msg = waiting.get(timeout=self.timeout)
        except queue.Empty:
            raise TimeoutError('no answer to ' + kind) from None
        finally:
            for first in firsts:
                self.answers.pop(first, None)
        if msg is None:
            raise Closed('before the answer to ' + kind)
        return Reader(msg.data)

    def register(self, events, response=False):
        """The registered events where a response is asked for; None for a failure."""
        data = put_list(put_register_event, events)
        if not response:
            self.chatter.send('HatEventer.MsgRegisterReq', data)
            return None
        r = self._ask('HatEventer.MsgRegisterReq', data)
        return r.list(r.event) if r.int() == 0 else None

    def _query(self, data):
        r = self._ask('HatEventer.MsgQueryReq', data)
        return QueryResult(r.list(r.event), r.bool())

    def query_latest(self, types=None):
        return self._query(put_int(0) + put_optional(lambda v: put_list(put_type, v), types))

    def query_timeseries(self, types=None, t_from=None, t_to=None, source_t_from=None,
                         source_t_to=None, ascending=False, by_source=False, max_results=None,
                         last_event_id=None):
        return self._query(
            put_int(1) + put_optional(lambda v: put_list(put_type, v), types) +
            put_optional(put_time, t_from) + put_optional(put_time, t_to) +
            put_optional(put_time, source_t_from) + put_optional(put_time, source_t_to) +
            put_int(1 if ascending else 0) + put_int(1 if by_source else 0) +
            put_optional(put_int, max_results) + put_optional(put_id, last_event_id))

    def query_server(self, server_id, persisted=False, max_results=None, last_event_id=None):
        return self._query(
            put_int(2) + put_int(server_id) + put_bool(persisted) +
            put_optional(put_int, max_results) + put_optional(put_id, last_event_id))

    def next_events(self, timeout=None):
        """The events of the next MsgEventsNotify; TimeoutError when there is none in time."""
        try:
            return self.notified.get(timeout=self.timeout if timeout is None else timeout)
        except queue.Empty:
            raise TimeoutError('no events') from None

    def wait_event(self, pattern, payload=None, timeout=None):
        """The next notified event of that type (and payload); others are passed over."""
        end = time.monotonic() + (self.timeout if timeout is None else timeout)
        while True:
            for event in self.next_events(max(end - time.monotonic(), 0.001)):
                if matches(event.type, pattern) and payload in (None, event.payload):
                    return event


class _Server:
    """Serves each client in a thread of its own, by run() of what make_client(sock) returns.

    clients     connected ones, in order
    connects    how often somebody connected
    accepting   cleared: new connections are closed at once
    stalled     set(): nothing more is read from clients until it is cleared
    changed     the condition that guards all of it
    """

    def __init__(self, sock):
        self.sock = sock
        self.clients = []
        self.connects = 0
        self.accepting = threading.Event()
        self.accepting.set()
        self.stalled = threading.Event()
        self.changed = threading.Condition()
        self.open = True

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        self.open = False
        for step in (lambda: self.sock.shutdown(socket.SHUT_RDWR), self.sock.close):
            try:
                step()
            except OSError:
                pass
        self.drop_clients()

    def drop_clients(self):
        """Closes all connections."""
        for client in list(self.clients):
            client.chatter.close()

    def wait(self, condition, timeout=WAIT_S):
        """Waits until condition() is true and returns what it said; TimeoutError."""
        end = time.monotonic() + timeout
        with self.changed:
            while True:
                result = condition()
                if result:
                    return result
                left = end - time.monotonic()
                if left <= 0:
                    raise TimeoutError('condition does not come true')
                self.changed.wait(min(left, 0.05))

    def _accept(self):
        while self.open:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            with self.changed:
                self.connects += 1
                self.changed.notify_all()
            if not self.accepting.is_set():
                sock.close()
                continue
            threading.Thread(target=self.make_client(sock).run, daemon=True).start()


class EventerServer(_Server):
    """A fake Event Server: records what is registered, answers as told, misbehaves on demand.

    registered      list of (time.monotonic(), Event) in order
    on_query        f(kind, types) -> list of events; by default the latest of what was seen
    answering       cleared: register and query requests get no answer
    init_error      a text to refuse clients with
    counting        True: events are counted (count), not decoded or recorded
    """

    def __init__(self, host='127.0.0.1', port=0, path=None, server_id=1, status='operational'):
        if path is None:
            sock = ports.listen(port, host)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(path)
            sock.listen(64)
        super().__init__(sock)
        self.port = sock.getsockname()[1] if path is None else None
        self.server_id = server_id
        self.status = status
        self.inits = []
        self.registered = []
        self.register_messages = 0
        self.queries = []
        self.latest = {}
        self.count = 0
        self.counting = False
        self.on_query = None
        self.init_error = None
        self.acks = 0
        self.answering = threading.Event()
        self.answering.set()
        self.session = 0
        self.start()

    def make_client(self, sock):
        return _ServedClient(self, sock)

    def event(self, kind, payload=None, source_timestamp=None):
        """An Event as this server would give out for a registration now."""
        self.session += 1
        return Event(EventId(self.server_id, self.session, 1), event_type(kind), now(),
                     source_timestamp, payload)

    def preset(self, kind, payload=None):
        """A latest event that queries find, without a notification."""
        event = self.event(kind, payload)
        with self.changed:
            self.latest[event.type] = event
        return event

    def notify(self, events, want_ack=False):
        """Notifies every client whose subscriptions match; remembers the events as latest."""
        with self.changed:
            for event in events:
                self.latest[event.type] = event
        for client in list(self.clients):
            mine = [e for e in events if any(matches(e.type, p) for p in client.subscriptions)]
            if mine:
                client.chatter.send('HatEventer.MsgEventsNotify', put_list(put_event, mine),
                                    last=not want_ack)

    def set_status(self, status):
        self.status = status
        for client in list(self.clients):
            client.chatter.send('HatEventer.MsgStatusNotify', put_int(STATUSES.index(status)))

    def send_garbage(self, data=b'\x04\xff\xff\xff\xff garbage'):
        for client in list(self.clients):
            client.chatter.send_raw(data)

    def close_mid_frame(self):
        """Sends a part of a MsgEventsNotify to each client and closes."""
        frame = put_frame(Msg(9, 9, True, True, True, 'HatEventer.MsgEventsNotify', bytes(100)))
        for client in list(self.clients):
            client.chatter.send_raw(frame[:len(frame) // 2])
            client.chatter.close()

    def find(self, pattern, payload=None, start=0):
        """Registered events of that type (and payload), from index start of registered on."""
        return [e for _, e in self.registered[start:]
                if matches(e.type, pattern) and payload in (None, e.payload)]

    def wait_event(self, pattern, payload=None, timeout=WAIT_S, start=0):
        return self.wait(lambda: self.find(pattern, payload, start), timeout)[0]


class _Client:
    """A client of one of our servers: its messages in a loop, until either side ends it."""

    def __init__(self, server, sock):
        self.server = server
        self.chatter = Chatter(sock)

    def begin(self):
        """Whether it may go on."""
        return True

    def handle(self, msg):
        """One message; the server's state may change."""
        raise NotImplementedError

    def gone(self):
        if self in self.server.clients:
            self.server.clients.remove(self)

    def run(self):
        try:
            if not self.begin():
                return
            while True:
                while self.server.stalled.is_set():
                    time.sleep(0.005)
                msg = self.chatter.receive()
                with self.server.changed:
                    self.handle(msg)
                    self.server.changed.notify_all()
        except (Closed, ValueError, KeyError, OSError):
            pass
        finally:
            self.chatter.close()
            with self.server.changed:
                self.gone()
                self.server.changed.notify_all()


class _ServedClient(_Client):

    def __init__(self, server, sock):
        super().__init__(server, sock)
        self.name = None
        self.token = None
        self.server_id = None
        self.subscriptions = []

    def begin(self):
        return self._init(self.chatter.receive())

    def handle(self, msg):
        {'HatEventer.MsgRegisterReq': self._register,
         'HatEventer.MsgQueryReq': self._query,
         'HatEventer.MsgEventsAck': self._ack}[msg.type](msg)

    def _init(self, msg):
        server = self.server
        r = Reader(msg.data)
        self.name = r.str()
        self.token = r.optional(r.str)
        self.subscriptions = r.list(r.type)
        self.server_id = r.optional(r.int)
        self.persisted = r.bool()
        if server.init_error is not None:
            self.chatter.send('HatEventer.MsgInitRes', put_int(1) + put_str(server.init_error),
                              reply_to=msg)
            return False
        self.chatter.send('HatEventer.MsgInitRes',
                          put_int(0) + put_int(STATUSES.index(server.status)), reply_to=msg)
        with server.changed:
            server.clients.append(self)
            server.inits.append(self)
            server.changed.notify_all()
        return True

    def _register(self, msg):
        server = self.server
        server.register_messages += 1
        r = Reader(msg.data)
        if server.counting:
            count = r.int()
            server.count += count
            if not count and not msg.last:
                self.chatter.send('HatEventer.MsgRegisterRes', put_int(0) + put_list(put_event, []), reply_to=msg)
            return
        t = time.monotonic()
        server.session += 1
        events = []
        for i, e in enumerate(r.list(r.register_event)):
            event = Event(EventId(server.server_id, server.session, i + 1), e.type, now(),
                          e.source_timestamp, e.payload)
            events.append(event)
            server.registered.append((t, event))
            server.latest[event.type] = event
        server.count += len(events)
        if not msg.last and (server.answering.is_set() or not events):
            self.chatter.send('HatEventer.MsgRegisterRes',
                              put_int(0) + put_list(put_event, events), reply_to=msg)

    def _query(self, msg):
        server = self.server
        r = Reader(msg.data)
        kind = ['latest', 'timeseries', 'server'][r.int()]
        types = r.optional(lambda: r.list(r.type)) if kind != 'server' else None
        server.queries.append((kind, types))
        if server.on_query:
            events = server.on_query(kind, types)
        else:
            events = [e for e in server.latest.values()
                      if types is None or any(matches(e.type, p) for p in types)]
        if server.answering.is_set():
            self.chatter.send('HatEventer.MsgQueryRes',
                              put_list(put_event, events) + put_bool(False), reply_to=msg)

    def _ack(self, msg):
        self.server.acks += 1


# HatObserver

Component = collections.namedtuple(
    'Component', ['cid', 'mid', 'name', 'group', 'data', 'rank', 'req', 'res', 'ready'],
    defaults=[None, None, None, 1, None, None, False])


def put_component(c):
    return (put_int(c.cid) + put_int(c.mid) + put_optional(put_str, c.name) +
            put_optional(put_str, c.group) + put_str(json.dumps(c.data)) + put_int(c.rank) +
            put_optional(put_int, c.req) +
            put_optional(lambda t: struct.pack('>d', t), None if c.req is None else time.time()) +
            put_optional(put_int, c.res) + put_bool(c.ready))


class ObserverServer(_Server):
    """A fake Monitor Server that blesses as it is told.

        with ObserverServer() as monitor:
            monitor.set_event_servers(monitor.event_server('event', 1, port))
            monitor.bless(7)                    # the last client's request token
            monitor.wait(lambda: monitor.client.info.res == 7)

    clients     connected ones, in order; each has info (a Component) and said, a list of
                (time.monotonic(), Component), one for each MsgClient
    """

    mid = 0

    def __init__(self, host='127.0.0.1', port=0):
        super().__init__(ports.listen(port, host))
        self.port = self.sock.getsockname()[1]
        self.client = None
        self.event_servers = []
        self.next_cid = 1
        self.start()

    def make_client(self, sock):
        return _ObservedClient(self, sock)

    def event_server(self, group, server_id, port, token=None, blessing=5, answer=5,
                     host='127.0.0.1'):
        """The component of an Event Server; active where blessing and answer are the same."""
        return Component(100 + server_id, self.mid, f'event{server_id}', group,
                         {'server_id': server_id, 'server_token': token,
                          'eventer_server': {'host': host, 'port': port}},
                         req=blessing, res=answer, ready=True)

    def set_event_servers(self, *components):
        with self.changed:
            self.event_servers = list(components)
            self.update()

    def bless(self, token, client=None):
        """The request token of a client (by default the last one); None takes it away."""
        with self.changed:
            client = client or self.client
            client.info = client.info._replace(req=token)
            self.update()

    def update(self):
        """Tells every client the state."""
        components = [*self.event_servers, *(c.info for c in self.clients)]
        for client in list(self.clients):
            try:
                client.chatter.send(
                    'HatObserver.MsgServer', put_int(client.info.cid) + put_int(self.mid) +
                    put_list(put_component, components))
            except Closed:
                pass

    def send_close(self):
        for client in list(self.clients):
            client.chatter.send('HatObserver.MsgClose')

    def send_garbage(self):
        for client in list(self.clients):
            client.chatter.send('HatObserver.MsgServer', b'\x81\x80\xff\xff')


class _ObservedClient(_Client):

    def __init__(self, server, sock):
        super().__init__(server, sock)
        self.said = []
        with server.changed:
            self.info = Component(server.next_cid, server.mid)
            server.next_cid += 1
            server.clients.append(self)
            server.client = self
            server.update()

    def handle(self, msg):
        r = Reader(msg.data)
        if msg.type != 'HatObserver.MsgClient':
            raise ValueError(msg.type)
        self.info = self.info._replace(
            name=r.str(), group=r.str(), data=json.loads(r.str()),
            res=r.optional(r.int), ready=r.bool())
        self.said.append((time.monotonic(), self.info))
        self.server.update()

    def gone(self):
        super().gone()
        self.server.update()
