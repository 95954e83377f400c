#!/usr/bin/env python3
"""modbus_slave: the real runner process against masters of ours that send every byte themselves."""
import os
import signal
import socket
import struct
import sys
import threading
import time
import tty
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from modbus_peer import Bridge, ascii_, crc, frame, mbap, rtu  # noqa: E402
from patience import WAIT_S  # noqa: E402
from ports import free_port  # noqa: E402
from runner_host import Runner  # noqa: E402

UNDER_SANITIZERS = 'san' in os.path.basename(os.environ.get('BUILD', ''))
RUNNER = os.path.join(os.environ.get('BUILD', 'build'), 'libexec/modbus')


def data(name, address, kind='HOLDING_REGISTER', unit=1, offset=0, bits=16):
    return {'name': name, 'device_id': unit, 'data_type': kind, 'start_address': address,
            'bit_offset': offset, 'bit_count': bits}


DATA = [data('a', 10), data('wide', 11, offset=8, bits=32), data('nibble', 20, bits=4),
        data('other', 20, offset=8, bits=4), data('coil', 5, 'COIL', bits=3),
        data('input', 7, 'INPUT_REGISTER'), data('bit', 9, 'DISCRETE_INPUT', bits=1),
        data('queue', 30, 'QUEUE', bits=32), data('second', 10, unit=2)]


def tcp_conf(kind='TCP', **more):
    return {'name': 's', 'modbus_type': kind, 'data': DATA, 'transport': {
        'type': 'TCP', 'local_host': '127.0.0.1', 'local_port': free_port(), 'remote_hosts': None,
        'max_connections': None, 'response_timeout': 0.3, 'keep_alive_timeout': None, **more}}


def cpu_seconds(pid):
    with open(f'/proc/{pid}/schedstat', encoding='ascii') as f:
        return int(f.read().split()[0]) / 1e9


def resident_kib(pid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) for line in f if line.startswith('VmRSS'))


class Master:
    """One connection of a master; ask() returns the answer's PDU, None for silence, b'' when closed."""

    def __init__(self, port, kind='TCP', unit=1):
        self.kind, self.unit, self.transaction = kind, unit, 0
        self.sock = socket.create_connection(('127.0.0.1', port), WAIT_S)

    def send(self, pdu, unit=None):
        self.transaction += 1
        self.sock.sendall(frame(self.kind, self.transaction, self.unit if unit is None else unit,
                                pdu))

    def receive(self, timeout=WAIT_S):
        self.sock.settimeout(timeout)
        try:
            got = self.sock.recv(4096)
        except TimeoutError:
            return None
        except ConnectionError:
            return b''
        if not got:
            return b''
        if self.kind == 'TCP':
            assert struct.unpack('>HH', got[:4]) == (self.transaction, 0), got
            return got[7:]
        if self.kind == 'RTU':
            assert crc(got[:-2]) == got[-2:]
            return got[1:-2]
        return bytes.fromhex(got[1:-2].decode())[1:-1]

    def ask(self, pdu, unit=None, timeout=WAIT_S):
        self.send(pdu, unit)
        return self.receive(timeout)

    def close(self):
        self.sock.close()


class Case(unittest.TestCase):
    def start(self, conf, latest=None):
        r = Runner(RUNNER, 'modbus_slave', conf, latest)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        return r

    def master(self, conf, **more):
        m = Master(conf['transport']['local_port'], conf['modbus_type'], **more)
        self.addCleanup(m.close)
        return m

    def answer_write(self, r, success, after=0):
        at = r.wait_event('gateway/write', None, after)
        payload = r.events[at - 1].payload
        r.send('system/write', {'request_id': payload['request_id'], 'success': success})
        return payload, at


class Tcp(Case):
    def test_reads_from_the_cache(self):
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                conf = tcp_conf(kind)
                r = self.start(conf, {'system/data/a': {'value': 0x1234},
                                      'system/data/wide': {'value': 0x3456789a},
                                      'system/data/none': {'value': 1}})
                m = self.master(conf)
                self.assertEqual(m.ask(b'\x03\0\x0a\0\4'),
                                 b'\x03\x08\x12\x34\x00\x34\x56\x78\x9a\x00')
                self.assertEqual(m.ask(b'\x03\0\x0a\0\1', unit=2), b'\x03\x02\0\0')
                self.assertEqual(m.ask(b'\x03\0\x09\0\1'), b'\x83\x02')
                self.assertEqual(m.ask(b'\x03\0\x0d\0\2'), b'\x83\x02')
                self.assertEqual(m.ask(b'\x04\0\x0a\0\1'), b'\x84\x02')
                self.assertEqual(m.ask(b'\x03\0\x0a\0\0'), b'\x83\x03')
                self.assertEqual(m.ask(b'\x03\0\x0a\0\1', unit=9), b'\x83\x02')
                self.assertEqual(m.ask(b'\x03\0\x0a\0\1', unit=0), b'\x83\x02')
                self.assertEqual(m.ask(b'\x18\0\x1e'), b'\x18\0\6\0\2\0\0\0\0')
                r.send('system/data/coil', {'value': 0b110})
                r.send('system/data/bit', {'value': 1})
                for bad in (-1, 65536, 'x', None, 1.5):
                    r.send('system/data/a', {'value': bad})
                r.send_raw('system/data/a', '[')
                for value, got in ((True, 1), (False, 0), (8.0, 8)):
                    r.send('system/data/input', {'value': value})
                    r.wait(lambda got=got: m.ask(b'\x04\0\7\0\1') == bytes([4, 2, 0, got]))
                r.send('system/data/input', {'value': 7})
                time.sleep(0.1)
                self.assertEqual(m.ask(b'\x01\0\5\0\3'), b'\x01\x01\x03')
                self.assertEqual(m.ask(b'\x02\0\x09\0\1'), b'\x02\x01\x01')
                self.assertEqual(m.ask(b'\x04\0\7\0\1'), b'\x04\x02\0\7')
                self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\x02\x12\x34')

    def test_unknown_function(self):
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                conf = tcp_conf(kind)
                self.start(conf)
                self.assertEqual(self.master(conf).ask(b'\x2b\x0e\x01\0'), b'\xab\x01')

    def test_requests_in_pieces(self):
        """As serial device servers send them, with pauses between."""
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                conf = tcp_conf(kind)
                self.start(conf)
                m = self.master(conf)
                for ask, want in ((b'\x03\0\x0a\0\1', b'\x03\2\0\0'),
                                  (b'\x2b\x0e\x01\0', b'\xab\x01')):
                    m.transaction += 1
                    request = frame(kind, m.transaction, 1, ask)
                    for piece in (request[:2], request[2:7], request[7:]):
                        m.sock.sendall(piece)
                        time.sleep(0.1)
                    self.assertEqual(m.receive(), want)

    def test_writes(self):
        conf = tcp_conf()
        r = self.start(conf, {'system/data/wide': {'value': 0x11223344},
                              'system/data/nibble': {'value': 0x5}})
        m = self.master(conf)
        m.send(b'\x06\0\x0a\x12\x34')
        payload, at = self.answer_write(r, True)
        self.assertEqual(payload['data'], [{'name': 'a', 'value': 0x1234}])
        self.assertEqual(payload['connection_id'], 1)
        self.assertEqual(m.receive(), b'\x06\0\x0a\x12\x34')
        # The cache keeps its values: only data events change them.
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        # Two data in one event; of the wide one the untouched bits stay.
        m.send(b'\x10\0\x0a\0\2\4\0\1\xaa\xbb')
        payload, at = self.answer_write(r, False, at)
        self.assertEqual(payload['data'], [{'name': 'a', 'value': 1},
                                           {'name': 'wide', 'value': 0xbb223344}])
        self.assertEqual(m.receive(), b'\x90\x04')
        m.send(b'\x0f\0\5\0\3\1\x05')
        payload, at = self.answer_write(r, True, at)
        self.assertEqual(payload['data'], [{'name': 'coil', 'value': 0b101}])
        self.assertEqual(m.receive(), b'\x0f\0\5\0\3')
        # Mask: one of the two data of the register, by the bits that are cleared.
        m.send(b'\x16\0\x14\x0f\xff\xa0\0')
        payload, at = self.answer_write(r, True, at)
        self.assertEqual(payload['data'], [{'name': 'nibble', 'value': 0xa}])
        self.assertEqual(m.receive(), b'\x16\0\x14\x0f\xff\xa0\0')
        n = len(r.events)
        self.assertEqual(m.ask(b'\x16\0\x14\xff\xff\0\0'), b'\x16\0\x14\xff\xff\0\0')
        self.assertEqual(m.ask(b'\x16\0\x14\xf0\xff\0\0'), b'\x16\0\x14\xf0\xff\0\0')
        self.assertEqual(m.ask(b'\x06\0\x63\0\1'), b'\x86\x02')
        self.assertEqual(m.ask(b'\x16\0\x63\0\1\0\1'), b'\x96\x02')
        self.assertEqual(m.ask(b'\x05\0\5\0\1'), b'\x85\x03')
        self.assertEqual(len(r.events), n)

    def test_nobody_answers_a_write(self):
        conf = tcp_conf()
        r = self.start(conf)
        m, other = self.master(conf), self.master(conf)
        begin = time.monotonic()
        m.send(b'\x06\0\x0a\0\1')
        self.assertEqual(other.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        self.assertEqual(m.receive(), b'\x86\x04')
        self.assertGreater(time.monotonic() - begin, 0.29)
        late = r.events[r.wait_event('gateway/write') - 1].payload['request_id']
        r.send('system/write', {'request_id': late, 'success': True})
        r.send('system/write', {'request_id': 'x'})
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')

    def test_connections(self):
        conf = tcp_conf(max_connections=2)
        r = self.start(conf)
        at = r.wait_event('gateway/connections', [])
        one, two = self.master(conf), self.master(conf)
        at = r.wait(lambda: [i for i, e in enumerate(r.events) if len(e.payload) == 2])[0]
        port = conf['transport']['local_port']
        self.assertEqual(r.events[at].payload[1], {
            'type': 'TCP', 'connection_id': 2, 'local': {'host': '127.0.0.1', 'port': port},
            'remote': {'host': '127.0.0.1', 'port': two.sock.getsockname()[1]}})
        for m in one, two:
            self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        three = self.master(conf)
        self.assertEqual(three.receive(), b'')
        one.close()
        r.wait(lambda: [c['connection_id'] for c in r.events[-1].payload] == [2])
        self.assertEqual(self.master(conf).ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        r.stop()
        self.assertEqual(r.events[-1].payload, [])

    def test_one_that_is_silent_gives_way(self):
        conf = tcp_conf(max_connections=2)
        r = self.start(conf)
        busy, silent = self.master(conf), self.master(conf)
        self.assertEqual(busy.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        r.wait(lambda: len(r.events[-1].payload) == 2)
        third = self.master(conf)
        self.assertEqual(silent.receive(), b'')
        for m in busy, third:
            self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        r.wait(lambda: [c['connection_id'] for c in r.events[-1].payload] == [1, 3])

    def test_more_than_can_be(self):
        """Taken as far as it goes, and said."""
        r = Runner(RUNNER, 'modbus_slave', tcp_conf(max_connections=5000, remote_hosts=['plc.example']),
                   check_only=True)
        self.addCleanup(r.stop)
        r.wait(lambda: r.plan)
        self.assertEqual([(severity, path) for severity, path, _ in r.config_errors if severity < 2], [
            (0, 'transport.remote_hosts'), (0, 'transport.max_connections')])

    def test_remote_hosts(self):
        for hosts, want in ((['127.0.0.1'], b'\x03\2\0\0'), (['0:0:0:0:0:FFFF:7f00:1'], b'\x03\2\0\0'),
                            (['10.1.2.3'], b''), ([], b'')):
            conf = tcp_conf(remote_hosts=hosts)
            r = self.start(conf)
            self.assertEqual(self.master(conf).ask(b'\x03\0\x0a\0\1'), want)
            r.stop()

    def test_keep_alive(self):
        conf = tcp_conf(keep_alive_timeout=0.4)
        r = self.start(conf)
        m, idle = self.master(conf), self.master(conf)
        for _ in range(4):
            time.sleep(0.2)
            self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        self.assertEqual(idle.receive(0.1), b'')
        # A unit that is not configured is no sign of life.
        for _ in range(3):
            m.ask(b'\x03\0\x0a\0\1', unit=77)
            time.sleep(0.2)
        self.assertEqual(m.receive(0.3), b'')
        r.wait(lambda: r.events[-1].payload == [])

    def test_broken_masters(self):
        conf = tcp_conf()
        r = self.start(conf)
        m = self.master(conf)
        for junk in (b'GET / HTTP/1.0\r\n\r\n', b'\0\1\0\0\xff\xff\1', b'\0\1\0\1\0\2\1\3'):
            bad = self.master(conf)
            bad.sock.sendall(junk)
            self.assertEqual(bad.receive(), b'', junk)
        half = self.master(conf)
        half.sock.sendall(b'\0\1\0\0\0\6\1')
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        # Several requests in one segment are answered in their order.
        m.sock.sendall(b''.join(mbap(i, 1, b'\x03\0\x0a\0\1') for i in range(50)))
        got = b''
        while len(got) < 50 * 11:
            got += m.sock.recv(4096)
        self.assertEqual([got[11 * i + 1] for i in range(50)], list(range(50)))
        self.assertIsNone(r.closed)

    def test_master_that_does_not_read(self):
        conf = tcp_conf()
        conf['data'] = [data(f'r{i}', i) for i in range(125)]
        self.start(conf)
        n, size, m = 40000, 259, self.master(conf)  # 10 MB: more than any socket takes
        asks = b''.join(mbap(i, 1, b'\x03\0\0\0\x7d') for i in range(n))
        sender = threading.Thread(target=m.sock.sendall, args=(asks,))
        sender.start()
        time.sleep(1)
        self.assertEqual(self.master(conf).ask(b'\x03\0\0\0\1'), b'\x03\2\0\0')
        got = bytearray()
        m.sock.settimeout(5)
        while len(got) < size * n and (part := m.sock.recv(1 << 20)):
            got += part
        sender.join()
        self.assertEqual([got[size * i] << 8 | got[size * i + 1] for i in range(len(got) // size)],
                         list(range(n)))

    def test_master_that_does_not_read_and_resets(self):
        """What waits for a master that is gone keeps neither the connection nor the processor."""
        conf = tcp_conf(max_connections=1)
        conf['data'] = [data(f'r{i}', i) for i in range(125)]
        r = self.start(conf)
        m = self.master(conf)
        m.sock.setblocking(False)
        try:
            while m.sock.send(mbap(1, 1, b'\x03\0\0\0\x7d') * 4000):
                time.sleep(0.01)
        except BlockingIOError:
            pass
        time.sleep(0.3)
        m.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        m.sock.close()
        r.wait(lambda: r.events[-1].payload == [])
        used = cpu_seconds(r.process.pid)
        time.sleep(0.5)
        self.assertLess(cpu_seconds(r.process.pid) - used, 0.1)
        self.assertEqual(self.master(conf).ask(b'\x03\0\0\0\1'), b'\x03\2\0\0')

    def test_masters_that_come_and_go(self):
        """They cost neither descriptors nor memory, and no event each."""
        conf = tcp_conf()
        r = self.start(conf)
        pid = r.process.pid
        address = ('127.0.0.1', conf['transport']['local_port'])
        before, start = None, time.monotonic()
        for i in range(10000):
            with socket.create_connection(address) as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            if i == 1000:
                before = resident_kib(pid)
        seconds = time.monotonic() - start
        m = self.master(conf)
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        m.close()
        r.wait(lambda: r.events[-1].payload == [])
        if not UNDER_SANITIZERS:  # they keep freed memory
            self.assertLess(resident_kib(pid) - before, 256)
        if os.geteuid() == 0:  # nobody else sees the descriptors of a process that is not dumpable
            self.assertLess(len(os.listdir(f'/proc/{pid}/fd')), 16)
        self.assertLess(len(r.events), 26 * (seconds + 2))

    def test_nobody_takes_events(self):
        """Without credit the masters' writes are refused at once, and nothing grows."""
        conf = tcp_conf()
        r = Runner(RUNNER, 'modbus_slave', conf, credit=4096)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        m = self.master(conf)
        for _ in range(100):
            m.send(b'\x06\0\x0a\x12\x34')
            start = time.monotonic()
            self.assertEqual(m.receive(), b'\x86\4')
            if time.monotonic() - start < 0.2:
                break
        else:
            self.fail('each write waited for an answer')
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1'), b'\x03\2\0\0')
        self.assertIsNone(r.process.poll())

    def test_all_connections_go_into_one_event(self):
        conf = tcp_conf()
        r = self.start(conf)
        masters = [self.master(conf) for _ in range(500)]
        r.wait(lambda: len(r.events[-1].payload) == 256)
        self.assertEqual(sum(m.ask(b'\x03\0\x0a\0\1') == b'\x03\2\0\0' for m in masters), 256)

    def test_many_masters(self):
        conf = tcp_conf()
        self.start(conf)
        masters = [self.master(conf) for _ in range(50)]
        for _ in range(5):
            for m in masters:
                m.send(b'\x03\0\x0a\0\1')
            for m in masters:
                self.assertEqual(m.receive(), b'\x03\2\0\0')


class Typed(Case):
    def test_both_ways(self):
        def data(name, start, bits, **more):
            return {'name': name, 'device_id': 1, 'data_type': 'HOLDING_REGISTER', 'start_address': start,
                    'bit_offset': 0, 'bit_count': bits, **more}
        conf = {**tcp_conf('TCP'), 'data': [
            data('t', 0, 16, type='int16', scale=0.1), data('f', 1, 32, type='float32', word_order='little'),
            data('s', 3, 32, type='string')]}
        r = self.start(conf, {'system/data/t': {'value': -12.5}})
        m = self.master(conf)
        self.assertEqual(m.ask(b'\3\0\0\0\1'), b'\3\2\xff\x83')
        for name, value in (('f', 123456), ('s', 'on'), ('t', 1e9), ('s', 'long text')):
            r.send('system/data/' + name, {'value': value})
        r.wait(lambda: m.ask(b'\3\0\0\0\5') == b'\3\x0a\xff\x83\x20\0\x47\xf1on\0\0')
        m.send(b'\x10\0\0\0\5\x0a\0\7\0\0\x3f\x80ok!\0')
        payload, _ = self.answer_write(r, True)
        self.assertEqual(payload['data'], [{'name': 't', 'value': 0.7}, {'name': 'f', 'value': 1.0},
                                           {'name': 's', 'value': 'ok!'}])
        self.assertEqual(m.receive(), b'\x10\0\0\0\5')


class Padded(Case):
    def test_requests(self):
        """More octets than the request has, inside the length of the MBAP header."""
        conf = tcp_conf('TCP')
        r = self.start(conf, {'system/data/a': {'value': 7}})
        m = self.master(conf)
        self.assertEqual(m.ask(b'\x03\0\x0a\0\1\0\0'), b'\x03\2\0\7')
        m.send(b'\x10\0\x0a\0\1\2\0\5\0')
        payload, _ = self.answer_write(r, True)
        self.assertIn({'name': 'a', 'value': 5}, payload['data'])
        self.assertEqual(m.receive(), b'\x10\0\x0a\0\1')
        self.assertEqual(m.ask(b'\x10\0\x0a\0\1\4\0\5\0\6'), b'\x90\3')


class Adapter:
    """The far end of a line whose adapter repeats what the slave sends."""

    def __init__(self):
        self.fd, self.end = os.openpty()
        tty.setraw(self.end)
        self.path = os.ttyname(self.end)
        self.sent = []
        self.thread = threading.Thread(target=self.repeat, daemon=True)
        self.thread.start()

    def repeat(self):
        while data := os.read(self.fd, 4096):
            if data == b'end':
                return
            os.write(self.fd, data)
            self.sent.append(data)

    def stop(self):
        os.write(self.end, b'end')
        self.thread.join()
        os.close(self.fd)
        os.close(self.end)


class Serial(Case):
    def serial(self, kind='RTU', **more):
        bridge = Bridge()
        self.addCleanup(bridge.stop)
        r = self.start_on(bridge.paths[0], kind, **more)
        return r, os.open(bridge.paths[1], os.O_RDWR | os.O_NOCTTY)

    def start_on(self, path, kind, **more):
        conf = {'name': 's', 'modbus_type': kind, 'data': DATA, 'transport': {
            'type': 'SERIAL', 'port': path, 'baudrate': 19200,
            'bytesize': 'EIGHTBITS', 'parity': 'NONE', 'stopbits': 'TWO', 'silent_interval': 0.002,
            'flow_control': {'xonxoff': False, 'rtscts': False, 'dsrdtr': False},
            'response_timeout': 0.3, 'keep_alive_timeout': 0.5, **more}}
        r = self.start(conf)
        r.wait(lambda: r.opens)
        time.sleep(0.1)
        return r

    def read(self, fd, timeout=0.5):
        import select
        got = b''
        while select.select([fd], [], [], timeout)[0]:
            got += os.read(fd, 4096)
            timeout = 0.05
        return got

    def test_requests_and_noise(self):
        for kind, wrap in (('RTU', rtu), ('ASCII', ascii_)):
            with self.subTest(kind):
                r, fd = self.serial(kind)
                want = wrap(1, b'\x03\2\0\0')
                ask = wrap(1, b'\x03\0\x0a\0\1')
                os.write(fd, ask)
                self.assertEqual(self.read(fd), want)
                # Nobody else's request, no broadcast, nothing broken is answered.
                for other in (wrap(9, b'\x03\0\x0a\0\1'), wrap(0, b'\x06\0\x0a\0\1'),
                              ask[:-3] + b'\x11\x22\x33', b'\x01\x10\x00\x00\x00'):
                    os.write(fd, other)
                    self.assertEqual(self.read(fd, 0.1), b'', other)
                # Another slave's answer, then our request at once.
                os.write(fd, wrap(9, b'\x03\x04\0\1\0\2') + ask)
                self.assertEqual(self.read(fd), want)

    def test_line_with_other_slaves(self):
        """What others are asked and answer costs our requests no time, also where the line was joined in between:
        the rest of an answer may look like the start of a long request."""
        r, fd = self.serial()
        ask, want = rtu(1, b'\x03\0\x0a\0\1'), rtu(1, b'\x03\2\0\0')

        def fastest(before):
            times = []
            for _ in range(5):
                for piece in before:
                    os.write(fd, piece)
                    time.sleep(0.004)  # less than the silence that ends noise
                began = time.monotonic()
                os.write(fd, ask)
                self.assertEqual(self.read(fd), want)
                times.append(time.monotonic() - began - 0.05)
            return min(times)
        alone = fastest([])
        long = bytes([1, 16, 0, 0, 0, 100, 200]) + bytes(20)  # an answer's data like a request to us
        for before in ([rtu(9, b'\x03\0\x0a\0\2'), rtu(9, b'\x03\4\0\1\0\2')],
                       [rtu(9, b'\x03\0\x0a\0\2'), rtu(9, b'\x83\2')],
                       [rtu(9, b'\x03\0\x0a\0\x0e'), rtu(9, b'\x03\x1b' + long)],
                       [rtu(9, b'\x03\4\0\1\0\2')[3:]], [long], [long[:7]], [b'\x01'], [b'\x09\x10']):
            with self.subTest(before=before):
                self.assertLess(fastest(before), alone + 0.012)

    def test_connection_counts_from_its_first_request(self):
        r, fd = self.serial()
        self.assertEqual([e.payload for e in r.events], [[]])
        os.write(fd, rtu(9, b'\x03\0\x0a\0\1'))
        time.sleep(0.1)
        self.assertEqual(len(r.events), 1)
        os.write(fd, rtu(1, b'\x03\0\x0a\0\1'))
        at = r.wait_event('gateway/connections', [{'type': 'SERIAL', 'connection_id': 1}])
        at = r.wait_event('gateway/connections', [], at)
        self.read(fd)
        os.write(fd, rtu(1, b'\x06\0\x0a\0\1'))
        payload, _ = self.answer_write(r, True, at)
        self.assertEqual(payload['connection_id'], 2)
        self.assertEqual(self.read(fd), rtu(1, b'\x06\0\x0a\0\1'))

    def test_echo(self):
        """As a request, each would be answered or registered, and its answer have an echo again."""
        read, write, other = b'\x03\0\x0a\0\1', b'\x06\0\x0a\0\1', b'\x06\0\x0a\0\2'
        for kind, wrap in (('RTU', rtu), ('ASCII', ascii_)):
            for first in (read, write, b'\x03\0\0\0\1'):  # the last one is refused
                with self.subTest(kind, first=first):
                    line, at = Adapter(), 0
                    r = self.start_on(line.path, kind)
                    for i, pdu in enumerate((first, write, write, other, read), 1):
                        os.write(line.fd, wrap(1, pdu))
                        if pdu[0] == 6:
                            _, at = self.answer_write(r, True, at)
                        r.wait(lambda: len(line.sent) >= i)
                    self.assertEqual(line.sent[-1], wrap(1, b'\x03\2\0\0'))
                    self.assertEqual(len(line.sent), 5)
                    self.assertEqual(len([e for e in r.events if e.type == 'gateway/write']),
                                     3 + (first == write))
                    r.stop()
                    line.stop()

    def test_a_request_that_ends_while_the_process_does_not_run(self):
        """No silence was in it: it was the machine that was busy."""
        r, fd = self.serial()
        ask = rtu(1, b'\x03\0\x0a\0\1')
        os.write(fd, ask[:4])
        time.sleep(0.005)  # for it to be read, less than the silence that would end it
        r.process.send_signal(signal.SIGSTOP)
        os.write(fd, ask[4:])
        time.sleep(0.1)
        r.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.read(fd), rtu(1, b'\x03\2\0\0'))

    def test_a_line_without_echo_repeats_itself(self):
        r, fd = self.serial()
        at, ask = 0, rtu(1, b'\x06\0\x0a\0\1')
        os.write(fd, rtu(1, b'\x03\0\x0a\0\1'))
        self.read(fd)
        for _ in range(3):
            os.write(fd, ask)
            _, at = self.answer_write(r, True, at)
            self.assertEqual(self.read(fd), ask)


if __name__ == '__main__':
    unittest.main()
