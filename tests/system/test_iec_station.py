"""What a controlled station answers to each request: the same for iec101_slave and iec104_slave, octet by octet
but for what only one of the companion standards has."""
import json
import os
import socket
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))

import iec104  # noqa: E402
import iec_serial as lib  # noqa: E402
from iec104 import CP56, Asdu, asdu  # noqa: E402

ACT, ACT_CON, DEACT, DEACT_CON, TERM, REQUEST = 6, 7, 8, 9, 10, 5
TYPE, CAUSE, COMMON, ADDRESS = 44, 45, 46, 47
IV = CP56[:2] + bytes([CP56[2] | 0x80]) + CP56[3:]
NO_DATE = bytes(7)
MEASURED = {**lib.GOOD, 'overflow': False}
PROTECTED = {**lib.GOOD, 'time_invalid': False}
STAMP, TAG = [1700000000, 0], bytes.fromhex('204e0d164e0b17')  # 2023-11-14 22:13:20 UTC

DATA = [lib.point('SINGLE', 1, 10), lib.point('SINGLE', 1, 11), lib.point('DOUBLE', 1, 12),
        lib.point('BINARY_COUNTER', 1, 30), lib.point('PROTECTION', 1, 40), lib.point('SINGLE', 2, 10),
        lib.point('SCALED', 1, 10), {**lib.point('BINARY_COUNTER', 3, 30), 'freeze': True}]


def data(value, quality=lib.GOOD, **more):
    return {'is_test': False, 'cause': 'SPONTANEOUS', 'data': {'value': value, 'quality': quality, **more}}


COUNTED = {'invalid': False, 'adjusted': False, 'overflow': False, 'sequence': 3}
STATES = [('data/single/1/10', data('ON'), None), ('data/single/1/11', data('OFF'), STAMP),
          ('data/double/1/12', data('ON'), STAMP), ('data/binary_counter/1/30', data(7, COUNTED), None),
          ('data/protection/1/40', data('ON', PROTECTED, elapsed_time=5), STAMP),
          ('data/single/2/10', data('ON'), None)]


def ask(kind, cause, common, address, element, **more):
    return asdu(kind, cause, common, [(address, element)], **more)


def back(cause, negative=True, common=None):
    """The request itself."""
    return lambda r: r[:2] + bytes([r[2] & 0x80 | negative << 6 | cause]) + (
        r[3:] if common is None else r[3:4] + common.to_bytes(2, 'little') + r[6:])


def answer(kind, cause, common, objects, **more):
    return lambda r: asdu(kind, cause, common, objects, **more)


OFF, ON = b'\0', b'\1'
CON, END = back(ACT_CON, False), back(TERM, False)
# Requests with their answers; the third column: of 101 alone, of 104 alone.
ROWS = [
    ('general interrogation: no time tags, no protection', ask(100, ACT, 1, 0, b'\x14', originator=7), [
        CON, answer(1, 20, 1, [(10, ON), (11, OFF)], originator=7), answer(3, 20, 1, [(12, b'\2')], originator=7),
        END]),
    ('group interrogation', ask(100, ACT, 2, 0, b'\x24', originator=9), [
        CON, answer(1, 36, 2, [(10, ON)], originator=9), END]),
    ('counters', ask(101, ACT, 1, 0, b'\x05', originator=3), [
        CON, answer(15, 37, 1, [(30, b'\7\0\0\0\3')], originator=3), END]),
    ('counter group', ask(101, ACT, 1, 0, b'\x02'), [CON, answer(15, 39, 1, [(30, b'\7\0\0\0\3')]), END]),
    ('all common addresses', ask(100, ACT, 65535, 0, b'\x14'), [
        back(ACT_CON, False, 1), answer(1, 20, 1, [(10, ON), (11, OFF)]), answer(3, 20, 1, [(12, b'\2')]),
        back(TERM, False, 1), back(ACT_CON, False, 2), answer(1, 20, 2, [(10, ON)]), back(TERM, False, 2)]),
    ('unknown common address', ask(100, ACT, 9, 0, b'\x14', originator=4), [back(COMMON)]),
    ('counters of an unknown common address', ask(101, ACT, 9, 0, b'\5'), [back(COMMON)]),
    ('interrogation with an object address', ask(100, ACT, 1, 5, b'\x14'), [back(ADDRESS)]),
    ('counters with an object address', ask(101, ACT, 1, 5, b'\5'), [back(ADDRESS)]),
    *((f'qualifier of interrogation {q}', ask(100, ACT, 1, 0, bytes([q])), [back(ACT_CON)])
      for q in (0, 1, 19, 37, 255)),
    *((f'qualifier of counter interrogation {q}', ask(101, ACT, 1, 0, bytes([q])), [back(ACT_CON)])
      for q in (0, 6, 63)),
    *((f'freeze {q}', ask(101, ACT, 1, 0, bytes([q << 6 | 5])), [back(ACT_CON)]) for q in (1, 2, 3)),
    ('freeze as an event', ask(101, ACT, 3, 0, b'\x85'), [CON, END]),
    ('freeze of all', ask(101, ACT, 65535, 0, b'\x45'), [back(ACT_CON, False, 3), back(TERM, False, 3)]),
    ('wrong cause', ask(100, 3, 1, 0, b'\x14'), [back(CAUSE)]),
    ('deactivation', ask(100, DEACT, 1, 0, b'\x14'), [back(DEACT_CON)]),
    ('read', ask(102, REQUEST, 1, 11, b'', originator=2), [
        answer(30, 5, 1, [(11, OFF + TAG)], originator=2)]),
    ('read: what is known of the address', ask(102, REQUEST, 1, 10, b''), [answer(1, 5, 1, [(10, ON)])]),
    ('read of an unknown object', ask(102, REQUEST, 1, 999, b''), [back(ADDRESS)]),
    ('read of an unknown common address', ask(102, REQUEST, 9, 10, b''), [back(COMMON)]),
    ('read with a wrong cause', ask(102, ACT, 1, 10, b''), [back(CAUSE)]),
    ('clock', ask(103, ACT, 1, 0, CP56, test=True), [back(ACT_CON)]),
    ('clock with a wrong cause', ask(103, 3, 1, 0, CP56), [back(CAUSE)]),
    ('a step that is none', ask(47, ACT, 1, 9, b'\3', originator=8), [back(ACT_CON)]),
    ('deactivation of a step that is none', ask(47, DEACT, 1, 9, b'\0'), [back(DEACT_CON)]),
    ('a command with a wrong cause', ask(45, 3, 1, 9, ON), [back(CAUSE)]),
    ('reset', ask(105, ACT, 1, 0, ON), [back(TYPE)]),
    ('parameter', ask(110, ACT, 1, 1, b'\0\x40\1'), [back(TYPE)]),
    ('file', ask(122, 13, 1, 1, b'\1\0\0\1'), [back(TYPE)]),
    ('data', ask(1, 3, 1, 1, ON), [back(TYPE)]),
    ('an unknown type', ask(200, ACT, 1, 1, ON, originator=6), [back(TYPE)]),
    ('test command', ask(104, ACT, 1, 0, b'\xaa\x55'), [back(TYPE)]),
    ('a refusal is not answered', ask(100, TYPE, 1, 0, b'\x14', negative=True), []),
    ('shorter than it says', ask(45, ACT, 1, 9, ON)[:-1], []),
]
ONLY_101 = [
    *((f'type {t} is not of 101', ask(t, ACT, 1, 9, ON + CP56), [back(TYPE)]) for t in (58, 59, 60)),
    ('test command with time', ask(107, ACT, 1, 0, b'\1\0' + CP56), [back(TYPE)]),
]
ONLY_104 = [
    ('test command with time', ask(107, ACT, 1, 0, b'\1\0' + CP56), [CON]),
    ('test command with time, wrong cause', ask(107, 3, 1, 0, b'\1\0' + CP56), [back(CAUSE)]),
    ('delay is not of 104', ask(106, ACT, 1, 0, b'\1\0'), [back(TYPE)]),
    *(('a command with a bad time', ask(58, ACT, 1, 9, ON + t), [back(ACT_CON)]) for t in (IV, NO_DATE)),
]
EVENTS = [
    ('gateway/command/single/7777/5', ask(45, ACT, 7777, 5, ON, originator=4), {'cause': 'ACTIVATION'}),
    ('gateway/counter_interrogation/3', ask(101, ACT, 3, 0, b'\x85'), {'request': 5, 'freeze': 'FREEZE_AND_RESET'}),
]


class Master101:
    """Its requests, and the answers until there are none."""

    def __init__(self, case):
        self.raw = lib.RawMaster()
        case.addCleanup(self.raw.close)
        self.runner = lib.start('iec101_slave', {
            **lib.slave101(self.raw.path, [1], DATA, keep_alive=60), 'silent_interval': 0})
        self.runner.wait(lambda: 'connected' in self.runner.links)
        self.raw.ask(self.raw.RESET)

    def ask(self, request):
        self.raw.ask(self.raw.DATA, request)
        return list(iter(self.raw.poll, None))

    def close(self):
        pass


class Master104:
    def __init__(self, case):
        self.runner = lib.start('iec104_slave', iec104.slave_conf(iec104.free_port(), DATA))
        self.runner.wait(lambda: self.runner.ready)
        self.peer = iec104.Peer(socket.create_connection(('127.0.0.1', self.runner.port)))
        self.peer.startdt()

    def ask(self, request):
        self.peer.send(request)
        self.peer.raw(iec104.u(iec104.TESTFR_ACT))
        found = []
        while True:
            kind, value = self.peer.event()
            if kind == 'I':
                found.append(value.data)
                self.peer.acknowledge()
            elif (kind, value) == ('U', iec104.TESTFR_CON):
                return found

    def close(self):
        self.peer.close()


class Answers(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not os.access(lib.EXECUTABLE, os.X_OK):
            self.skipTest(f'{lib.EXECUTABLE} is not built')

    def run_rows(self, master, rows):
        for name, payload, stamp in STATES:
            master.runner.send_events([[('system/' + name).split('/'), [0, 0], stamp, json.dumps(payload)]])
        master.runner.send('system/data/single/1/10', data('ON'))
        master.runner.wait(lambda: not master.ask(ask(102, REQUEST, 9, 9, b''))[:-1])
        for name, request, answers in rows:
            with self.subTest(name):
                found = master.ask(request)
                expected = [a(request) for a in answers]
                self.assertEqual([Asdu(a) for a in found].__repr__(), [Asdu(a) for a in expected].__repr__())
                self.assertEqual(found, expected)
        for kind, request, members in EVENTS:
            with self.subTest(kind):
                at = len(master.runner.events)
                master.ask(request)
                at = master.runner.wait_event(kind, after=at)
                payload = master.runner.events[at - 1].payload
                self.assertEqual({**payload, **members}, payload)
                self.assertEqual(payload['connection_id'], 1)

    def run_master(self, cls, rows):
        master = cls(self)
        try:
            self.run_rows(master, rows)
        finally:
            master.close()
            self.assertEqual(master.runner.stop(), 0)

    def test_iec101(self):
        self.run_master(Master101, ROWS + ONLY_101)

    def test_iec104(self):
        self.run_master(Master104, ROWS + ONLY_104)


if __name__ == '__main__':
    unittest.main()
