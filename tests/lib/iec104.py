"""A minimal IEC 60870-5-104 station for tests, over raw sockets, and gatewayd with one IEC 104 device.

Frames are built and taken apart here octet by octet, independent of the code under test. A Peer
answers nothing by itself but TESTFR, unless told to.
"""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import eventer  # noqa: E402
from patience import WAIT_S  # noqa: E402
from ports import free_port, listen  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))

# ASan maps terabytes and makes calls that the sandbox denies.
UNDER_SANITIZERS = ({'sandbox': 'off', 'limits': {'memory': 1 << 40}}
                    if 'san' in os.path.basename(BUILD) else {})

STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, TESTFR_ACT, TESTFR_CON = (
    0x07, 0x0b, 0x13, 0x23, 0x43, 0x83)

CP56 = bytes.fromhex('3930220d4e0b17')  # 2023-11-14 13:34:12.345


def u(function):
    return bytes([0x68, 4, function, 0, 0, 0])


def s(receive):
    return bytes([0x68, 4, 1, 0]) + struct.pack('<H', receive << 1)


def i(send, receive, body):
    return bytes([0x68, 4 + len(body)]) + struct.pack('<HH', send << 1, receive << 1) + body


def asdu(type_id, cause, common, objects, test=False, negative=False, originator=0, sq=False, count=None):
    """objects: (address, element octets) each; with sq the first address counts, and count says how many
    elements the octets are."""
    head = bytes([type_id, (count or len(objects)) | (0x80 if sq else 0),
                  cause | (0x40 if negative else 0) | (0x80 if test else 0), originator])
    body = head + struct.pack('<H', common)
    for n, (address, element) in enumerate(objects):
        if n == 0 or not sq:
            body += struct.pack('<I', address)[:3]
        body += element
    return body


class Asdu:
    """The header of an ASDU, its first object's address and the octets behind it."""

    def __init__(self, data):
        self.data = data
        self.type, vsq, cause, self.originator, self.common = struct.unpack('<BBBBH', data[:6])
        self.count, self.sq = vsq & 0x7f, bool(vsq & 0x80)
        self.cause, self.negative, self.test = cause & 0x3f, bool(cause & 0x40), bool(cause & 0x80)
        self.address = int.from_bytes(data[6:9], 'little')
        self.element = data[9:]

    def __repr__(self):
        return (f'<type {self.type} cause {self.cause}{" neg" if self.negative else ""} '
                f'common {self.common} address {self.address} {self.element.hex()}>')


class Peer:
    """One side of a connection. send/receive numbers are kept; acknowledge() and sends are explicit."""

    def __init__(self, sock):
        self.sock = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b''
        self.vs = self.vr = self.acked = 0
        self.answer_tests = True

    def close(self):
        self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def send(self, body):
        self.raw(i(self.vs, self.vr, body))
        self.vs = (self.vs + 1) % 32768

    def acknowledge(self):
        self.raw(s(self.vr))

    def frame(self, timeout=WAIT_S):
        """The next frame; EOFError at the end, TimeoutError when none comes."""
        self.sock.settimeout(timeout)
        while len(self.buffer) < 2 or len(self.buffer) < 2 + self.buffer[1]:
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                data = b''
            except socket.timeout:
                raise TimeoutError('no frame') from None
            if not data:
                raise EOFError
            self.buffer += data
        n = 2 + self.buffer[1]
        frame, self.buffer = self.buffer[:n], self.buffer[n:]
        assert frame[0] == 0x68, frame.hex()
        return frame

    def event(self, timeout=WAIT_S):
        """('U', function), ('S', number) or ('I', Asdu); TESTFR act is answered and passed over."""
        while True:
            frame = self.frame(timeout)
            first, second = struct.unpack('<HH', frame[2:6])
            if not first & 1:
                assert first >> 1 == self.vr, f'N(S) {first >> 1}, expected {self.vr}'
                self.vr = (self.vr + 1) % 32768
                self.acked = second >> 1
                return 'I', Asdu(frame[6:])
            if not first & 2:
                self.acked = second >> 1
                return 'S', second >> 1
            if first == TESTFR_ACT and self.answer_tests:
                self.raw(u(TESTFR_CON))
                continue
            return 'U', first

    def expect_u(self, function, timeout=WAIT_S):
        kind, value = self.event(timeout)
        assert (kind, value) == ('U', function), (kind, value)

    def expect_s(self, number, timeout=WAIT_S):
        kind, value = self.event(timeout)
        assert (kind, value) == ('S', number), (kind, value)

    def asdu(self, timeout=WAIT_S, ack=False):
        """The next ASDU; S frames are passed over."""
        while True:
            kind, value = self.event(timeout)
            if kind == 'I':
                if ack:
                    self.acknowledge()
                return value
            assert kind == 'S', (kind, value)

    def expect(self, type_id, cause, negative=False, timeout=WAIT_S, **more):
        a = self.asdu(timeout)
        assert (a.type, a.cause, a.negative) == (type_id, cause, negative), a
        for key, value in more.items():
            assert getattr(a, key) == value, (key, value, a)
        return a

    def expect_silence(self, seconds=0.3):
        try:
            found = self.event(seconds)
        except TimeoutError:
            return
        raise AssertionError(f'unexpected {found}')

    def expect_end(self, timeout=WAIT_S):
        try:
            while True:
                self.event(timeout)
        except EOFError:
            return

    def startdt(self):
        self.raw(u(STARTDT_ACT))
        self.expect_u(STARTDT_CON)


class Station:
    """A listening socket that takes one connection after another, as a controlled station."""

    def __init__(self):
        self.sock = listen()
        self.port = self.sock.getsockname()[1]

    def accept(self, timeout=WAIT_S, start=True):
        self.sock.settimeout(timeout)
        peer = Peer(self.sock.accept()[0])
        if start:
            peer.expect_u(STARTDT_ACT)
            peer.raw(u(STARTDT_CON))
        return peer

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def master_conf(port, **more):
    return {'module': 'hat.gateway.devices.iec104.master', 'name': 'm1',
            'remote_addresses': [{'host': '127.0.0.1', 'port': port}],
            'response_timeout': 15, 'supervisory_timeout': 10, 'test_timeout': 20,
            'send_window_size': 12, 'receive_window_size': 8, 'reconnect_delay': 0.2,
            'time_sync_delay': None, 'security': None, **more}


def slave_conf(port, data=(), **more):
    return {'module': 'hat.gateway.devices.iec104.slave', 'name': 's1',
            'local_host': '127.0.0.1', 'local_port': port, 'remote_hosts': None,
            'max_connections': None, 'response_timeout': 15, 'supervisory_timeout': 10,
            'test_timeout': 20, 'send_window_size': 12, 'receive_window_size': 8,
            'security': None, 'buffers': [], 'data': list(data), **more}


class Gate:
    """gatewayd with one device, connected to a fake Event Server, the device enabled."""

    def __init__(self, conf, presets=(), env=None, enable=True, seed_name=False):
        self.conf = conf
        self.dir = tempfile.mkdtemp(prefix='gatewayd-iec104-')
        kind = 'iec104_' + conf['module'].rsplit('.', 1)[1]
        self.prefix = ('gateway', kind, conf['name'])
        self.server = eventer.EventerServer()
        for suffix, payload, stamp in presets:
            event = self.server.event(self.prefix + tuple(suffix.split('/')), eventer.Json(payload), stamp)
            self.server.latest[event.type] = event
        if enable:
            self.server.preset(self.prefix + ('system', 'enable'), eventer.Json(True))
        path = os.path.join(self.dir, 'gatewayd.yaml')
        with open(path, 'w', encoding='utf-8') as f:
            json.dump({'type': 'gateway', 'name': 'gw',
                       'event_server': {'require_operational': True, 'eventer_server': {
                           'host': '127.0.0.1', 'port': self.server.port}},
                       'devices': [conf], **UNDER_SANITIZERS}, f)
        self.log = open(os.path.join(self.dir, 'log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen(
            [os.path.join(BUILD, 'gatewayd'), '--config', path],
            env={**os.environ, 'RUNTIME_DIRECTORY': self.dir, 'STATE_DIRECTORY': self.dir,
                 **(env or {})},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if enable:
            try:
                self.wait('running', True)
            except BaseException:
                print('\n'.join(self.text().splitlines()[-40:]), file=sys.stderr)
                self.close()
                raise

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.server.close()
        said = self.text()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if 'Sanitizer' in said or 'runtime error' in said:
            raise AssertionError(said[-4000:])

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        if kind is not None:
            print('\n'.join(self.text().splitlines()[-40:]), file=sys.stderr)
        self.close()

    def text(self):
        with open(self.log.name, encoding='utf-8', errors='replace') as f:
            return f.read()

    def system(self, suffix, payload, stamp=None):
        self.server.notify([self.server.event(self.prefix + ('system',) + tuple(suffix.split('/')),
                                              eventer.Json(payload), stamp)])

    def find(self, suffix, start=0):
        """Registered events of that type below `gateway`; the last segments may be * or ?."""
        return self.server.find(self.prefix + ('gateway',) + tuple(suffix.split('/')), start=start)

    def wait(self, suffix, payload=None, start=0, timeout=WAIT_S):
        return self.server.wait_event(self.prefix + ('gateway',) + tuple(suffix.split('/')),
                                      None if payload is None else eventer.Json(payload), timeout, start)

    def mark(self):
        return len(self.server.registered)

    def statuses(self, start=0):
        return [e.payload.data for e in self.find('status', start)]

    def wait_log(self, text, timeout=WAIT_S):
        end = time.monotonic() + timeout
        while text not in self.text():
            if time.monotonic() > end:
                raise AssertionError(f'not in the log: {text}')
            time.sleep(0.02)

    def runners(self):
        """Process ids of the device's runner."""
        out = subprocess.run(['pgrep', '-P', str(self.process.pid)], capture_output=True, text=True)
        return [int(p) for p in out.stdout.split()]
