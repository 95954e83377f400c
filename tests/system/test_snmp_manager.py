#!/usr/bin/env python3
"""snmp_manager: the real runner process against agents of ours whose every answer is known."""
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
import snmp  # noqa: E402
from runner_host import Runner  # noqa: E402
from snmp import AUTH, NO_OBJECT, RESPONSE, SET, V2C, Agent, binding, pdu, tlv  # noqa: E402

RUNNER = os.path.join(os.environ.get('BUILD', 'build'), 'libexec/snmp')
A, B, C = '1.3.6.1.4.1.1.1.0', '1.3.6.1.4.1.1.2.0', '1.3.6.1.4.1.1.3.0'
USER = ('operator', 'SHA', 'password1')


def conf(port, version='V2C', **more):
    who = {'community': 'public'} if version != 'V3' else {
        'context': None, 'user': 'operator', 'privacy': None,
        'authentication': {'type': 'SHA', 'password': 'password1'}}
    return {'name': 'm', 'version': version, **who, 'remote_host': '127.0.0.1', 'remote_port': port,
            'connect_delay': 0.2, 'request_timeout': 0.2, 'request_retry_count': 1,
            'request_retry_delay': 0.05, 'polling_delay': 0.05, 'polling_oids': [A],
            'string_hex_oids': [], **more}


def read_event(data, cause='INTERROGATE', session_id=None):
    return {'session_id': session_id, 'cause': cause, 'data': data}


def error(name, *args):
    return read_event({'type': 'ERROR', 'value': name}, *args)


class Case(unittest.TestCase):
    def agent(self, *args, **kwargs):
        agent = Agent(*args, **kwargs)
        self.addCleanup(agent.stop)
        return agent

    def start(self, conf, **more):
        runner = Runner(RUNNER, 'snmp_manager', conf, **more)
        self.addCleanup(runner.stop)
        return runner

    def statuses(self, r):
        return [e.payload for e in r.events if e.type == 'gateway/status']


class Polling(Case):
    def test_every_event_in_its_order(self):
        for version in 'V1', 'V2C', 'V3':
            agent = self.agent({A: (snmp.INTEGER, b'\x07'), B: (snmp.STRING, b'abc')}, USER)
            r = self.start(conf(agent.port, version, polling_oids=[A, B]))
            r.wait_event('gateway/read/' + B)
            agent.values[A] = (snmp.INTEGER, b'\x85')
            r.wait_event('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': -123}, 'CHANGE'))
            self.assertEqual(r.stop(), 0)
            self.assertEqual([(e.type, e.payload) for e in r.events], [
                ('gateway/status', 'CONNECTING'), ('gateway/status', 'CONNECTED'),
                ('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': 7})),
                ('gateway/read/' + B, read_event({'type': 'STRING', 'value': 'abc'})),
                ('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': -123}, 'CHANGE')),
                ('gateway/status', 'DISCONNECTED')], version)
            self.assertTrue(all(len(m.bindings) == 1 for m in agent.requests()), 'one object a request')

    def test_every_type(self):
        rows = [
            (snmp.INTEGER, b'\x80\0\0\0', 'INTEGER', -2**31),
            (snmp.INTEGER, b'', 'INTEGER', 0),
            (snmp.INTEGER, b'\0\0\0\0\0\0\0\0\0\x05', 'INTEGER', 5),
            (snmp.GAUGE, b'\xff\xff\xff\xff', 'UNSIGNED', 2**32 - 1),
            (0x47, b'\x09', 'UNSIGNED', 9),
            (snmp.COUNTER, b'\0\xff\xff\xff\xff', 'COUNTER', 2**32 - 1),
            (snmp.COUNTER64, b'\0' + b'\xff' * 8, 'BIG_COUNTER', 2**64 - 1),
            (snmp.COUNTER64, b'\xff' * 8, 'BIG_COUNTER', 2**64 - 1),
            (snmp.TICKS, b'\x2a', 'TIME_TICKS', 42),
            (snmp.STRING, 'Žabac'.encode(), 'STRING', 'Žabac'),
            (snmp.STRING, b'a\xff\xe2\x82b\xf0\x9f', 'STRING',
             b'a\xff\xe2\x82b\xf0\x9f'.decode(errors='replace')),
            (snmp.OID, b'\x2b\x06\x01\x04\x01\x8f\x65', 'OBJECT_ID', '1.3.6.1.4.1.2021'),
            (snmp.IP, b'\xc0\xa8\0\1', 'IP_ADDRESS', '192.168.0.1'),
            (snmp.OPAQUE, b'\x9f\x78\x04\x42\xf6\0\0', 'ARBITRARY', '9f780442f60000'),
            (0x80, b'', 'ERROR', 'NO_SUCH_OBJECT'),
            (0x81, b'', 'ERROR', 'NO_SUCH_INSTANCE'),
            (0x82, b'', 'ERROR', 'END_OF_MIB_VIEW'),
            (0x05, b'', 'ERROR', 'UNSPECIFIED'),
            (0x49, b'\1', 'ERROR', 'GEN_ERR'),  # no type that there is
            (snmp.IP, b'\1\2\3', 'ERROR', 'GEN_ERR'),
            (snmp.COUNTER, b'\1\0\0\0\0', 'ERROR', 'GEN_ERR'),
        ]
        names = [f'1.3.6.1.4.1.7.{i}' for i in range(len(rows))]
        agent = self.agent({n: row[:2] for n, row in zip(names, rows)})
        r = self.start(conf(agent.port, polling_oids=names))
        for name, (tag, content, kind, value) in zip(names, rows):
            r.wait_event('gateway/read/' + name)
            event = next(e for e in r.events if e.type == 'gateway/read/' + name)
            self.assertEqual(event.payload, read_event({'type': kind, 'value': value}), (tag, content))

    def test_hex_and_objects_that_are_there_twice(self):
        agent = self.agent({A: (snmp.STRING, b'\x01\xfe'), B: (snmp.INTEGER, b'\1')})
        r = self.start(conf(agent.port, polling_oids=[A, B, A], string_hex_oids=[A]))
        r.wait_event('gateway/read/' + A, read_event({'type': 'STRING_HEX', 'value': '01fe'}))
        r.wait(lambda: len(agent.requests()) >= 6)
        asked = [m.bindings[0][0] for m in agent.requests()[:6]]
        self.assertEqual(asked, [A, B, A, A, B, A])
        self.assertEqual(sum(e.type == 'gateway/read/' + A for e in r.events), 1)

    def test_errors_by_name_come_once(self):
        names = ['TOO_BIG', 'NO_SUCH_NAME', 'BAD_VALUE', 'READ_ONLY', 'GEN_ERR', 'NO_ACCESS', 'WRONG_TYPE',
                 'WRONG_LENGTH', 'WRONG_ENCODING', 'WRONG_VALUE', 'NO_CREATION', 'INCONSISTENT_VALUE',
                 'RESOURCE_UNAVAILABLE', 'COMMIT_FAILED', 'UNDO_FAILED', 'AUTHORIZATION_ERROR',
                 'NOT_WRITABLE', 'INCONSISTENT_NAME']
        at = {f'1.3.6.1.4.1.8.{i}': i for i in range(1, 20)}

        def answer(agent, m, address):
            body = pdu(RESPONSE, m.request_id, [], at[m.bindings[0][0]], 1)
            return [snmp.v12(m.version, body)]
        agent = self.agent(answer=answer)
        r = self.start(conf(agent.port, polling_oids=list(at)))
        for name, i in at.items():
            r.wait_event('gateway/read/' + name, error(names[i - 1] if i < 19 else 'GEN_ERR'))
        n = len(agent.messages)
        r.wait(lambda: len(agent.messages) > n + 19)
        self.assertEqual(len(r.events), 2 + 19)

    def test_other_object_or_none_is_gen_err(self):
        def answer(agent, m, address):
            found = [] if m.bindings[0][0] == A else [binding('1.3.6.1', tlv(snmp.INTEGER, b'\1'))]
            return [snmp.v12(m.version, pdu(RESPONSE, m.request_id, found))]
        agent = self.agent(answer=answer)
        r = self.start(conf(agent.port, polling_oids=[A, B]))
        r.wait_event('gateway/read/' + A, error('GEN_ERR'))
        r.wait_event('gateway/read/' + B, error('GEN_ERR'))

    def test_security_counters_in_place_of_the_object(self):
        at = {f'1.3.6.1.4.1.8.{i}': i for i in range(2, 7)}

        def answer(agent, m, address):
            name = snmp.USM + str(at[m.bindings[0][0]])
            return [snmp.v12(m.version, pdu(RESPONSE, m.request_id, [
                binding(name + '.0', snmp.integer(1, snmp.COUNTER))]))]
        agent = self.agent(answer=answer)
        r = self.start(conf(agent.port, polling_oids=list(at)))
        for name, i in at.items():
            r.wait_event('gateway/read/' + name, error([
                'NOT_IN_TIME_WINDOWS', 'UNKNOWN_USER_NAMES', 'UNKNOWN_ENGINE_IDS', 'WRONG_DIGESTS',
                'DECRYPTION_ERRORS'][i - 2]))

    def test_security_level_that_is_not_taken_closes(self):
        def answer(agent, m, address):
            return [snmp.v12(m.version, pdu(RESPONSE, m.request_id, [
                binding(snmp.USM + '1', snmp.integer(1, snmp.COUNTER))]))]
        agent = self.agent(answer=answer)
        r = self.start(conf(agent.port, connect_delay=0.3))
        r.wait(lambda: self.statuses(r)[:4] == ['CONNECTING', 'DISCONNECTED'] * 2)
        times = [e.time for e in r.events]
        self.assertGreater(times[2] - times[1], 0.25)
        self.assertFalse([e for e in r.events if e.type != 'gateway/status'])

    def test_nothing_polled_shows_the_agent(self):
        agent = self.agent()
        r = self.start(conf(agent.port, polling_oids=[]))
        r.wait(lambda: self.statuses(r) == ['CONNECTING', 'CONNECTED'])
        self.assertEqual(agent.requests()[0].bindings, [('0.0', snmp.NULL, b'')])
        agent.silent = True
        r.wait(lambda: len(self.statuses(r)) >= 4)
        self.assertEqual(self.statuses(r)[2:4], ['DISCONNECTED', 'CONNECTING'])
        self.assertEqual({e.type for e in r.events}, {'gateway/status'})

    def test_agent_that_dies_and_returns(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')})
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        at = len(r.events)
        agent.stop()  # the port is closed: ECONNREFUSED is no answer
        n = len(agent.messages)
        r.wait_event('gateway/status', 'DISCONNECTED', after=at)
        r.wait(lambda: self.statuses(r).count('DISCONNECTED') >= 2)
        again = self.agent({A: (snmp.INTEGER, b'\1')}, port=agent.port)
        r.wait_event('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': 1}), after=at)
        self.assertEqual(len(agent.messages), n)
        self.assertTrue(again.messages)

    def test_several_objects_in_a_request(self):
        names = [f'1.3.6.1.4.1.9.{i}' for i in range(7)]
        agent = self.agent({n: (snmp.INTEGER, bytes([i])) for i, n in enumerate(names)})
        r = self.start(conf(agent.port, polling_oids=names, max_oids_per_request=3))
        r.wait_event('gateway/read/' + names[6])
        self.assertEqual([len(m.bindings) for m in agent.requests()[:3]], [3, 3, 1])
        self.assertEqual([e.type for e in r.events[2:9]], ['gateway/read/' + n for n in names])

    def test_agent_that_takes_fewer(self):
        names = [f'1.3.6.1.4.1.9.{i}' for i in range(8)]

        def answer(agent, m, address):
            if len(m.bindings) > 2:
                return [snmp.v12(m.version, pdu(RESPONSE, m.request_id, [], 1))]
            return None
        agent = self.agent({n: (snmp.INTEGER, bytes([i])) for i, n in enumerate(names)}, answer=answer)
        r = self.start(conf(agent.port, polling_oids=names, max_oids_per_request=8))
        r.wait_event('gateway/read/' + names[7])
        self.assertEqual([len(m.bindings) for m in agent.requests()[:6]], [8, 4, 2, 2, 2, 2])
        self.assertEqual([e.payload['data']['value'] for e in r.events[2:]], list(range(8)))

    def test_one_bad_object_spoils_no_other(self):
        names = [f'1.3.6.1.4.1.9.{i}' for i in range(4)]
        agent = self.agent({n: (snmp.INTEGER, bytes([i])) for i, n in enumerate(names) if i != 1})
        r = self.start(conf(agent.port, 'V1', polling_oids=names, max_oids_per_request=4))
        r.wait_event('gateway/read/' + names[3])
        self.assertEqual([e.payload['data']['value'] for e in r.events[2:]], [0, 'NO_SUCH_NAME', 2, 3])
        n = len(agent.requests())
        r.wait(lambda: len(agent.requests()) >= n + 6)
        self.assertIn([1, 1, 2], [[len(m.bindings) for m in agent.requests()[i:i + 3]]
                                  for i in range(n, n + 4)], 'it goes alone from then on')


class Timing(Case):
    def test_tries_and_pauses(self):
        agent = self.agent()
        agent.silent = True
        r = self.start(conf(agent.port, request_timeout=0.2, request_retry_count=2,
                            request_retry_delay=0.1, connect_delay=5))
        r.wait_event('gateway/status', 'DISCONNECTED')
        self.assertEqual(len(agent.messages), 3)
        self.assertEqual(len({m.request_id for m in agent.messages}), 3)
        took = r.events[-1].time - r.events[0].time
        self.assertGreater(took, 3 * 0.3 - 0.02)
        self.assertLess(took, 3 * 0.3 + 3)

    def test_late_answer_to_an_earlier_try_is_taken(self):
        late = []

        def answer(agent, m, address):
            late.append(agent.usual(m)[0])
            return [late[0]] if len(late) == 2 else []
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, answer=answer)
        r = self.start(conf(agent.port, request_retry_count=3))
        r.wait_event('gateway/read/' + A)

    def test_doubled_answers_count_once(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')},
                           answer=lambda agent, m, address: agent.usual(m) * 3)
        r = self.start(conf(agent.port))
        r.wait(lambda: len(agent.messages) > 5)
        self.assertEqual(len(r.events), 3)
        r.wait_counters(lambda c: c.get('unexpected_messages', 0) >= 10)

    def test_garbage_and_strangers(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')})
        stranger = snmp.bound()
        self.addCleanup(stranger.close)

        def answer(a, m, address):
            forged = snmp.v12(V2C, pdu(RESPONSE, m.request_id, [binding(A, tlv(snmp.INTEGER, b'\x63'))]))
            stranger.sendto(forged, address)
            return [b'', b'\x30', b'\x30\x84\xff\xff\xff\xff', bytes(100), os.urandom(200), *a.usual(m)]
        agent.answer = answer
        r = self.start(conf(agent.port))
        r.wait(lambda: len(agent.messages) > 10)
        self.assertEqual([e.payload['data']['value'] for e in r.events[2:]], [1])
        r.wait_counters(lambda c: c.get('bad_messages', 0) >= 40)

    def test_connect_delay_where_the_name_is_unknown(self):
        r = self.start(conf(1, remote_host='127.0.0.1', connect_delay=0.3), refuse=[0])
        r.wait(lambda: len(r.opens) >= 3)
        self.assertGreater(r.opens[2] - r.opens[1], 0.25)
        self.assertEqual(self.statuses(r)[:4], ['CONNECTING', 'DISCONNECTED'] * 2)


class Requests(Case):
    def test_read(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1'), B: (snmp.STRING, b'x')})
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        for session_id in 'one', 2, {'a': [None, 1.5]}, None:
            r.send('system/read/' + B, {'session_id': session_id})
            r.wait_event('gateway/read/' + B,
                         read_event({'type': 'STRING', 'value': 'x'}, 'REQUESTED', session_id))
        r.send('system/read/' + A, {'session_id': 7})
        r.wait_event('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': 1}, 'REQUESTED', 7))
        r.send('system/read/' + C, {'session_id': 8})
        r.wait_event('gateway/read/' + C, error('NO_SUCH_OBJECT', 'REQUESTED', 8))

    def test_write_of_every_type(self):
        rows = [
            ({'type': 'INTEGER', 'value': -5}, (snmp.INTEGER, b'\xfb')),
            ({'type': 'UNSIGNED', 'value': 2**32 - 1}, (snmp.GAUGE, b'\0\xff\xff\xff\xff')),
            ({'type': 'COUNTER', 'value': 5}, (snmp.COUNTER, b'\5')),
            ({'type': 'BIG_COUNTER', 'value': 2**64 - 1}, (snmp.COUNTER64, b'\0' + b'\xff' * 8)),
            ({'type': 'TIME_TICKS', 'value': 300}, (snmp.TICKS, b'\1\x2c')),
            ({'type': 'STRING', 'value': 'ž'}, (snmp.STRING, b'\xc5\xbe')),
            ({'type': 'STRING_HEX', 'value': '00 FFab'}, (snmp.STRING, b'\0\xff\xab')),
            ({'type': 'OBJECT_ID', 'value': '1.3.6'}, (snmp.OID, b'\x2b\6')),
            ({'type': 'IP_ADDRESS', 'value': '10.0.0.1'}, (snmp.IP, b'\x0a\0\0\1')),
            ({'type': 'ARBITRARY', 'value': '9f78'}, (snmp.OPAQUE, b'\x9f\x78')),
        ]
        agent = self.agent({A: (snmp.INTEGER, b'\1')})
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        for i, (data, wire) in enumerate(rows):
            r.send('system/write/' + B, {'session_id': i, 'data': data})
            r.wait_event('gateway/write/' + B, {'session_id': i, 'success': True})
            self.assertEqual(agent.values[B], wire)

    def test_write_that_the_agent_refuses(self):
        answers = {
            A: lambda m: pdu(RESPONSE, m.request_id, [], 17, 1),
            B: lambda m: pdu(RESPONSE, m.request_id, [binding(C, tlv(snmp.INTEGER, b'\1'))]),
            C: lambda m: pdu(RESPONSE, m.request_id, [binding(C, tlv(NO_OBJECT))]),
            '1.3.6.1': lambda m: pdu(RESPONSE, m.request_id, []),  # done, as the reference has it
        }
        agent = self.agent(answer=lambda a, m, _: [snmp.v12(V2C, answers[m.bindings[0][0]](m))]
                           if m.kind == SET else None)
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        for name in answers:
            r.send('system/write/' + name, {'session_id': name, 'data': {'type': 'INTEGER', 'value': 1}})
            r.wait_event('gateway/write/' + name, {'session_id': name, 'success': name == '1.3.6.1'})

    def test_nothing_asked_stays_unanswered(self):
        r = self.start(conf(1, connect_delay=60), refuse=[0])
        r.wait_event('gateway/status', 'DISCONNECTED')
        r.send('system/read/' + B, {'session_id': 1})
        r.wait_event('gateway/read/' + B, error('GEN_ERR', 'REQUESTED', 1))
        r.send('system/write/' + B, {'session_id': 2, 'data': {'type': 'INTEGER', 'value': 1}})
        r.wait_event('gateway/write/' + B, {'session_id': 2, 'success': False})

    def test_bad_requests(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')})
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        for data in ({'type': 'ERROR', 'value': 'GEN_ERR'}, {'type': 'INTEGER', 'value': 2**31}, {'type': 'INTEGER'},
                     {'type': 'UNSIGNED', 'value': -1}, {'type': 'BIG_COUNTER', 'value': 2**64},
                     {'type': 'INTEGER', 'value': 1.5}, {'type': 'STRING', 'value': 1},
                     {'type': 'STRING_HEX', 'value': '0'}, {'type': 'IP_ADDRESS', 'value': '1.2.3'},
                     {'type': 'OBJECT_ID', 'value': 'x'}, {'type': 'NONE', 'value': 1}, 5, None):
            r.send('system/write/' + B, {'session_id': repr(data), 'data': data})
            r.wait_event('gateway/write/' + B, {'session_id': repr(data), 'success': False})
        r.send('system/read/1.x', {'session_id': 9})
        r.wait_event('gateway/read/1.x', error('GEN_ERR', 'REQUESTED', 9))
        r.send_raw('system/read/' + B, '17')
        r.send_raw('system/write/' + B, '{}')
        r.send('system/other/' + B, {})
        r.send('system/read/' + B, {'session_id': 'end'})
        r.wait_event('gateway/read/' + B, error('NO_SUCH_OBJECT', 'REQUESTED', 'end'))
        self.assertFalse(agent.requests(SET))

    def test_write_is_never_repeated(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')},
                           answer=lambda a, m, _: [] if m.kind == SET else None)
        r = self.start(conf(agent.port, request_retry_count=5))
        r.wait_event('gateway/read/' + A)
        r.send('system/write/' + B, {'session_id': 1, 'data': {'type': 'INTEGER', 'value': 1}})
        r.wait_event('gateway/write/' + B, {'session_id': 1, 'success': False})
        n = len(agent.requests())
        r.wait(lambda: len(agent.requests()) > n + 10)
        self.assertEqual(len(agent.requests(SET)), 1)
        self.assertEqual(self.statuses(r), ['CONNECTING', 'CONNECTED'], 'the connection stays')

    def test_read_that_is_not_answered_closes(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')},
                           answer=lambda a, m, _: [] if m.bindings[0][0] == B else None)
        r = self.start(conf(agent.port))
        at = r.wait_event('gateway/read/' + A)
        r.send('system/read/' + B, {'session_id': 1})
        at = r.wait_event('gateway/read/' + B, error('GEN_ERR', 'REQUESTED', 1), after=at)
        self.assertEqual(len([m for m in agent.requests() if m.bindings[0][0] == B]), 2)
        r.wait_event('gateway/status', 'DISCONNECTED', after=at)
        r.wait_event('gateway/status', 'CONNECTED', after=at)

    def test_answers_of_one_object_keep_their_order(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1'), B: (snmp.INTEGER, b'\2')})
        r = self.start(conf(agent.port))
        r.wait_event('gateway/read/' + A)
        for i in range(100):
            r.send('system/read/' + B, {'session_id': i})
        r.wait_event('gateway/read/' + B, read_event({'type': 'INTEGER', 'value': 2}, 'REQUESTED', 99))
        got = [e.payload['session_id'] for e in r.events if e.type == 'gateway/read/' + B]
        self.assertEqual(got, list(range(100)))

    def test_flood_of_requests_is_bounded_and_answered(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')})
        r = self.start(conf(agent.port, request_timeout=1))
        r.wait_event('gateway/read/' + A)
        agent.silent = True
        for i in range(1500):
            r.send(f'system/read/1.3.6.1.5.{i}', {'session_id': i})
        r.wait(lambda: sum(e.type.startswith('gateway/read/1.3.6.1.5.') for e in r.events) == 1500)

    def test_what_waits_is_answered_at_the_end(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')},
                           answer=lambda a, m, _: [] if m.bindings[0][0] == B else None)
        r = self.start(conf(agent.port, request_timeout=30))
        r.wait_event('gateway/read/' + A)
        for i in range(3):
            r.send('system/write/' + B, {'session_id': i, 'data': {'type': 'INTEGER', 'value': 1}})
        r.wait(lambda: len(agent.requests(SET)) == 1)
        self.assertEqual(r.stop(), 0)
        self.assertEqual([(e.type, e.payload) for e in r.events[-4:]], [
            *(('gateway/write/' + B, {'session_id': i, 'success': False}) for i in range(3)),
            ('gateway/status', 'DISCONNECTED')])


class Version3(Case):
    def test_agent_that_restarts(self):
        """Boots that grow, that stay the same, and that fall."""
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, USER, boots=5)
        r = self.start(conf(agent.port, 'V3'))
        r.wait_event('gateway/read/' + A)
        agent.start_time -= 5000
        for i, boots in enumerate([6, 6, 2], 2):
            agent.restart(boots)
            agent.values[A] = (snmp.INTEGER, bytes([i]))
            r.wait_event('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': i}, 'CHANGE'))
            agent.start_time -= 5000
            n = len(agent.messages)
            r.wait(lambda: len(agent.messages) > n + 3)
        self.assertEqual(self.statuses(r), ['CONNECTING', 'CONNECTED'])

    def test_discovery_that_tells_no_time(self):
        def answer(agent, m, address):
            return [agent.report(m, 4, boots=0, seconds=0)] if not m.engine else None
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, USER, boots=9, answer=answer)
        agent.start_time -= 5000
        r = self.start(conf(agent.port, 'V3', request_retry_count=0, request_timeout=5))
        r.wait_event('gateway/read/' + A)
        self.assertEqual(len(agent.messages), 3)  # discovery, refused for its time, answered
        self.assertLess(r.events[-1].time - r.events[0].time, 4)

    def test_engine_that_changes(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, USER)
        r = self.start(conf(agent.port, 'V3'))
        at = r.wait_event('gateway/read/' + A)
        agent.engine = snmp.ENGINE + b'new'
        at = r.wait_event('gateway/status', 'DISCONNECTED', after=at)
        at = r.wait_event('gateway/status', 'CONNECTED', after=at)
        r.wait_event('gateway/read/' + A, read_event({'type': 'INTEGER', 'value': 1}), after=at)

    def test_wrong_password_is_an_error_with_a_name(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, ('operator', 'SHA', 'password2'))
        r = self.start(conf(agent.port, 'V3'))
        r.wait_event('gateway/read/' + A, error('WRONG_DIGESTS'))
        r.send('system/read/' + B, {'session_id': 1})
        r.wait_event('gateway/read/' + B, error('WRONG_DIGESTS', 'REQUESTED', 1))
        r.send('system/write/' + B, {'session_id': 1, 'data': {'type': 'INTEGER', 'value': 1}})
        r.wait_event('gateway/write/' + B, {'session_id': 1, 'success': False})

    def test_unknown_user(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, ('somebody', 'SHA', 'password1'))
        r = self.start(conf(agent.port, 'V3'))
        r.wait_event('gateway/read/' + A, error('UNKNOWN_USER_NAMES'))

    def test_forged_reports_close_nothing(self):
        def answer(agent, m, address):
            forged = [agent.report(m, n, boots=77, seconds=7) for n in range(1, 7)]
            return [*forged, *agent.usual(m)] if m.engine else None
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, USER, answer=answer)
        r = self.start(conf(agent.port, 'V3'))
        r.wait(lambda: len(agent.messages) > 20)
        self.assertEqual([e.payload if e.type == 'gateway/status' else e.payload['data']['value']
                          for e in r.events], ['CONNECTING', 'CONNECTED', 1])

    def test_user_without_authentication(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, ('operator', None, None))
        r = self.start(conf(agent.port, 'V3', authentication=None))
        r.wait_event('gateway/read/' + A)
        self.assertFalse(any(m.flags & AUTH for m in agent.messages))

    def test_configured_context(self):
        agent = self.agent({A: (snmp.INTEGER, b'\1')}, USER)
        r = self.start(conf(agent.port, 'V3', context={'engine_id': '80 00 00 00 fe01', 'name': 'bay'}))
        r.wait_event('gateway/read/' + A)
        self.assertEqual(agent.requests()[-1].context, b'bay')
        self.assertEqual(agent.requests()[-1].context_engine, bytes.fromhex('80000000fe01'))

    def test_no_agent(self):
        r = self.start(conf(snmp.bound().getsockname()[1], 'V3', connect_delay=0.2))
        r.wait(lambda: self.statuses(r)[:4] == ['CONNECTING', 'DISCONNECTED'] * 2)


class Configuration(Case):
    def errors(self, conf):
        r = Runner(RUNNER, 'snmp_manager', conf, check_only=True)
        r.wait(lambda: r.closed)
        r.process.wait(10)
        return [(path, text) for kind, path, text in r.config_errors if kind == 1]

    def test_errors_with_their_places(self):
        good = conf(161)
        self.assertEqual(self.errors(good), [])
        for change, path in (({'version': 'V4'}, 'version'), ({'polling_oids': ['1.3', '.1.3']}, 'polling_oids[1]'),
                             ({'string_hex_oids': ['x']}, 'string_hex_oids[0]'), ({'remote_port': 0}, 'remote_port'),
                             ({'request_timeout': 0}, 'request_timeout'), ({'request_retry_count': 1.5}, 'request_retry_count'),
                             ({'max_oids_per_request': 0}, 'max_oids_per_request')):
            self.assertEqual([p for p, _ in self.errors({**good, **change})], [path], change)
        secure = conf(161, 'V3')
        self.assertEqual(self.errors(secure), [])
        for change, path in (({'privacy': {'type': 'DES', 'password': 'x'}, 'authentication': None}, 'privacy'),
                             ({'authentication': {'type': 'SHA', 'password': ''}}, 'authentication.password'),
                             ({'authentication': {'type': 'SHA1', 'password': 'x'}}, 'authentication.type'),
                             ({'user': 'x' * 33}, 'user'),
                             ({'context': {'engine_id': '8', 'name': ''}}, 'context.engine_id'),
                             ({'context': {'engine_id': '80' * 33, 'name': ''}}, 'context.engine_id')):
            self.assertEqual([p for p, _ in self.errors({**secure, **change})], [path], change)
        del good['community']
        self.assertEqual([p for p, _ in self.errors(good)], ['community'])


if __name__ == '__main__':
    unittest.main()
