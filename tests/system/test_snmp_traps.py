#!/usr/bin/env python3
"""snmp_trap_listener: the real runner process, and senders of ours whose every byte is known."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import snmp  # noqa: E402
from runner_host import CREDIT, Runner  # noqa: E402
from snmp import AUTH, INFORM, REPORTABLE, TRAP, V2C, Message, binding, pdu, tlv, trap_v1, trap_v2c, v3  # noqa: E402

RUNNER = os.path.join(os.environ.get('BUILD', 'build'), 'libexec/snmp')
A, B, C = '1.3.6.1.4.1.1.1.0', '1.3.6.1.4.1.1.2.0', '1.3.6.1.4.1.1.3.0'
USER = {'name': 'operator', 'authentication': {'type': 'SHA256', 'password': 'password1'}, 'privacy': None}
OPEN = {'name': 'open', 'authentication': None, 'privacy': None}
CONTEXT = {'engine_id': snmp.ENGINE.hex(), 'name': 'bay'}


def device(name, version='V2C', oids=(A, B), **more):
    key = 'context' if version == 'V3' else 'community'
    return {'version': version, key: None, 'name': name, 'oids': list(oids), 'string_hex_oids': [], **more}


def integer(v):
    return {'type': 'INTEGER', 'value': v}


class Case(unittest.TestCase):
    def start(self, devices, users=(), log_level=6, credit=1 << 30, **more):
        with snmp.bound() as s:
            self.port = s.getsockname()[1]
        conf = {'name': 'traps', 'local_host': '127.0.0.1', 'local_port': self.port, 'users': list(users),
                'remote_devices': devices, **more}
        r = Runner(RUNNER, 'snmp_trap_listener', conf, log_level=log_level, credit=credit)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        self.socket = snmp.bound()
        self.addCleanup(self.socket.close)
        self.socket.settimeout(10)
        return r

    def send(self, *datagrams):
        for d in datagrams:
            self.socket.sendto(d, ('127.0.0.1', self.port))

    def receive(self):
        return Message(self.socket.recv(70000))

    def events(self, r):
        return [(e.type.removeprefix('gateway/data/'), e.payload) for e in r.events]

    def wait_events(self, r, want):
        r.wait(lambda: len(r.events) >= len(want))
        self.assertEqual(self.events(r), want)

    def counter(self, r, name, n):
        r.wait_counters(lambda c: c.get(name, 0) == n)


class Communities(Case):
    def test_trap_of_each_version(self):
        r = self.start([device('one', 'V1'), device('two')])
        self.send(trap_v1([(A, snmp.INTEGER, b'\1')]), trap_v2c([(A, snmp.INTEGER, b'\2'), (C, snmp.INTEGER, b'\3')]))
        self.wait_events(r, [(f'one/{A}', integer(1)), (f'two/{A}', integer(2))])

    def test_those_that_name_the_community_come_first(self):
        r = self.start([device('any'), device('other', community='other'), device('mine', community='mine'),
                        device('also', community='mine', oids=[B, A])])
        self.send(trap_v2c([(B, snmp.INTEGER, b'\1'), (A, snmp.INTEGER, b'\2')], 'mine'))
        self.wait_events(r, [(f'{d}/{o}', integer(v)) for d in ('mine', 'also', 'any') for o, v in ((B, 1), (A, 2))])
        self.assertEqual(r.links, ['listening'])

    def test_inform_is_heard_and_answered(self):
        up, name = snmp.UPTIME, snmp.TRAP_OID
        r = self.start([device('d', oids=[A, up, name])])
        self.send(trap_v2c([(A, snmp.INTEGER, b'\1')]))
        self.wait_events(r, [(f'd/{A}', integer(1))])  # the first two of a trap are no events
        self.send(trap_v2c([(A, snmp.INTEGER, b'\2')], kind=INFORM, request_id=1234))
        answer = self.receive()
        self.wait_events(r, [(f'd/{A}', integer(1)), (f'd/{up}', {'type': 'TIME_TICKS', 'value': 5}),
                             (f'd/{name}', {'type': 'OBJECT_ID', 'value': '1.3.6.1.4.1.8072.2.3.0.1'}),
                             (f'd/{A}', integer(2))])
        self.assertEqual((answer.kind, answer.request_id, answer.status, len(answer.bindings)),
                         (snmp.RESPONSE, 1234, 0, 3))
        self.send(trap_v2c([], community='nobody', kind=INFORM, request_id=7))  # nobody takes it
        self.assertEqual(self.receive().request_id, 7)

    def test_types(self):
        names = [f'1.3.6.1.4.1.7.{i}' for i in range(4)]
        r = self.start([device('d', oids=names, string_hex_oids=[names[1]])])
        self.send(trap_v2c([(names[0], snmp.STRING, b'\xffa'), (names[1], snmp.STRING, b'\xffa'),
                            (names[2], snmp.IP, b'\1\2'), (names[3], snmp.COUNTER64, b'\xff' * 8)]))
        self.wait_events(r, [(f'd/{names[0]}', {'type': 'STRING', 'value': '\ufffda'}),
                             (f'd/{names[1]}', {'type': 'STRING_HEX', 'value': 'ff61'}),
                             (f'd/{names[3]}', {'type': 'BIG_COUNTER', 'value': 2**64 - 1})])
        self.counter(r, 'objects_left_out', 1)

    def test_garbage(self):
        r = self.start([device('d')])
        good = trap_v2c([(A, snmp.INTEGER, b'\1')])
        bad = [good[:i] for i in range(len(good))]
        bad += [os.urandom(100) for _ in range(50)] + [b'\x30\x80\0\0', bytes(65000)]
        bad.append(snmp.v12(V2C, pdu(TRAP, 1, [binding(A, tlv(snmp.INTEGER, b'\1'))])))
        bad.append(snmp.v12(V2C, pdu(snmp.GET, 1, [])))
        self.send(*bad)
        self.send(good)
        self.wait_events(r, [(f'd/{A}', integer(1))])
        self.counter(r, 'bad_messages', len(bad))

    def test_ipv6(self):
        with snmp.bound('::1') as s:
            port = s.getsockname()[1]
        conf = {'name': 't', 'local_host': '::1', 'local_port': port, 'users': [], 'remote_devices': [device('d')]}
        r = Runner(RUNNER, 'snmp_trap_listener', conf)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        with snmp.bound('::1') as s:
            s.settimeout(10)
            s.sendto(trap_v2c([(A, snmp.INTEGER, b'\1')], kind=INFORM), ('::1', port))
            self.assertEqual(Message(s.recv(1000)).kind, snmp.RESPONSE)
        r.wait_event(f'gateway/data/d/{A}')

    def test_port_that_is_taken(self):
        with snmp.bound() as s:
            conf = {'name': 't', 'local_host': '127.0.0.1', 'local_port': s.getsockname()[1], 'users': [],
                    'remote_devices': []}
            r = Runner(RUNNER, 'snmp_trap_listener', conf)
            self.addCleanup(r.stop)
            r.wait(lambda: r.closed)
            self.assertIn('Address already in use', r.closed)
            self.assertFalse(r.ready)


class Storms(Case):
    def test_ten_thousand_traps(self):
        """As fast as they are taken: none is lost, in order."""
        r = self.start([device('d')])
        n = 10000
        for i in range(0, n, 100):
            self.send(*(trap_v2c([(A, snmp.INTEGER, k.to_bytes(3, 'big'))]) for k in range(i, i + 100)))
            r.wait(lambda i=i: len(r.events) >= i - 100)
        r.wait(lambda: len(r.events) >= n)
        self.assertEqual([e.payload['value'] for e in r.events], list(range(n)))
        self.counter(r, 'traps', n)
        self.assertNotIn('lost_in_socket', r.counters)

    def test_without_credit_the_kernel_counts_what_it_loses(self):
        Runner.receive_buffer, usual = 4096, Runner.receive_buffer
        self.addCleanup(setattr, Runner, 'receive_buffer', usual)
        r = self.start([device('d')], credit=20000)
        trap = trap_v2c([(A, snmp.STRING, b'x' * 2000)])
        for i in range(3000):
            self.send(trap)
            if i % 50 == 0:
                time.sleep(0.001)  # a turn for the runner on a machine with one core
        n = len(r.events)
        self.assertLess(n, 3000)
        r._send(CREDIT, 0, [1 << 30])  # credit: it goes on
        r.wait(lambda: len(r.events) > n)
        self.send(trap_v2c([(B, snmp.INTEGER, b'\1')]))
        r.wait_event(f'gateway/data/d/{B}')
        r.wait_counters(lambda c: c.get('lost_in_socket', 0) + c.get('traps', 0) == 3001)
        self.assertGreater(r.counters['lost_in_socket'], 100)


class Version3(Case):
    def key(self, engine=snmp.ENGINE):
        return snmp.key('SHA256', 'password1', engine)

    def trap(self, value, user='operator', flags=AUTH, boots=1, seconds=100, engine=snmp.ENGINE, kind=TRAP,
             key=None, context=b'bay', ident=1):
        body = pdu(kind, 1, snmp.trap_bindings([(A, snmp.INTEGER, bytes([value]))]))
        return v3(body, ident, flags, engine, boots, seconds, user, 'SHA256', key or self.key(engine),
                  context=context)

    def test_traps_of_contexts(self):
        r = self.start([device('any', 'V3'), device('mine', 'V3', context=CONTEXT),
                        device('other', 'V3', context={**CONTEXT, 'name': 'other'})], [USER, OPEN])
        self.send(self.trap(1), self.trap(2, 'open', 0), self.trap(3, context=b'x', seconds=101))
        self.wait_events(r, [(f'mine/{A}', integer(1)), (f'any/{A}', integer(1)), (f'mine/{A}', integer(2)),
                             (f'any/{A}', integer(2)), (f'any/{A}', integer(3))])

    def test_who_is_not_proved_is_dropped(self):
        r = self.start([device('any', 'V3')], [USER, OPEN])
        self.send(self.trap(1, 'nobody'), self.trap(2, 'operator', 0), self.trap(3, 'open', AUTH),
                  self.trap(4, key=bytes(32)))
        self.send(self.trap(5), self.trap(6, boots=0), self.trap(7, seconds=101))
        self.wait_events(r, [(f'any/{A}', integer(5)), (f'any/{A}', integer(7))])
        for name, n in (('unknown_users', 1), ('wrong_level', 2), ('wrong_digests', 1), ('not_in_time_window', 1)):
            self.counter(r, name, n)
        r.wait(lambda: sum('is dropped' in line for line in r.log) == 5)

    def test_traps_without_time_window(self):
        r = self.start([device('any', 'V3')], [USER], time_window=False)
        self.send(self.trap(1, boots=5), self.trap(2, boots=1, seconds=1))
        self.wait_events(r, [(f'any/{A}', integer(1)), (f'any/{A}', integer(2))])
        self.assertEqual([(k, p) for k, p, _ in r.config_errors], [(0, 'time_window')])

    def test_inform_with_discovery(self):
        r = self.start([device('any', 'V3')], [USER], engine_id='800000000401')
        self.send(v3(pdu(snmp.GET, 9, []), 7, REPORTABLE, b'', 0, 0, ''))
        m = self.receive()
        self.assertEqual((m.kind, m.id, m.request_id, m.engine.hex()), (snmp.REPORT, 7, 9, '800000000401'))
        self.assertEqual(m.bindings[0][0], snmp.USM + '4.0')
        inform = dict(flags=AUTH | REPORTABLE, engine=m.engine, kind=INFORM)
        self.send(self.trap(1, boots=0, seconds=0, **inform))
        late = self.receive()
        self.assertEqual(late.bindings[0][0], snmp.USM + '2.0')
        self.assertEqual(late.flags, AUTH)
        # Boots grow from start to start, and leave room until 2087.
        self.assertAlmostEqual(late.boots, time.time() - 1577836800, delta=60)
        self.assertFalse(r.events)
        self.send(self.trap(2, boots=late.boots, seconds=late.time, **inform))
        answer = self.receive()
        self.assertEqual((answer.kind, answer.flags, answer.id), (snmp.RESPONSE, AUTH, 1))
        self.wait_events(r, [(f'any/{A}', integer(2))])

    def test_flood_of_engine_ids(self):
        r = self.start([device('any', 'V3')], [USER], log_level=4)
        for i in range(3000):
            self.send(self.trap(1, engine=b'\x80\0\0\0' + i.to_bytes(4, 'big'), key=bytes(32)))
            if i % 100 == 99:
                self.counter(r, 'wrong_digests', i + 1)
        self.send(self.trap(5))
        self.wait_events(r, [(f'any/{A}', integer(5))])


class Configuration(Case):
    def errors(self, **change):
        conf = {'name': 't', 'local_host': '::', 'local_port': 162, 'users': [USER], 'remote_devices': [
            device('a', 'V1'), device('b', 'V3', context=CONTEXT)], **change}
        r = Runner(RUNNER, 'snmp_trap_listener', conf, check_only=True)
        r.wait(lambda: r.closed)
        r.process.wait(10)
        return [path for kind, path, _ in r.config_errors if kind == 1]

    def test_errors_with_their_places(self):
        self.assertEqual(self.errors(), [])
        for change, paths in (
                ({'local_port': 0}, ['local_port']),
                ({'engine_id': '80x0'}, ['engine_id']), ({'engine_id': ''}, ['engine_id']), ({'engine_id': '8000'}, ['engine_id']),
                ({'users': [USER, USER]}, ['users[1].name']),
                ({'users': [{**OPEN, 'privacy': {'type': 'AES', 'password': 'password1'}}]}, ['users[0].privacy']),
                ({'users': [{**USER, 'name': 'x' * 33}]}, ['users[0].name']),
                ({'remote_devices': [device('a', 'V3', oids=['1.3.x'])]}, ['remote_devices[0].oids[0]']),
                ({'remote_devices': [device('a'), device('b', 'V3', context={'engine_id': 'zz', 'name': ''})]},
                 ['remote_devices[1].context.engine_id'])):
            self.assertEqual(self.errors(**change), paths, change)


if __name__ == '__main__':
    unittest.main()
