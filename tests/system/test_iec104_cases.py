"""Sequences of frames and causes of IEC 60870-5-104, each a row of a table, against iec104_slave and
iec104_master of a running gatewayd."""

import os
import struct
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

import eventer  # noqa: E402
from iec104 import (  # noqa: E402
    CP56, STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, TESTFR_ACT, TESTFR_CON, WAIT_S,
    Gate, Peer, Station, asdu, free_port, i, master_conf, s, slave_conf, u)

import socket  # noqa: E402

(SPONTANEOUS, REQUEST, ACT, ACT_CON, DEACT, DEACT_CON, ACT_TERM) = (3, 5, 6, 7, 8, 9, 10)
STATION, COUNTER = 20, 37
TYPE, CAUSE, COMMON, ADDRESS = 44, 45, 46, 47  # what is unknown
QUALITY = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}


# Steps of a case: functions of a context.

def send(type_id, cause, common, address, element, **more):
    return lambda c: c.peer.send(asdu(type_id, cause, common, [(address, element)], **more))


def expect(type_id, cause, negative=False, **more):
    return lambda c: c.peer.expect(type_id, cause, negative, **more)


def mirrored(cause, negative=True):
    """The request of the step before comes back with that cause."""
    def run(c):
        a = c.peer.asdu()
        assert (a.cause, a.negative) == (cause, negative), a
        sent = c.sent
        assert a.data[:2] == sent[:2] and a.data[3:] == sent[3:], (a.data.hex(), sent.hex())
    return run


def raw(data):
    return lambda c: c.peer.raw(data)


def control(function):
    return lambda c: c.peer.expect_u(function)


def quiet(c):
    c.peer.expect_silence(0.15)


def ended(c):
    c.peer.expect_end()


def acknowledge(c):
    c.peer.acknowledge()


def system(suffix, payload, stamp=None):
    def run(c):
        if 'connection_id' in payload:
            payload['connection_id'] = c.connection
        c.gate.system(suffix, payload, stamp)
    return run


def event(suffix, **members):
    """An event of that type was registered since the case began, with these members."""
    def run(c):
        found = c.gate.wait(suffix, start=c.mark).payload.data
        for key, value in members.items():
            assert found[key] == value, (key, found)
    return run


def stamped(suffix, expected):
    """The event has a source timestamp, or none."""
    def run(c):
        found = c.gate.wait(suffix, start=c.mark)
        assert (found.source_timestamp is not None) == expected, found
    return run


def no_event(suffix):
    def run(c):
        time.sleep(0.15)
        assert not c.gate.find(suffix, c.mark)
    return run


def command(kind, address, cause, value, **more):
    body = {'value': value, 'select': more.pop('select', False), 'qualifier': more.pop('qualifier', 0)}
    if kind not in ('single', 'double', 'regulating'):
        del body['qualifier']
    if kind == 'bitstring':
        del body['select']
    return system(f'command/{kind}/1/{address}',
                  {'is_test': False, 'cause': cause, 'command': body, **more})


def respond(kind, address, cause, value, negative=False, **more):
    return command(kind, address, cause, value, is_negative_confirm=negative, connection_id=0, **more)


class Recorder(Peer):
    """Remembers the last ASDU that was sent."""

    sent = b''

    def send(self, body):
        self.sent = body
        super().send(body)


class Context:

    def __init__(self, gate, peer, connection=None):
        self.gate, self.peer, self.connection = gate, peer, connection
        self.mark = gate.mark()

    @property
    def sent(self):
        return self.peer.sent


START = [raw(u(STARTDT_ACT)), control(STARTDT_CON)]

SLAVE_CASES = {
    'STARTDT, STOPDT and again': START + [
        raw(u(STOPDT_ACT)), control(STOPDT_CON)] + START,
    'TESTFR before STARTDT': [raw(u(TESTFR_ACT)), control(TESTFR_CON)],
    'an I frame before STARTDT ends it': [send(100, ACT, 1, 0, b'\x14'), ended],
    'STOPDT waits for acknowledgements': START + [
        send(100, ACT, 2, 0, b'\x14'), expect(100, ACT_CON), expect(1, STATION),
        expect(100, ACT_TERM), raw(u(STOPDT_ACT)),
        quiet, acknowledge, control(STOPDT_CON)],
    'general interrogation': START + [
        send(100, ACT, 1, 0, b'\x14'), expect(100, ACT_CON, common=1, element=b'\x14'),
        expect(1, STATION, count=2, address=10), expect(13, STATION, address=20),
        expect(100, ACT_TERM, element=b'\x14')],
    'group interrogation': START + [
        send(100, ACT, 2, 0, b'\x15'), expect(100, ACT_CON), expect(1, STATION + 1),
        expect(100, ACT_TERM, element=b'\x15')],
    'interrogation of all common addresses': START + [
        send(100, ACT, 65535, 0, b'\x14'),
        expect(100, ACT_CON, common=1), expect(1, STATION), expect(13, STATION),
        expect(100, ACT_TERM, common=1),
        expect(100, ACT_CON, common=2), expect(1, STATION), expect(100, ACT_TERM, common=2)],
    'interrogation as a test': START + [
        send(100, ACT, 2, 0, b'\x14', test=True, originator=9),
        expect(100, ACT_CON, test=True, originator=9), expect(1, STATION, test=True, originator=9),
        expect(100, ACT_TERM, test=True)],
    'interrogation of an unknown common address': START + [
        send(100, ACT, 77, 0, b'\x14'), mirrored(ADDRESS - 1)],
    'interrogation is not deactivated': START + [
        send(100, DEACT, 1, 0, b'\x14'), mirrored(DEACT_CON)],
    'interrogation with a wrong cause': START + [
        send(100, SPONTANEOUS, 1, 0, b'\x14'), mirrored(CAUSE)],
    'counter interrogation': START + [
        send(101, ACT, 1, 0, b'\x05'), expect(101, ACT_CON), expect(15, COUNTER, address=30),
        expect(101, ACT_TERM, element=b'\x05')],
    'counter group 2': START + [
        send(101, ACT, 1, 0, b'\x02'), expect(101, ACT_CON), expect(15, COUNTER + 2),
        expect(101, ACT_TERM)],
    'read is answered without confirmation': START + [
        send(102, REQUEST, 1, 11, b''), expect(1, REQUEST, address=11, count=1), quiet],
    'read of an unknown object': START + [
        send(102, REQUEST, 1, 999, b''), mirrored(ADDRESS)],
    'read of an unknown common address': START + [
        send(102, REQUEST, 9, 11, b''), mirrored(COMMON)],
    'read with a wrong cause': START + [send(102, ACT, 1, 11, b''), mirrored(CAUSE)],
    'clock synchronisation is refused': START + [
        send(103, ACT, 65535, 0, CP56), mirrored(ACT_CON)],
    'test command': START + [
        send(107, ACT, 1, 0, b'\x34\x12' + CP56), mirrored(ACT_CON, False)],
    'reset process is not known': START + [send(105, ACT, 1, 0, b'\x01'), mirrored(TYPE)],
    'parameter is not known': START + [send(110, ACT, 1, 1, b'\0\x40\x01'), mirrored(TYPE)],
    'file transfer is not known': START + [send(122, 13, 1, 1, b'\1\0\0\1'), mirrored(TYPE)],
    'an undefined type': START + [send(41, ACT, 1, 1, b'\1'), mirrored(TYPE)],
    'an ASDU that is shorter than it says': START + [
        lambda c: c.peer.send(asdu(45, ACT, 1, [(7, b'\1')])[:-1]), quiet,
        raw(u(TESTFR_ACT)), control(TESTFR_CON)],
    'single command, executed': START + [
        send(45, ACT, 1, 7, b'\x01', originator=4),
        event('command/single/1/7', cause='ACTIVATION', is_test=False,
              command={'value': 'ON', 'select': False, 'qualifier': 0}),
        respond('single', 7, 'ACTIVATION_CONFIRMATION', 'ON'),
        expect(45, ACT_CON, address=7, element=b'\x01', originator=4),
        respond('single', 7, 'ACTIVATION_TERMINATION', 'ON'), expect(45, ACT_TERM)],
    'double command, selected, executed': START + [
        send(46, ACT, 1, 8, b'\x86'),
        event('command/double/1/8', command={'value': 'ON', 'select': True, 'qualifier': 1}),
        respond('double', 8, 'ACTIVATION_CONFIRMATION', 'ON', select=True, qualifier=1),
        expect(46, ACT_CON, element=b'\x86'), send(46, ACT, 1, 8, b'\x06'),
        respond('double', 8, 'ACTIVATION_CONFIRMATION', 'ON', qualifier=1),
        expect(46, ACT_CON, element=b'\x06')],
    'selection, cancelled': START + [
        send(46, ACT, 1, 8, b'\x85'), event('command/double/1/8', cause='ACTIVATION'),
        lambda c: setattr(c, 'mark', c.gate.mark()),
        send(46, DEACT, 1, 8, b'\x85'), event('command/double/1/8', cause='DEACTIVATION'),
        respond('double', 8, 'DEACTIVATION_CONFIRMATION', 'OFF', select=True, qualifier=1),
        expect(46, DEACT_CON, element=b'\x85')],
    'regulating step': START + [
        send(47, ACT, 1, 9, b'\x02'), event('command/regulating/1/9', cause='ACTIVATION'),
        respond('regulating', 9, 'UNKNOWN_IO_ADDRESS', 'HIGHER', negative=True),
        expect(47, ADDRESS, negative=True)],
    'set point with time tag': START + [
        send(63, ACT, 1, 12, struct.pack('<f', 2.5) + b'\0' + CP56),
        event('command/floating/1/12', command={'value': 2.5, 'select': False})],
    'a step that is neither lower nor higher': START + [
        send(47, ACT, 1, 9, b'\x03'), mirrored(ACT_CON), no_event('command/regulating/1/9')],
    'a command with a wrong cause': START + [
        send(45, SPONTANEOUS, 1, 7, b'\x01'), mirrored(CAUSE), no_event('command/single/1/7')],
    'a response for nobody': START + [
        system('command/single/1/7', {
            'is_test': False, 'is_negative_confirm': False, 'cause': 'ACTIVATION_CONFIRMATION',
            'command': {'value': 'ON', 'select': False, 'qualifier': 0}}), quiet],
    'spontaneous data': START + [
        system('data/single/1/10', {'is_test': False, 'cause': 'SPONTANEOUS',
                                    'data': {'value': 'OFF', 'quality': QUALITY}}),
        expect(1, SPONTANEOUS, address=10, element=b'\x00')],
    'data out of range is refused': START + [
        system('data/single/1/10', {'is_test': False, 'cause': 300,
                                    'data': {'value': 'OFF', 'quality': QUALITY}}), quiet],
    'a number out of sequence ends it': START + [
        raw(i(1, 0, asdu(100, ACT, 1, [(0, b'\x14')]))), ended],
    'an acknowledgement of nothing ends it': START + [raw(s(5)), ended],
    'an undefined U frame ends it': START + [raw(b'\x68\x04\x03\0\0\0'), ended],
    'garbage ends it': START + [raw(b'GET / HTTP/1.1\r\n\r\n'), ended],
    'w frames are acknowledged at once': START + [
        *[send(105, ACT, 1, 0, b'\x01')] * 8,
        *[mirrored(TYPE)] * 8],
}


class SlaveCases(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        single = {'is_test': False, 'cause': 'SPONTANEOUS',
                  'data': {'value': 'ON', 'quality': QUALITY}}
        data = [('SINGLE', 1, 10), ('SINGLE', 1, 11), ('FLOATING', 1, 20), ('BINARY_COUNTER', 1, 30),
                ('SCALED', 1, 40), ('SINGLE', 2, 10)]
        cls.gate = Gate(slave_conf(cls.port, [
            {'data_type': t, 'asdu_address': a, 'io_address': io, 'buffer': None}
            for t, a, io in data]), presets=[
                ('system/data/single/1/10', single, None), ('system/data/single/1/11', single, None),
                ('system/data/single/2/10', single, None),
                ('system/data/floating/1/20', {**single, 'data': {
                    'value': 1.5, 'quality': {**QUALITY, 'overflow': False}}}, None),
                ('system/data/binary_counter/1/30', {**single, 'data': {
                    'value': 7, 'quality': {'invalid': False, 'adjusted': False, 'overflow': False,
                                            'sequence': 3}}}, None)])

    @classmethod
    def tearDownClass(cls):
        cls.gate.close()

    def run_case(self, name, steps):
        mark = self.gate.mark()
        peer = Recorder(socket.create_connection(('127.0.0.1', self.port)))
        try:
            row = self.gate.server.wait(
                lambda: [r for e in self.gate.find('connections', mark) for r in e.payload.data
                         if r['remote']['port'] == peer.sock.getsockname()[1]], WAIT_S)[0]
            context = Context(self.gate, peer, row['connection_id'])
            for n, step in enumerate(steps):
                try:
                    step(context)
                except (AssertionError, TimeoutError, EOFError) as e:
                    self.fail(f'{name}, step {n}: {type(e).__name__} {e}\n{self.gate.text()[-2000:]}')
        finally:
            peer.close()


MASTER_CASES = {
    'data of both forms': [
        lambda c: c.peer.send(asdu(1, STATION, 1, [(5, b'\1'), (9, b'\0')])),
        event('data/single/1/9', cause='INTERROGATED_STATION'),
        lambda c: c.peer.send(asdu(13, SPONTANEOUS, 1, [(50, struct.pack('<f', 1.5) + b'\1'),
                                                        (51, struct.pack('<f', 2) + b'\0')], sq=True)),
        event('data/floating/1/51', data={'value': 2.0, 'quality': {**QUALITY, 'overflow': False}})],
    'an unknown type costs itself only': [
        lambda c: c.peer.send(asdu(41, SPONTANEOUS, 1, [(1, b'\1')])),
        send(1, SPONTANEOUS, 1, 60, b'\1'), event('data/single/1/60')],
    'a value survives its tag': [
        lambda c: c.peer.send(asdu(30, SPONTANEOUS, 1, [
            (59, b'\1' + bytes(7)), (60, b'\1' + CP56[:2] + b'\xa2' + CP56[3:]),
            (61, b'\1' + bytes.fromhex('3930220d4e0d17')), (62, b'\1' + CP56)])),
        *(stamped(f'data/single/1/{n}', n == 62) for n in (59, 60, 61, 62))],
    'so does the answer to a command': [
        send(58, ACT_CON, 1, 7, b'\1' + bytes(7)), stamped('command/single/1/7', False)],
    'the end of initialisation makes no event': [
        send(70, 4, 1, 0, b'\0'), send(1, SPONTANEOUS, 1, 63, b'\1'), event('data/single/1/63')],
    'single command': [
        command('single', 7, 'ACTIVATION', 'ON', qualifier=3), expect(45, ACT, element=b'\x0d'),
        send(45, ACT_CON, 1, 7, b'\x0d'),
        event('command/single/1/7', cause='ACTIVATION_CONFIRMATION', is_negative_confirm=False)],
    'command, refused': [
        command('double', 7, 'ACTIVATION', 'OFF'), expect(46, ACT),
        send(46, COMMON, 1, 7, b'\1', negative=True),
        event('command/double/1/7', cause='UNKNOWN_ASDU_ADDRESS', is_negative_confirm=True)],
    'interrogation': [
        system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20}),
        expect(100, ACT, element=b'\x14'), send(100, ACT_CON, 1, 0, b'\x14'),
        event('interrogation/1', cause='ACTIVATION_CONFIRMATION', request=20),
        send(100, ACT_TERM, 1, 0, b'\x14')],
    'counter interrogation': [
        system('counter_interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 5,
                                           'freeze': 'FREEZE'}),
        expect(101, ACT, element=b'\x45'), send(101, ACT_CON, 1, 0, b'\x45'),
        event('counter_interrogation/1', freeze='FREEZE', request=5)],
    'values out of range are not sent': [
        system('interrogation/1', {'is_test': False, 'cause': 300, 'request': 20}),
        system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 1000}),
        system('interrogation/99999', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20}),
        command('single', 1, 'ACTIVATION', 'ON', qualifier=32),
        command('scaled', 1, 'ACTIVATION', 40000), command('bitstring', 1, 'ACTIVATION', [1, 2, 3]),
        quiet],
}


class MasterCases(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.station = Station()
        cls.gate = Gate(master_conf(cls.station.port))
        cls.peer = cls.station.accept()
        cls.peer.__class__ = Recorder
        cls.gate.wait('status', 'CONNECTED')

    @classmethod
    def tearDownClass(cls):
        cls.peer.close()
        cls.gate.close()
        cls.station.close()

    def run_case(self, name, steps):
        context = Context(self.gate, self.peer)
        for n, step in enumerate(steps):
            try:
                step(context)
            except (AssertionError, TimeoutError, EOFError) as e:
                self.fail(f'{name}, step {n}: {type(e).__name__} {e}\n{self.gate.text()[-2000:]}')


def add_cases(cls, cases):
    for n, (name, steps) in enumerate(cases.items()):
        def test(self, name=name, steps=steps):
            self.run_case(name, steps)
        test.__doc__ = name
        setattr(cls, f'test_{n + 1:02}_{"".join(ch if ch.isalnum() else "_" for ch in name)}', test)


add_cases(SlaveCases, SLAVE_CASES)
add_cases(MasterCases, MASTER_CASES)

if __name__ == '__main__':
    unittest.main()
