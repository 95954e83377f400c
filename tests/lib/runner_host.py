"""Stands in for the supervisor of one runner process: speaks the IPC contract (ipc/message.h) over a
socketpair on fd 3, opens what the runner plans, keeps what it registers. Standard library only."""
import array
import collections
import errno
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from patience import WAIT_S

(INIT, OPENED, EVENTS, QUERY_RESULT, CREDIT, PING, STOP, SET_LOG_LEVEL, TRACE) = range(1, 10)
(PLAN, CONFIG_ERROR, READY, OPEN, CANCEL, REGISTER, QUERY, PONG, STATS) = range(32, 41)
(CLOSED, LINK), TRACE_FRAME = (42, 43), 50
CONNECT, LISTEN, TTY, FILE, UDP, UDP_LISTEN, ICMP = range(7)

SO_RXQ_OVFL = 40  # of Linux; the module socket does not know it

# stamp: source timestamp, (seconds, microseconds) or None
Event = collections.namedtuple('Event', ['type', 'payload', 'time', 'stamp'], defaults=[None])


def pack(v):
    if v is None:
        return b'\xc0'
    if v is True or v is False:
        return b'\xc3' if v else b'\xc2'
    if isinstance(v, int):
        if v < 0:
            return b'\xd3' + struct.pack('>q', v)
        if v < 128:
            return bytes([v])
        return b'\xcf' + struct.pack('>Q', v)
    if isinstance(v, str):
        b = v.encode()
        return b'\xdb' + struct.pack('>I', len(b)) + b
    if isinstance(v, (bytes, bytearray)):
        return b'\xc6' + struct.pack('>I', len(v)) + v
    return b'\xdd' + struct.pack('>I', len(v)) + b''.join(pack(i) for i in v)


def unpack(data):
    value, rest = _unpack(memoryview(data))
    assert not rest, 'trailing bytes'
    return value


def _take(b, size):
    return int.from_bytes(b[1:1 + size], 'big'), b[1 + size:]


def _array(n, b):
    items = []
    for _ in range(n):
        item, b = _unpack(b)
        items.append(item)
    return items, b


def _unpack(b):
    t = b[0]
    if t < 0x80:
        return t, b[1:]
    if t >= 0xe0:
        return t - 256, b[1:]
    if 0x90 <= t < 0xa0:
        return _array(t & 15, b[1:])
    if 0xa0 <= t < 0xc0:
        n = t & 31
        return bytes(b[1:1 + n]).decode(), b[1 + n:]
    if t in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[t], b[1:]
    if t in (0xcc, 0xcd, 0xce, 0xcf):
        return _take(b, 1 << (t - 0xcc))
    if t in (0xd0, 0xd1, 0xd2, 0xd3):
        size = 1 << (t - 0xd0)
        return int.from_bytes(b[1:1 + size], 'big', signed=True), b[1 + size:]
    if t in (0xdc, 0xdd):
        return _array(*_take(b, 2 if t == 0xdc else 4))
    sizes = {0xd9: 1, 0xda: 2, 0xdb: 4, 0xc4: 1, 0xc5: 2, 0xc6: 4}
    n, b = _take(b, sizes[t])
    raw = bytes(b[:n])
    return (raw.decode() if t >= 0xd9 else raw), b[n:]


class Runner:
    """A running device. conf: its configuration; latest: events that a query finds,
    {type suffix joined by '/': payload}."""
    receive_buffer = 1 << 20  # of a bound datagram socket

    def __init__(self, executable, device_type, conf, latest=None, name='dev', check_only=False,
                 log_level=6, credit=1 << 30, memory=1 << 28, refuse=(), version=2):
        self.events, self.plan, self.config_errors = [], None, []
        self.links, self.opens, self.counters, self.latest = [], [], {}, dict(latest or {})
        self.ready = self.closed = None
        self.refuse = set(refuse)  # indices of the plan that do not open
        self._changed = threading.Condition()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._sock = ours
        fd = theirs.fileno()
        self.log = []  # lines of its standard error
        self.process = self._spawn(executable, fd)
        theirs.close()
        conf_fd = os.memfd_create('conf', os.MFD_CLOEXEC)
        os.write(conf_fd, json.dumps(conf).encode())
        san = 'san' in os.path.basename(os.environ.get('BUILD', ''))
        sandbox, memory = (2, 1 << 50) if san else (0, memory)
        self._send(INIT, 0, [version, device_type, name, 'UTC', log_level, check_only, sandbox,
                             memory, 1100, credit], conf_fd)
        os.close(conf_fd)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _spawn(self, executable, fd):
        def at_child():
            os.dup2(fd, 3)
            os.set_inheritable(3, True)
        # A pipe, as the supervisor gives it: a file is none that the sandbox lets it write to.
        process = subprocess.Popen([executable], stderr=subprocess.PIPE, close_fds=False,
                                   preexec_fn=at_child, text=True)

        def relay():
            with process.stderr:
                for line in process.stderr:
                    self.log.append(line)
                    sys.stderr.write(line)
        threading.Thread(target=relay, daemon=True).start()
        return process

    def _send(self, kind, number, body, fd=None):
        packet = struct.pack('<HHI', kind, 0, number) + pack(body)
        extra = []
        if fd is not None:
            extra = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))]
        try:
            self._sock.sendmsg([packet], extra)
        except OSError as e:
            if e.errno not in (errno.EPIPE, errno.ECONNRESET, errno.EBADF):
                raise

    def _run(self):
        while True:
            try:
                packet = self._sock.recv(70000)
            except ConnectionResetError:
                continue  # of a process that ended with packets unread: its last ones follow
            except OSError:
                packet = b''
            if not packet:
                break
            kind, _, number = struct.unpack('<HHI', packet[:8])
            with self._changed:
                self._on_message(kind, number, unpack(packet[8:]))
                self._changed.notify_all()
        with self._changed:
            self.closed = self.closed or 'eof'
            self._changed.notify_all()

    def _on_message(self, kind, number, body):
        if kind == PLAN:
            self.plan = body
        elif kind == CONFIG_ERROR:
            self.config_errors.append(tuple(body))
        elif kind == READY:
            self.ready = True
        elif kind == OPEN:
            self.opens.append(time.monotonic())
            threading.Thread(target=self._open, args=(number, body[0]), daemon=True).start()
        elif kind == REGISTER:
            now = time.monotonic()
            for segments, stamp, payload in body:
                self.events.append(Event('/'.join(segments), json.loads(payload) if payload else None, now,
                                         stamp and tuple(stamp)))
        elif kind == QUERY:
            found = [[t.split('/'), [0, 0], None, json.dumps(p)] for t, p in self.latest.items()
                     if any(_matches(t.split('/'), q) for q in body)]
            self._send(QUERY_RESULT, number, [False, found, None])
        elif kind == STATS:
            self.counters.update({k: v for k, v in body})
        elif kind == LINK:
            self.links.append(body[0])
        elif kind == CLOSED:
            self.closed = body[0]

    def _open(self, number, index):
        kind, target, port = self.plan[index]
        try:
            if index in self.refuse:
                raise OSError(errno.ECONNREFUSED, 'refused')
            fd = self._opened(kind, target, port)
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)
            self._send(OPENED, number, [0, ''], fd)
            os.close(fd)
        except OSError as e:
            self._send(OPENED, number, [e.errno or 1, str(e)])

    def _opened(self, kind, target, port):
        if kind == CONNECT:
            s = socket.create_connection((target, port), WAIT_S)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return s.detach()
        if kind == LISTEN:
            s = socket.create_server((target, port), backlog=128)
            self.port = s.getsockname()[1]
            return s.detach()
        if kind in (UDP, ICMP):
            family, _, _, _, address = socket.getaddrinfo(target, port, type=socket.SOCK_DGRAM)[0]
            protocol = 0 if kind == UDP else \
                socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
            s = socket.socket(family, socket.SOCK_DGRAM, protocol)
            s.connect(address)
            return s.detach()
        if kind == UDP_LISTEN:
            family, _, _, _, address = socket.getaddrinfo(target, port, type=socket.SOCK_DGRAM)[0]
            s = socket.socket(family, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
            s.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
            s.bind(address)
            return s.detach()
        return os.open(target, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def send(self, suffix, payload, stamp=None):
        """An event from the Event Server, payload as JSON; stamp: as of Event."""
        self.send_raw(suffix, json.dumps(payload), stamp)

    def send_raw(self, suffix, text, stamp=None):
        self._send(EVENTS, 0, [[suffix.split('/'), [0, 0], stamp and list(stamp), text]])

    def send_events(self, events, times=1):
        """In one message, so many times: [segments, time, source time or None, payload as JSON] of each."""
        packet = struct.pack('<HHI', EVENTS, 0, 0) + pack(events)
        for _ in range(times):
            self._sock.sendall(packet)

    def ping(self):
        self._send(PING, 1, [])

    def wait_counters(self, what, timeout=WAIT_S):
        """Until what(counters) is true of the counters that it reported last, which it is asked for."""
        asked = [0]

        def ask():
            if time.monotonic() - asked[0] > 0.1:
                asked[0] = time.monotonic()
                self.ping()
            return what(self.counters)
        return self.wait(ask, timeout)

    def wait(self, what, timeout=WAIT_S):
        """Until what() is true; its value, or AssertionError with what was registered."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := what()):
                left = deadline - time.monotonic()
                if left <= 0:
                    last = '\n'.join(f'  {e.type} {e.payload}' for e in self.events[-20:])
                    raise AssertionError(f'waited {timeout} s in vain; last events:\n{last}')
                self._changed.wait(min(left, 0.02))
            return value

    def wait_event(self, suffix, payload=None, after=0, timeout=WAIT_S):
        """Index of the first event of this type (and payload) from index `after` on, plus one."""
        def find():
            for i, e in enumerate(self.events[after:], after + 1):
                if e.type == suffix and (payload is None or e.payload == payload):
                    return i
        return self.wait(find, timeout)

    def stop(self, timeout=WAIT_S):
        """Asks it to end; returns its exit code."""
        if self.process.poll() is not None:
            self._thread.join(2)
            return self.process.returncode
        self._send(STOP, 0, [])
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = None
        self._thread.join(2)
        self._sock.close()
        return code


def _matches(segments, query):
    for i, q in enumerate(query):
        if q == '*' and i == len(query) - 1:
            return True
        if i >= len(segments) or q not in ('?', segments[i]):
            return False
    return len(segments) == len(query)
