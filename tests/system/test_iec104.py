"""Behaviour of the IEC 104 devices beyond single exchanges: reconnects, buffers, many masters, limits,
time, back-pressure, and what tshark thinks of our frames."""

import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

import eventer  # noqa: E402
import runner_host  # noqa: E402
from iec104 import (  # noqa: E402
    BUILD, CP56, ROOT, STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, TESTFR_ACT, TESTFR_CON, WAIT_S,
    Gate, Peer, Station, asdu, free_port, i, master_conf, s, slave_conf, u)
from manual import commands  # noqa: E402

QUALITY = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}


def single(value, cause='SPONTANEOUS'):
    return {'is_test': False, 'cause': cause, 'data': {'value': value, 'quality': QUALITY}}


def point(address, common=1, buffer=None, kind='SINGLE'):
    return {'data_type': kind, 'asdu_address': common, 'io_address': address, 'buffer': buffer}


class Master(unittest.TestCase):

    def test_addresses_in_order(self):
        with Station() as station:
            conf = master_conf(0, remote_addresses=[
                {'host': '127.0.0.1', 'port': free_port()}, {'host': '127.0.0.1', 'port': station.port}])
            with Gate(conf) as gate:
                peer = station.accept()
                gate.wait('status', 'CONNECTED')
                self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
                peer.close()

    def test_reconnect_delay_after_failures(self):
        with Gate(master_conf(free_port(), reconnect_delay=0.3)) as gate:
            gate.server.wait(lambda: gate.statuses().count('CONNECTING') >= 3)
            times = [t for t, e in gate.server.registered
                     if e.type[-1] == 'status' and e.payload.data == 'CONNECTING']
            self.assertGreaterEqual(times[2] - times[1], 0.28)
            self.assertLess(times[2] - times[1], 1)

    def test_no_storm_from_a_peer_that_breaks_the_protocol(self):
        for bad in (b'GET / HTTP/1.0\r\n\r\n', i(5, 0, b''), b'\x68\x04\x01\x00\x0a\x00', b''):
            with self.subTest(bad), Station() as station, \
                    Gate(master_conf(station.port, reconnect_delay=0.3)) as gate:
                end = time.monotonic() + 1.5
                count = 0
                while time.monotonic() < end:
                    try:
                        peer = station.accept(max(end - time.monotonic(), 0.01))
                    except (TimeoutError, OSError):
                        break
                    count += 1
                    if bad:
                        peer.raw(bad)
                    peer.close()
                # The first reconnect comes at once, the others after the delay.
                self.assertIn(count, range(4, 8))
                self.assertLess(len(gate.text().splitlines()), 40)

    def test_time_out_of_startdt(self):
        with Station() as station, Gate(master_conf(station.port, response_timeout=0.2)) as gate:
            peer = station.accept(start=False)
            peer.expect_u(STARTDT_ACT)
            peer.expect_end()
            gate.wait_log('no STARTDT con within t1')
            gate.wait('status', 'DISCONNECTED')
            peer.close()

    def test_test_frames(self):
        with Station() as station, \
                Gate(master_conf(station.port, test_timeout=0.2, response_timeout=0.3)) as gate:
            peer = station.accept()
            peer.answer_tests = False
            for _ in range(3):
                peer.expect_u(TESTFR_ACT)
                peer.raw(u(TESTFR_CON))
            peer.expect_u(TESTFR_ACT)
            peer.expect_end()
            gate.wait_log('no TESTFR con within t1')
            peer.close()

    def test_send_window(self):
        with Station() as station, Gate(master_conf(station.port, send_window_size=3)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            for n in range(10):
                gate.system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20 + n})
            got = [peer.expect(100, 6) for _ in range(3)]
            peer.expect_silence()
            for _ in range(7):
                peer.acknowledge()
                got.append(peer.asdu())
            self.assertEqual([a.element[0] for a in got], list(range(20, 30)))
            peer.close()

    @staticmethod
    def interrogation(number):
        return {'is_test': False, 'cause': 'ACTIVATION', 'request': number}

    def test_commands_do_not_age_behind_the_window(self):
        with Station() as station, Gate(master_conf(station.port, send_window_size=1)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            for number in (20, 21, 22):
                gate.system('interrogation/1', self.interrogation(number))
            peer.expect(100, 6)
            peer.expect_silence(5.2)
            peer.acknowledge()
            gate.wait_log('did not send a message of type 100: it waited for 5')
            peer.expect_silence()
            gate.system('interrogation/1', self.interrogation(23))
            self.assertEqual(peer.asdu().element, bytes([23]))
            peer.close()

    def test_commands_do_not_age_while_the_event_server_stalls(self):
        with Station() as station:
            r = runner_host.Runner(os.path.join(BUILD, 'libexec', 'iec60870'), 'iec104_master',
                                   master_conf(station.port, send_window_size=1), credit=2000)
            self.addCleanup(r.stop)
            peer = station.accept()
            r.wait_event('gateway/status', 'CONNECTED')
            for number in (20, 21):
                r.send('system/interrogation/1', self.interrogation(number))
            peer.expect(100, 6)
            for n in range(100):  # it waits for credit then, and reads no more
                peer.raw(i(peer.vs, 0, asdu(1, 3, 1, [(n + 1, b'\1')])))
                peer.vs += 1
                if n == 0:
                    r.wait_event('gateway/data/single/1/1')
            with self.assertRaises(TimeoutError):  # it acknowledges what it took, and its clock stands
                while peer.event(0.5)[0] == 'S':
                    pass
            peer.acknowledge()
            time.sleep(5.2)
            r._send(runner_host.CREDIT, 0, [1 << 30])
            r.wait_event('gateway/data/single/1/100')
            r.wait(lambda: any('it waited for 5' in line for line in r.log))
            r.send('system/interrogation/1', self.interrogation(22))
            self.assertEqual(peer.asdu().element, bytes([22]))
            peer.close()

    def test_what_is_not_acknowledged_is_taken_back(self):
        """A connection that is given up is reset: the system has nothing left to send to the station."""
        with Station() as station, Gate(master_conf(station.port, response_timeout=0.3)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            gate.system('interrogation/1', self.interrogation(20))
            peer.expect(100, 6)
            gate.wait('status', 'DISCONNECTED')
            with self.assertRaises(ConnectionResetError):
                while peer.sock.recv(1000):
                    pass
            peer.close()

    def test_supervisory_timeout(self):
        with Station() as station, Gate(master_conf(station.port, supervisory_timeout=0.2)) as gate:
            peer = station.accept()
            peer.send(asdu(1, 3, 1, [(5, b'\1')]))
            start = time.monotonic()
            peer.expect_s(1)
            self.assertGreater(time.monotonic() - start, 0.1)
            gate.wait('data/single/1/5')
            peer.close()

    def test_clock(self):
        with Station() as station, Gate(master_conf(
                station.port, time_sync_delay=0.3, time_zone='UTC'), env={'TZ': 'Asia/Kolkata'}) as gate:
            peer = station.accept()
            times = []
            for _ in range(3):
                a = peer.expect(103, 6, common=65535, address=0)
                times.append(time.monotonic())
                now = time.gmtime()
                self.assertIn((now.tm_hour * 60 + now.tm_min - a.element[3] * 60 - a.element[2]) % 1440, (0, 1))
            self.assertGreater(times[2] - times[1], 0.25)
            gate.wait('status', 'CONNECTED')
            peer.close()

    def test_clock_when_it_leaves(self):
        """A synchronization that waits for the window has the time of its leaving."""
        with Station() as station, Gate(master_conf(
                station.port, time_sync_delay=0.2, send_window_size=1, time_zone='UTC')) as gate:
            peer = station.accept()
            peer.expect(103, 6)
            time.sleep(1)  # others wait meanwhile
            now = time.time()
            peer.acknowledge()
            a = peer.expect(103, 6)
            late = (int.from_bytes(a.element[:2], 'little') - now * 1000) % 60000
            self.assertTrue(late < 500 or late > 59500, late)
            gate.wait('status', 'CONNECTED')
            peer.close()

    def test_without_security(self):
        """hat-gateway 0.6.48 does not know the key."""
        with Station() as station:
            conf = master_conf(station.port)
            del conf['security']
            with Gate(conf) as gate:
                station.accept().close()
                gate.wait('status', 'CONNECTED')
        conf = slave_conf(free_port())
        del conf['security']
        with Gate(conf):
            pass

    def test_integers_with_a_point(self):
        with Station() as station, Gate(master_conf(station.port, send_window_size=12.0)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            gate.system('command/scaled/1/7', {'is_test': False, 'cause': 6.0, 'command': {
                'value': -8.0, 'select': False}})
            peer.expect(49, 6, element=b'\xf8\xff\0')
            gate.system('command/scaled/1/7', {'is_test': False, 'cause': 6, 'command': {
                'value': 8.5, 'select': False}})
            gate.wait_log('value: expected an integer')
            peer.close()

    def test_time_stamps_of_requests_without_a_tag(self):
        """Any will do; with a tag it must be one that the tag can say."""
        with Station() as station, Gate(master_conf(station.port)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            for s in (-5, 4000000000):
                gate.system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20},
                            eventer.Timestamp(s, 0))
                peer.expect(100, 6)
                peer.acknowledge()
                gate.system('command/scaled/1/7', {'is_test': False, 'cause': 'ACTIVATION', 'command': {
                    'value': 8, 'select': False}}, eventer.Timestamp(s, 0))
                peer.expect_silence(0.1)
            peer.close()

    def test_zone_of_the_host(self):
        with Station() as station, Gate(master_conf(station.port), env={'TZ': 'Asia/Kolkata'}) as gate:
            peer = station.accept()
            peer.send(asdu(30, 3, 1, [(5, b'\1' + CP56)]))
            stamp = gate.wait('data/single/1/5').source_timestamp
            self.assertEqual(stamp, (1699968852 - 19800, 345000))
            peer.close()

    def test_split_and_merged_frames(self):
        with Station() as station, Gate(master_conf(station.port)) as gate:
            peer = station.accept()
            stream = b''.join(i(n, 0, asdu(1, 3, 1, [(n, b'\1')])) for n in range(50))
            for n in range(0, len(stream), 7):
                peer.raw(stream[n:n + 7])
                time.sleep(0.0005)
            gate.wait('data/single/1/49')
            self.assertEqual([e.type[-1] for e in gate.find('data/single/1/?')], [str(n) for n in range(50)])
            peer.close()

    def test_back_pressure(self):
        """An Event Server that does not read stops the station, and nothing is lost or closed."""
        with Station() as station, Gate(master_conf(
                station.port, test_timeout=0.5, response_timeout=0.5, supervisory_timeout=0.2)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            counted = gate.server.count
            gate.server.stalled.set()
            peer.sock.settimeout(1)
            sent, pending = 0, b''
            body = [(n, b'\1') for n in range(40)]
            try:
                while sent < 30000:
                    pending = i(sent % 32768, 0, asdu(1, 3, 1, body))
                    sent += 1
                    done = 0
                    while done < len(pending):
                        done += peer.sock.send(pending[done:])
                    pending = b''
            except (TimeoutError, socket.timeout):
                pending = pending[done:]
            self.assertLess(sent, 30000)
            time.sleep(1.5)
            gate.server.counting = True
            gate.server.stalled.clear()
            peer.sock.settimeout(WAIT_S)
            peer.sock.sendall(pending)
            gate.server.wait(lambda: gate.server.count - counted >= sent * 40)
            gate.server.counting = False
            self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
            peer.close()

    def test_restart_after_a_crash(self):
        with Station() as station, Gate(master_conf(station.port)) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            mark = gate.mark()
            os.kill(gate.runners()[0], 9)
            again = station.accept()
            gate.wait('running', False, mark)
            gate.wait('status', 'CONNECTED', mark)
            peer.close()
            again.close()


class Trace(unittest.TestCase):

    def test_a_busy_station(self):
        """A trace does not end it."""
        count = 100000
        with Station() as station, Gate(master_conf(station.port)) as gate, tempfile.TemporaryFile() as out:
            trace = subprocess.Popen([os.path.join(BUILD, 'gatewayctl'), 'trace', 'm1'], stdout=out,
                                     env={**os.environ, 'RUNTIME_DIRECTORY': gate.dir})
            self.addCleanup(trace.wait)
            self.addCleanup(trace.kill)
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            while os.fstat(out.fileno()).st_size == 0:  # until it is traced
                peer.raw(u(TESTFR_ACT))
                peer.expect_u(TESTFR_CON)
            gate.server.counting, counted = True, gate.server.count
            peer.raw(b''.join(i(n % 32768, 0, asdu(1, 3, 1, [(1, b'\1')])) for n in range(count)))
            gate.server.wait(lambda: gate.server.count - counted >= count, 3 * WAIT_S)
            gate.server.counting = False
            self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
            peer.close()


class Slave(unittest.TestCase):

    def gate(self, data, presets=(), **more):
        self.port = free_port()
        return Gate(slave_conf(self.port, data, **more), presets)

    def test_states_of_many_megabytes(self):
        """More than may wait for a runner that does not read: it asked for them."""
        states = [(f'system/data/single/1/{n}', {'text': 'x' * 20000}, None) for n in range(400)]
        with self.gate([point(0)], states) as gate:
            self.assertEqual([e.payload.data for e in gate.find('running')], [False, True])
            self.assertNotIn('does not read its socket', gate.text())

    def connect(self, start=True):
        peer = Peer(socket.create_connection(('127.0.0.1', self.port), WAIT_S))
        if start:
            peer.startdt()
        return peer

    def connections(self, gate):
        found = gate.find('connections')
        return found[-1].payload.data if found else None

    def end(self, gate, peer):
        """Closes it and waits until the slave has said so."""
        port = peer.sock.getsockname()[1]
        peer.close()

        def seen():
            lists = [[r['remote']['port'] for r in e.payload.data] for e in gate.find('connections')]
            return any(port in ports for ports in lists) and port not in lists[-1]

        gate.server.wait(seen)

    def test_an_acknowledgement_that_is_there_came_in_time(self):
        """Whatever the runner did not do in the meantime."""
        with self.gate([point(1)], response_timeout=0.5) as gate:
            peer = self.connect()
            (runner,) = gate.runners()
            for n in range(3):
                gate.system('data/single/1/1', single('OFF' if n % 2 else 'ON'))
                self.assertEqual(peer.expect(1, 3).element[0], 1 - n % 2)
                os.kill(runner, signal.SIGSTOP)
                peer.acknowledge()
                time.sleep(1)  # twice what it waits for
                os.kill(runner, signal.SIGCONT)
            peer.close()

    def test_connections_event(self):
        with self.gate([]) as gate:
            gate.server.wait(lambda: self.connections(gate) == [])
            a, b = self.connect(), self.connect()
            rows = gate.server.wait(lambda: len(self.connections(gate)) == 2 and self.connections(gate))
            self.assertEqual(sorted(r['remote']['port'] for r in rows),
                             sorted(p.sock.getsockname()[1] for p in (a, b)))
            self.assertEqual({r['local']['port'] for r in rows}, {self.port})
            self.assertEqual({r['local']['host'] for r in rows}, {'127.0.0.1'})
            a.close()
            gate.server.wait(lambda: len(self.connections(gate)) == 1)
            b.close()
            gate.server.wait(lambda: self.connections(gate) == [])

    def test_max_connections(self):
        with self.gate([], max_connections=1) as gate:
            a = self.connect()
            b = self.connect(start=False)
            b.expect_end()
            b.close()
            self.end(gate, a)
            self.connect().close()

    def test_bound_of_connections(self):
        with self.gate([]) as gate:
            peers = [self.connect() for _ in range(200)]
            more = self.connect(start=False)
            more.expect_end()
            gate.wait_log('max_connections is reached')
            gate.server.wait(lambda: len(self.connections(gate)) == 200)
            for peer in peers:
                peer.close()
            gate.server.wait(lambda: self.connections(gate) == [])
            self.connect().close()

    def test_masters_that_come_and_go(self):
        with self.gate([]) as gate:
            pid = gate.runners()
            for _ in range(500):
                self.connect(start=False).close()
            last = self.connect()
            port = last.sock.getsockname()[1]
            gate.server.wait(lambda: [r['remote']['port'] for r in self.connections(gate)] == [port])
            self.assertLess(len(gate.find('connections')), 200)
            self.assertEqual(gate.runners(), pid)
            last.close()

    def test_remote_hosts(self):
        with self.gate([], remote_hosts=['127.0.0.2']):
            peer = self.connect(start=False)
            peer.expect_end()
            peer.close()
            sock = socket.create_connection(('127.0.0.1', self.port), WAIT_S, ('127.0.0.2', 0))
            peer = Peer(sock)
            peer.startdt()
            peer.close()

    def test_changes_reach_every_master_in_order(self):
        with self.gate([point(n) for n in range(20)]) as gate:
            peers = [self.connect() for _ in range(5)]
            for turn in range(20):
                for n in range(20):
                    gate.system(f'data/single/1/{n}', single('ON' if turn % 2 else 'OFF'))
            for peer in peers:
                got = []
                while len(got) < 400:
                    got.append(peer.asdu(ack=True))
                self.assertEqual([a.address for a in got], list(range(20)) * 20)
                self.assertEqual([a.element[0] for a in got], [t % 2 for t in range(20) for _ in range(20)])
                peer.close()

    def test_time_tags(self):
        with self.gate([point(1)]) as gate:
            peer = self.connect()
            gate.system('data/single/1/1', single('ON'), eventer.Timestamp(1700000000, 123456))
            a = peer.expect(30, 3, address=1)
            self.assertEqual(len(a.element), 8)
            peer.close()

    def buffered(self, size=10):
        return self.gate([point(n, buffer='b') for n in range(4)],
                         presets=[('system/data/single/1/0', single('ON'), None)],
                         buffers=[{'name': 'b', 'size': size}])

    def test_buffer_keeps_changes_for_the_next_master(self):
        with self.buffered() as gate:
            for n in range(3):
                gate.system(f'data/single/1/{n}', single('ON'))
            time.sleep(0.2)
            peer = self.connect()
            got = [peer.expect(1, 3).address for _ in range(3)]
            self.assertEqual(got, [0, 1, 2])
            peer.expect_silence(0.1)
            self.end(gate, peer)  # nothing was acknowledged
            peer = self.connect()
            self.assertEqual([peer.expect(1, 3).address for _ in range(3)], [0, 1, 2])
            peer.raw(s(2))  # the first two were
            peer.raw(u(TESTFR_ACT))
            peer.expect_u(TESTFR_CON)
            self.end(gate, peer)
            peer = self.connect()
            self.assertEqual(peer.expect(1, 3).address, 2)
            peer.acknowledge()
            peer.expect_silence(0.1)
            peer.close()

    def test_acknowledged_at_the_last_moment(self):
        """What is acknowledged is not given again, whatever follows at once."""
        for what in (b'no frame', u(STOPDT_ACT) + u(STARTDT_ACT)):
            with self.subTest(what), self.buffered() as gate:
                for n in range(3):
                    gate.system(f'data/single/1/{n}', single('ON'))
                peer = self.connect()
                self.assertEqual([peer.expect(1, 3).address for _ in range(3)], [0, 1, 2])
                peer.raw(s(3) + what)
                if what[0] == 0x68:
                    peer.expect_u(STOPDT_CON)
                    peer.expect_u(STARTDT_CON)
                else:
                    peer.expect_end()
                    peer.close()
                    peer = self.connect()
                gate.system('data/single/1/3', single('ON'))
                self.assertEqual(peer.expect(1, 3).address, 3)
                peer.close()

    def test_buffer_forgets_the_oldest(self):
        with self.buffered(size=3) as gate:
            for turn in range(5):
                gate.system(f'data/single/1/{turn % 4}', single('ON' if turn % 2 else 'OFF'))
            time.sleep(0.2)
            peer = self.connect()
            self.assertEqual([peer.expect(1, 3).address for _ in range(3)], [2, 3, 0])
            peer.expect_silence(0.1)
            peer.close()

    def test_buffer_larger_than_the_window(self):
        with self.buffered(size=1000) as gate:
            for n in range(500):
                gate.system(f'data/single/1/{n % 4}', single('ON' if n % 8 < 4 else 'OFF'))
            time.sleep(0.3)
            peer = self.connect()
            got = []
            while len(got) < 12:
                got.append(peer.asdu())
            peer.expect_silence(0.1)  # k
            gate.system('data/single/1/3', single('ON', 'REMOTE_COMMAND'))
            while len(got) < 501:
                peer.acknowledge()
                got.append(peer.asdu())
            self.assertEqual([a.address for a in got[:500]], [n % 4 for n in range(500)])
            self.assertEqual(got[500].cause, 11)
            peer.acknowledge()
            peer.close()

    def test_stopdt_stops_changes(self):
        with self.buffered() as gate:
            peer = self.connect()
            peer.raw(u(STOPDT_ACT))
            peer.expect_u(STOPDT_CON)
            gate.system('data/single/1/1', single('ON'))
            peer.expect_silence(0.2)
            peer.startdt()
            self.assertEqual(peer.expect(1, 3).address, 1)
            peer.acknowledge()
            peer.close()

    def test_startdt_while_stopdt_waits(self):
        """The transfer goes on: nothing comes twice, nothing is lost."""
        with self.buffered() as gate:
            peer = self.connect()
            for n in range(3):
                gate.system(f'data/single/1/{n}', single('ON'))
            self.assertEqual([peer.expect(1, 3).address for _ in range(3)], [0, 1, 2])
            peer.raw(u(STOPDT_ACT))  # not confirmed before the data are
            # An event may overtake what a socket still holds: the answer to this one says that it does not.
            peer.raw(u(TESTFR_ACT))
            peer.expect_u(TESTFR_CON)
            gate.system('data/single/1/3', single('ON'))
            peer.expect_silence(0.2)
            peer.raw(u(STARTDT_ACT))
            peer.expect_u(STARTDT_CON)
            self.assertEqual(peer.expect(1, 3).address, 3)
            peer.acknowledge()
            peer.expect_silence(0.2)
            peer.close()
            self.connections(gate)
            peer = self.connect()
            gate.system('data/single/1/2', single('OFF'))
            self.assertEqual(peer.expect(1, 3).address, 2)
            peer.acknowledge()
            peer.close()

    def test_interrogation_of_thousands_of_common_addresses(self):
        """Ten times as many take ten times as long, not a hundred times."""
        def cpu(count):
            data = [point(1, common=n) for n in range(count)]
            with self.gate(data, send_window_size=32767) as gate:
                peer = self.connect()
                with open(f'/proc/{gate.runners()[0]}/schedstat', encoding='ascii') as f:
                    start = int(f.read().split()[0])
                peer.send(asdu(100, 6, 65535, [(0, b'\x14')]))
                for n in range(2 * count):
                    a = peer.asdu(ack=n % 1000 == 999)
                    self.assertEqual((a.type, a.common, a.cause), (100, n // 2, 10 if n % 2 else 7))
                with open(f'/proc/{gate.runners()[0]}/schedstat', encoding='ascii') as f:
                    end = int(f.read().split()[0])
                peer.close()
            return end - start
        few, many = cpu(2000), cpu(20000)
        self.assertLess(many, 40 * few)

    def test_large_interrogation(self):
        data = [point(n, kind='SCALED') for n in range(10000)]
        presets = [(f'system/data/scaled/1/{n}', {
            'is_test': False, 'cause': 'SPONTANEOUS',
            'data': {'value': n % 1000, 'quality': {**QUALITY, 'overflow': False}}}, None)
            for n in range(10000)]
        with self.gate(data, presets):
            peer = self.connect()
            peer.send(asdu(100, 6, 1, [(0, b'\x14')]))
            peer.expect(100, 7)
            seen = 0
            while True:
                a = peer.asdu(ack=True)
                if a.type == 100:
                    break
                self.assertEqual((a.type, a.cause), (11, 20))
                seen += a.count
            self.assertEqual((a.cause, seen), (10, 10000))
            peer.close()

    def test_a_master_that_never_reads(self):
        """It is closed after t1 at the latest; the others get their data meanwhile."""
        with self.gate([point(1)], response_timeout=1) as gate:
            lazy, peer = self.connect(), self.connect()
            for n in range(100):
                gate.system('data/single/1/1', single('ON' if n % 2 else 'OFF'))
                peer.asdu(ack=True)
            gate.wait_log('no acknowledgement within t1')
            gate.server.wait(lambda: len(self.connections(gate)) == 1)
            lazy.close()
            peer.close()

    def test_port_in_use_is_said(self):
        port = free_port()
        with socket.create_server(('127.0.0.1', port)):
            with Gate(slave_conf(port), enable=False) as gate:
                gate.server.preset(gate.prefix + ('system', 'enable'), eventer.Json(True))
                gate.server.notify([gate.server.event(gate.prefix + ('system', 'enable'), eventer.Json(True))])
                gate.wait_log('Address already in use')


class Backlog(unittest.TestCase):
    """A slave whose master comes when more changes wait than go out at once."""

    VALUES = 200  # of the changes, one after the other; as many go into a message

    def change(self, value):
        return [['system', 'data', 'floating', '1', '1'], [0, 0], [1700000000, 0], json.dumps({
            'is_test': False, 'cause': 'SPONTANEOUS',
            'data': {'value': value, 'quality': {**QUALITY, 'overflow': False}}})]

    def slave(self, count, window):
        self.port = free_port()
        r = runner_host.Runner(os.path.join(BUILD, 'libexec', 'iec60870'), 'iec104_slave', slave_conf(
            self.port, [point(1, buffer='b', kind='FLOATING')], buffers=[{'name': 'b', 'size': count}],
            send_window_size=window))
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        r.send_events([self.change(n) for n in range(self.VALUES)], count // self.VALUES)
        r.send('system/data/single/1/1', {})  # refused: everything before was taken
        r.wait(lambda: any('refused' in line for line in r.log), 60)
        return r

    def run_backlog(self, count, window):
        """All come in their order, then one that is new."""
        r = self.slave(count, window)
        expected = [n % self.VALUES for n in range(count)] + [-1]
        one = struct.Struct('<15xf8x')  # APCI, head and address; quality and time
        with socket.create_connection(('127.0.0.1', self.port), WAIT_S) as sock:
            sock.sendall(u(STARTDT_ACT))
            self.assertEqual(sock.recv(6, socket.MSG_WAITALL), u(STARTDT_CON))
            r.send_events([self.change(-1)])
            data, told = bytearray(), 0
            while len(data) < len(expected) * one.size:
                piece = sock.recv(1 << 16)
                self.assertTrue(piece, 'ended by the slave')
                data += piece
                if len(data) // one.size - told >= window // 2:
                    told = len(data) // one.size
                    sock.sendall(s(told % 32768))
        self.assertEqual([v for v, in one.iter_unpack(data)], expected)

    def test_more_than_the_socket_takes(self):
        self.run_backlog(20000, 32767)

    def test_more_than_the_queue_takes(self):
        self.run_backlog(400000, 2000)


class Memory(unittest.TestCase):

    def test_masters_that_ask_and_do_not_read(self):
        """If memory is short for what waits for one of them, that one is ended; the others get theirs."""
        points, asked = 1000, 1200
        port = free_port()
        quality = {**QUALITY, 'overflow': False}
        r = runner_host.Runner(os.path.join(BUILD, 'libexec', 'iec60870'), 'iec104_slave', slave_conf(
            port, [point(n, kind='SCALED') for n in range(points)], response_timeout=100), memory=1 << 25)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        for start in range(0, points, 200):
            r.send_events([[['system', 'data', 'scaled', '1', str(n)], [0, 0], None, json.dumps({
                'is_test': False, 'cause': 'SPONTANEOUS', 'data': {'value': n, 'quality': quality}})]
                for n in range(start, start + 200)])
        peers = []
        for n in range(4):
            peers.append(Peer(socket.create_connection(('127.0.0.1', port), WAIT_S)))
            self.addCleanup(peers[-1].close)
            peers[-1].startdt()
            peers[-1].raw(b''.join(i(n, 0, asdu(100, 6, 1, [(0, b'\x14')])) for n in range(asked)))
            peers[-1].sock.recv(6, socket.MSG_PEEK)  # it was served, or ended
        whole = 0
        for peer in peers:
            ends = 0
            try:
                while ends < asked:
                    a = peer.asdu()
                    self.assertIn((a.type, a.cause), ((100, 7), (11, 20), (100, 10)))
                    ends += a.cause == 10
                    if peer.vr % 8 == 0:
                        peer.acknowledge()
            except (EOFError, ConnectionError):
                continue
            whole += 1
        self.assertGreater(whole, 0)
        self.assertIsNone(r.process.poll())


class Hostile(unittest.TestCase):
    """Valid streams with octets changed, cut, repeated: no runner dies of them, and it serves on."""

    def mutated(self, rng, frames):
        data = bytearray(b''.join(frames))
        for _ in range(rng.randrange(4)):
            kind, at = rng.randrange(4), rng.randrange(len(data))
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at:at + rng.randrange(1, 20)]
            elif kind == 2:
                data[at:at] = data[at // 2:at // 2 + rng.randrange(1, 300)]
            else:
                data[at:at] = rng.randbytes(rng.randrange(1, 30))
            if not data:
                break
        return bytes(data)

    def bodies(self, rng):
        """ASDUs of all types, most of them well formed."""
        for type_id in rng.sample(range(128), 40):
            count = rng.randrange(1, 4)
            sq = rng.random() < 0.2
            objects = [(rng.randrange(1 << 24), rng.randbytes(rng.randrange(16))) for _ in range(count)]
            yield asdu(type_id, rng.randrange(64), rng.choice((1, 2, 65535)), objects, sq=sq,
                       test=rng.random() < 0.1)

    def test_slave(self):
        rng = random.Random(104)
        port = free_port()
        with Gate(slave_conf(port, [point(n) for n in range(5)])) as gate:
            pid = gate.runners()
            for _ in range(150):
                frames = [u(STARTDT_ACT)] + [i(n, 0, b) for n, b in enumerate(self.bodies(rng))]
                with socket.create_connection(('127.0.0.1', port), WAIT_S) as sock:
                    try:
                        sock.sendall(self.mutated(rng, frames))
                        sock.shutdown(socket.SHUT_WR)
                        sock.settimeout(WAIT_S)
                        while sock.recv(65536):
                            pass
                    except (ConnectionError, BrokenPipeError):
                        pass
            self.assertEqual(gate.runners(), pid)
            peer = Peer(socket.create_connection(('127.0.0.1', port), WAIT_S))
            peer.startdt()
            peer.close()

    def test_master(self):
        rng = random.Random(104)
        with Station() as station, Gate(master_conf(station.port, reconnect_delay=0)) as gate:
            pid = gate.runners()
            for _ in range(20):
                peer = station.accept()
                frames = [i(n, 0, b) for n, b in enumerate(self.bodies(rng))]
                try:
                    peer.raw(self.mutated(rng, frames))
                    peer.sock.shutdown(socket.SHUT_WR)
                    peer.sock.settimeout(WAIT_S)
                    while peer.sock.recv(65536):
                        pass
                except (ConnectionError, BrokenPipeError):
                    pass
                peer.close()
            self.assertEqual(gate.runners(), pid)
            peer = station.accept()
            peer.send(asdu(1, 3, 1, [(7, b'\1')]))
            gate.wait('data/single/1/7')
            peer.close()


class Manual(unittest.TestCase):

    def test_examples_do_what_they_say(self):
        shown = commands('gateway-iec104.7')
        self.assertEqual(len(shown), 3)
        with Station() as station, Gate(master_conf(station.port, name='sub7'), enable=False) as gate:
            shell = f'gatewayctl() {{ "{BUILD}/gatewayctl" --socket "{gate.dir}/control" "$@"; }}\n'
            gate.server.wait(lambda: gate.find('running'))
            for n, command in enumerate(shown):
                done = subprocess.run(['sh', '-c', shell + command], capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ''), command)
                # The fake Event Server tells nobody what it was told; it is told to now.
                gate.server.notify(gate.server.wait(
                    lambda: [e for _, e in gate.server.registered if e.type[3] == 'system'][n:n + 1]))
                if n == 0:
                    peer = station.accept()
                    gate.wait('status', 'CONNECTED')
            peer.expect(100, 6, common=1, element=b'\x14')
            a = peer.expect(59, 6, common=1, address=100)
            self.assertEqual(a.element[0], 2)
            peer.close()


@unittest.skipUnless(shutil.which('tshark') and shutil.which('text2pcap'), 'tshark is not there')
class Dissector(unittest.TestCase):
    """Everything that both devices send, through tshark's iec60870_104 dissector."""

    def dissect(self, streams):
        folder = tempfile.mkdtemp()
        try:
            text, pcap = os.path.join(folder, 'text'), os.path.join(folder, 'pcap')
            with open(text, 'w', encoding='ascii') as f:
                for data in streams:
                    f.write('000000 ' + ' '.join(f'{b:02x}' for b in data) + '\n\n')
            subprocess.run(['text2pcap', '-q', '-T', '40000,2404', text, pcap], check=True, capture_output=True)
            out = subprocess.run(
                ['tshark', '-r', pcap, '-T', 'fields', '-e', '_ws.malformed', '-e', 'iec60870_asdu.typeid',
                 '-e', '_ws.expert.message'], check=True, capture_output=True, text=True).stdout
            return [line.split('\t') for line in out.splitlines()]
        finally:
            shutil.rmtree(folder)

    def test_no_malformed_packet_of_the_master(self):
        commands = {'single': 'ON', 'double': 'OFF', 'regulating': 'HIGHER', 'normalized': -0.5,
                    'scaled': 7, 'floating': 0.1, 'bitstring': [1, 2, 3, 4]}
        frames = []
        with Station() as station, Gate(master_conf(station.port, time_sync_delay=60)) as gate:
            peer = station.accept()
            frames.append(i(0, 0, peer.expect(103, 6).data))
            for kind, value in commands.items():
                body = {'value': value, 'select': True, 'qualifier': 1}
                for key in {'bitstring': ('select', 'qualifier')}.get(
                        kind, () if isinstance(value, str) else ('qualifier',)):
                    del body[key]
                for stamp in (None, eventer.Timestamp(1700000000, 0)):
                    gate.system(f'command/{kind}/1/9', {'is_test': False, 'cause': 'ACTIVATION',
                                                       'command': body}, stamp)
                    frames.append(i(0, 0, peer.asdu(ack=True).data))
            request = {'is_test': True, 'cause': 'ACTIVATION', 'request': 5}
            gate.system('interrogation/1', request)
            frames.append(i(0, 0, peer.asdu(ack=True).data))
            gate.system('counter_interrogation/1', {**request, 'freeze': 'RESET'})
            frames.append(i(0, 0, peer.asdu(ack=True).data))
            peer.close()
        rows = self.dissect(frames)
        self.assertEqual([r for r in rows if r[0]], [])
        self.assertEqual([int(r[1]) for r in rows], [
            103, 45, 58, 46, 59, 47, 60, 48, 61, 49, 62, 50, 63, 51, 64, 100, 101])

    def test_no_malformed_packet_of_the_slave(self):
        kinds = {
            'single': ('ON', QUALITY), 'double': ('OFF', QUALITY),
            'step_position': ({'value': -3, 'transient': True}, {**QUALITY, 'overflow': False}),
            'bitstring': ([1, 2, 3, 4], {**QUALITY, 'overflow': True}),
            'normalized': (0.5, {**QUALITY, 'overflow': False}),
            'scaled': (-5, {**QUALITY, 'overflow': False}),
            'floating': (1.5, {**QUALITY, 'overflow': False}),
            'binary_counter': (9, {'invalid': False, 'adjusted': True, 'overflow': False, 'sequence': 2}),
            'protection': ('ON', {**QUALITY, 'time_invalid': False}),
            'protection_start': ({k: True for k in ('general', 'l1', 'l2', 'l3', 'ie', 'reverse')},
                                 {**QUALITY, 'time_invalid': True}),
            'protection_command': ({k: True for k in ('general', 'l1', 'l2', 'l3')},
                                   {**QUALITY, 'time_invalid': False}),
            'status': ({'value': [True] * 16, 'change': [False] * 16}, {**QUALITY, 'overflow': False})}
        elapsed = {'protection': 'elapsed_time', 'protection_start': 'duration_time',
                   'protection_command': 'operating_time'}
        port = free_port()
        frames, types = [], set()
        with Gate(slave_conf(port, [point(n, kind=k.upper()) for n, k in enumerate(kinds)])) as gate:
            peer = Peer(socket.create_connection(('127.0.0.1', port), WAIT_S))
            peer.startdt()
            for n, (kind, (value, quality)) in enumerate(kinds.items()):
                data = {'value': value, 'quality': quality}
                if kind in elapsed:
                    data[elapsed[kind]] = 1234
                for stamp in (None, eventer.Timestamp(1700000000, 0)):
                    if (stamp is None and kind in elapsed) or (kind == 'status' and stamp):
                        continue
                    gate.system(f'data/{kind}/1/{n}', {'is_test': False, 'cause': 'SPONTANEOUS',
                                                      'data': data}, stamp)
                    a = peer.asdu(ack=True)
                    types.add(a.type)
                    frames.append(i(0, 0, a.data))
            peer.send(asdu(100, 6, 1, [(0, b'\x14')]))
            while True:
                a = peer.asdu(ack=True)
                frames.append(i(0, 0, a.data))
                if (a.type, a.cause) == (100, 10):
                    break
            peer.close()
        rows = self.dissect(frames)
        self.assertEqual(len(rows), len(frames))
        self.assertEqual([r for r in rows if r[0]], [])
        self.assertGreaterEqual({int(r[1].split(',')[0]) for r in rows}, types)
        self.assertEqual(len(types), 20)


if __name__ == '__main__':
    unittest.main()
