"""101 devices against the second implementation of tests/lib/iec101_station.py, which judges each frame: both roles,
balanced in both directions, with one address and with two, unbalanced; requests and answers that are lost, a peer that
restarts. What passed is given to iec60870-parser as well."""

import socket
import time
import unittest

import peers  # noqa: F401

import iec104  # noqa: E402
import iec_serial as lib  # noqa: E402
from iec101_station import E5, Station  # noqa: E402
from iec104 import Asdu, asdu  # noqa: E402
from patience import WAIT_S  # noqa: E402
from serial_bridge import Bridge  # noqa: E402

try:
    import iec60870
except ImportError as e:
    raise unittest.SkipTest(f'iec60870-parser is not importable: {e}')

TAG = bytes.fromhex('3930220d9d0218')
# Kind: type of the event, octets of an element. From 30 on the elements have a time tag.
KINDS = {
    1: ('single', '01'), 3: ('double', '02'), 5: ('step_position', '4000'), 7: ('bitstring', '0102030400'),
    9: ('normalized', '004000'), 11: ('scaled', 'd20400'), 13: ('floating', '0000c03f00'),
    15: ('binary_counter', '0700000003'), 20: ('status', '0100800000'), 21: ('normalized', '0040'),
    30: ('single', '00'), 31: ('double', '01'), 32: ('step_position', '4000'), 33: ('bitstring', 'ffffffff81'),
    34: ('normalized', '008000'), 35: ('scaled', '0080f0'), 36: ('floating', '0000807f00'),
    37: ('binary_counter', 'ffffff7fe3'), 38: ('protection', '01e803'), 39: ('protection_start', '3ff1e803'),
    40: ('protection_command', '0f00e803')}
COMMANDS = {45: ('single', '01', {'value': 'ON', 'select': False, 'qualifier': 0}),
            46: ('double', '82', {'value': 'ON', 'select': True, 'qualifier': 0}),
            47: ('regulating', '01', {'value': 'LOWER', 'select': False, 'qualifier': 0}),
            48: ('normalized', 'ff7f00', {'value': 1, 'select': False}),
            49: ('scaled', 'd20400', {'value': 1234, 'select': False}),
            50: ('floating', '0000c03f00', {'value': 1.5, 'select': False}),
            51: ('bitstring', '01020304', {'value': [1, 2, 3, 4]})}
ENABLE, STATUS = 'system/remote_device/7/enable', 'gateway/remote_device/7/status'
POINTS = [lib.point('SINGLE', 1, 1, 'b'), lib.point('SINGLE', 1, 2, 'b'), lib.point('SCALED', 1, 100),
          lib.point('BINARY_COUNTER', 1, 200)]


def changes():
    """An ASDU of each kind with two objects, and one with a sequence."""
    for kind, (_, element) in KINDS.items():
        element = bytes.fromhex(element) + (TAG if 30 <= kind <= 40 else b'')
        yield asdu(kind, 3, 1, [(kind, element), (1000 + kind, element)])
        yield asdu(kind, 3, 300, [(70000, element), (70001, element)], sq=True)


def counted(value):
    return {'is_test': False, 'cause': 'SPONTANEOUS', 'data': {
        'value': value, 'quality': {'invalid': False, 'adjusted': False, 'overflow': False, 'sequence': 0}}}


class Case(lib.Case):

    def setUp(self):
        super().setUp()
        self.line = self.enterContext(Bridge())
        self.far = None

    def station(self, *args, **keys):
        self.far = Station(self.line.b, *args, timeout=1.0 * lib.SLOW, **keys)
        self.addCleanup(self.far.close)
        return self.far

    def tearDown(self):
        super().tearDown()
        if self.far:
            self.assertEqual(self.far.faults, [])
            self.dissect()

    def dissect(self):
        """Every frame of both sides is valid, and says the same to somebody else."""
        seen = 0
        for ours, raw in self.far.frames:
            if raw == E5:
                continue
            r = iec60870.parse_frame(raw, protocol='t101', link_address_size=1)
            self.assertEqual(r.status.value, 'VALID', (ours, raw.hex(), r.error))
            if 'asdu' not in r.fields:
                continue
            a, theirs = Asdu(raw[6:-2]), r.fields['asdu']
            self.assertEqual((theirs['type_id'], theirs['count'], theirs['sequence'], theirs['cot'] & 63,
                              theirs['common_address'], theirs['information_objects'][0]['ioa']),
                             (a.type, a.count, a.sq, a.cause, a.common, a.address))
            if a.type in (1, 30) and not a.sq:
                self.assertEqual(theirs['unparsed'], b'')
                self.assertEqual(theirs['information_objects'][0]['value'], a.element[0])
            seen += 1
        self.assertGreater(seen, 5)


class Master(Case):
    """Ours is the controlling station."""

    def answered(self, far, data):
        a = Asdu(data)
        if a.type == 100:
            far.send(data[:2] + b'\7' + data[3:], asdu(1, 20, 1, [(1, b'\1'), (2, b'\0')]),
                     asdu(11, 20, 1, [(100, b'\5\0\0')]), data[:2] + b'\12' + data[3:])
        elif a.type == 101:
            far.send(data[:2] + b'\7' + data[3:], asdu(15, 37, 1, [(200, b'\7\0\0\0\0')]), data[:2] + b'\12' + data[3:])
        elif a.type in COMMANDS:
            far.send(data[:2] + b'\7' + data[3:])

    def remote(self, balanced, **keys):
        delays = {} if balanced else {'poll_class1_delay': 0.01, 'poll_class2_delay': 0.1}
        r = self.start('iec101_master', lib.master101(
            self.line.a, [lib.remote(7, balanced, time_sync_delay=600, **{**delays, 'response_timeout': 0.5 * lib.SLOW, **keys})],
            balanced), {ENABLE: True})
        r.wait_event(STATUS, 'CONNECTED')
        return r

    def play(self, r, far):
        r.wait(lambda: any(Asdu(d).type == 103 for d in far.received))
        at = len(r.events)
        r.send('system/remote_device/7/interrogation/1', {'is_test': False, 'request': 20, 'cause': 'ACTIVATION'})
        end = {'is_test': False, 'is_negative_confirm': False, 'cause': 'ACTIVATION_TERMINATION', 'request': 20}
        r.wait_event('gateway/remote_device/7/interrogation/1', end, at)
        found = [e.type.split('/', 3)[3] for e in r.events[at:]]
        self.assertEqual(found, ['interrogation/1', 'data/single/1/1', 'data/single/1/2', 'data/scaled/1/100', 'interrogation/1'])
        r.send('system/remote_device/7/counter_interrogation/1',
               {'is_test': False, 'request': 5, 'freeze': 'READ', 'cause': 'ACTIVATION'})
        r.wait_event('gateway/remote_device/7/data/binary_counter/1/200', None, at)
        for kind, (name, element, command) in COMMANDS.items():
            r.send(f'system/remote_device/7/command/{name}/1/{kind}', {'is_test': False, 'cause': 'ACTIVATION', 'command': command})
            r.wait_event(f'gateway/remote_device/7/command/{name}/1/{kind}', {
                'is_test': False, 'is_negative_confirm': False, 'cause': 'ACTIVATION_CONFIRMATION', 'command': command}, at)
            self.assertEqual(far.received[-1], asdu(kind, 6, 1, [(kind, bytes.fromhex(element))]))
        at = len(r.events)
        far.send(*changes(), asdu(1, 3, 1, [(4242, b'\1')]))
        r.wait_event('gateway/remote_device/7/data/single/1/4242', None, at)
        self.assertEqual([(e.type.split('/', 3)[3], e.stamp is not None) for e in r.events[at:-1]], [
            (f'data/{name}/{at}', kind >= 30) for kind, (name, _) in KINDS.items()
            for at in (f'1/{kind}', f'1/{1000 + kind}', '300/70000', '300/70001')])

    def balanced(self, b_to_a):
        far = self.station(7, 7, controlling=False, b_to_a=b_to_a, on_asdu=self.answered)
        self.play(self.remote(True, direction='A_TO_B' if b_to_a else 'B_TO_A'), far)

    def test_balanced(self):
        self.balanced(True)

    def test_balanced_the_other_way(self):
        self.balanced(False)

    def test_balanced_with_two_addresses(self):
        far = self.station(2, 7, controlling=False, b_to_a=True, single=False, on_asdu=self.answered)
        self.play(self.remote(True, own_address=2), far)

    def test_unbalanced(self):
        far = self.station(7, 7, balanced=False, controlling=False, on_asdu=self.answered)
        self.play(self.remote(False), far)

    def test_requests_that_are_lost(self):
        far = self.station(7, 7, balanced=False, controlling=False, on_asdu=self.answered, deaf=lambda n: n % 7 == 5)
        self.play(self.remote(False, response_timeout=0.1 * lib.SLOW), far)

    def test_a_peer_that_restarts(self):
        tries, timeout = 2, 0.1 * lib.SLOW
        far = self.station(7, 7, controlling=False, b_to_a=True, on_asdu=self.answered)
        r = self.remote(True, response_timeout=timeout, send_retry_count=tries - 1)
        self.play(r, far)
        at, due = len(r.events), [0]

        def clocks():
            return sum(Asdu(d).type == 103 for d in far.received)
        before = clocks()

        def lost():
            # A reset soon after a connection was made may be the repetition of the first one.
            if time.monotonic() > due[0]:
                far.restart()
                due[0] = time.monotonic() + 4 * tries * timeout
            return any(e.type == STATUS and e.payload == 'DISCONNECTED' for e in r.events[at:])
        r.wait(lost)
        r.wait_event(STATUS, 'CONNECTED', at)
        r.wait(lambda: far.up and not far.fresh and clocks() > before)
        self.play(r, far)


class Slave(Case):
    """Ours is the controlled station."""

    def controlled(self, balanced, **keys):
        buffers = [{'name': 'b', 'size': 100}]
        return self.start('iec101_slave', lib.slave101(
            self.line.a, [7], POINTS, balanced, buffers, keep_alive=WAIT_S,
            **({'response_timeout': 0.5 * lib.SLOW, **keys} if balanced else {})),
            {'system/data/single/1/1': lib.single('ON'), 'system/data/scaled/1/100': lib.scaled(-2),
             'system/data/binary_counter/1/200': counted(9)})

    def take(self, r, far, n):
        """n more ASDUs of ours, without their common address, which is 1."""
        r.wait(lambda: len(far.received) >= self.at + n)
        found = [Asdu(d) for d in far.received[self.at:self.at + n]]
        self.at += n
        self.assertEqual({a.common for a in found}, {1})
        return [(a.type, a.cause, a.address, a.element.hex()) for a in found]

    def play(self, r, far):
        self.at = len(far.received)
        r.wait_event('gateway/connections', [{'connection_id': 1, 'address': 7}])
        far.send(asdu(100, 6, 1, [(0, b'\x14')]))
        self.assertEqual(self.take(r, far, 4), [(100, 7, 0, '14'), (1, 20, 1, '01'), (11, 20, 100, 'feff00'), (100, 10, 0, '14')])
        far.send(asdu(101, 6, 1, [(0, b'\5')]))
        self.assertEqual(self.take(r, far, 3), [(101, 7, 0, '05'), (15, 37, 200, '0900000000'), (101, 10, 0, '05')])
        for kind, (name, element, command) in COMMANDS.items():
            far.send(asdu(kind, 6, 1, [(kind, bytes.fromhex(element))]))
            payload = {'connection_id': 1, 'is_test': False, 'cause': 'ACTIVATION', 'command': command}
            r.wait_event(f'gateway/command/{name}/1/{kind}', payload)
            r.send(f'system/command/{name}/1/{kind}', {**payload, 'is_negative_confirm': False, 'cause': 'ACTIVATION_CONFIRMATION'})
            self.assertEqual(self.take(r, far, 1), [(kind, 7, kind, element)])
        for i in range(20):
            r.send('system/data/single/1/2', lib.single('ON' if i % 2 else 'OFF'))
        self.assertEqual(self.take(r, far, 20), [(1, 3, 2, f'0{i % 2}') for i in range(20)])

    def balanced(self, b_to_a):
        far = self.station(7, 7, b_to_a=b_to_a)
        self.play(self.controlled(True, direction='A_TO_B' if b_to_a else 'B_TO_A'), far)

    def test_balanced(self):
        self.balanced(False)

    def test_balanced_the_other_way(self):
        self.balanced(True)

    def test_balanced_with_two_addresses(self):
        far = self.station(7, 2, single=False)
        self.play(self.controlled(True, master_address=2), far)

    def test_unbalanced(self):
        far = self.station(7, balanced=False)
        self.play(self.controlled(False), far)

    def test_answers_that_are_lost(self):
        far = self.station(7, 7, deaf=lambda n: n % 5 == 3)
        self.play(self.controlled(True, response_timeout=0.1 * lib.SLOW), far)


class Dissector103(lib.Case):

    def test_frames_of_a_master(self):
        """A line of 103, with a link address of one octet."""
        far = lib.Remote(5)
        self.addCleanup(far.close)
        frames = []
        r = self.start('iec103_master', lib.master103(far.path, [lib.remote(5, time_sync_delay=600)]),
                       {'system/remote_device/5/enable': True})
        split = far._split

        def kept(got):
            frames.append(got)
            return split(got)
        far._split = kept
        r.wait_event('gateway/remote_device/5/status', 'CONNECTED')
        r.send('system/remote_device/5/command/5/160/16', {'session_id': 1, 'value': 'ON'})
        r.wait(lambda: any(a[0] == 20 for a in far.taken))
        stream, kinds = iec60870.FrameStream(protocol='t103', link_address_size=1, parse_asdu_data=False), set()
        for f in stream.feed(b''.join(f for f in frames if f[:1] in (b'\x10', b'\x68') and len(f) > 4)):
            self.assertEqual((f.status.value, f.fields['link_address']), ('VALID', 5), f)
            kinds.add(f.frame_type)
        self.assertEqual(kinds, {'fixed', 'variable'})


class Dissector104(lib.Case):

    def kept(self, peer):
        """Frames that the peer gets from now on."""
        frames, frame = [], peer.frame

        def keep(*timeout):
            frames.append(frame(*timeout))
            return frames[-1]
        peer.frame = keep
        return frames

    def dissect(self, frames, kinds):
        found = [iec60870.parse_frame(f, protocol='t104') for f in frames]
        self.assertEqual([r.error for r in found if r.status.value != 'VALID'], [])
        sent = [r.fields for r in found if r.frame_type == 'I']
        self.assertEqual([f['send_sequence'] for f in sent], list(range(len(sent))))
        self.assertEqual([f['asdu']['type_id'] for f in sent], kinds)

    def test_frames_of_a_master(self):
        station = self.enterContext(iec104.Station())
        r = self.start('iec104_master', iec104.master_conf(station.port, time_sync_delay=600))
        peer = station.accept()
        frames = self.kept(peer)
        peer.expect(103, 6)
        for kind, (name, _, command) in COMMANDS.items():
            r.send(f'system/command/{name}/1/{kind}', {'is_test': False, 'cause': 'ACTIVATION', 'command': command})
            peer.expect(kind, 6)
            peer.acknowledge()
        self.dissect(frames, [103, *COMMANDS])
        peer.close()

    def test_frames_of_a_slave(self):
        r = self.start('iec104_slave', iec104.slave_conf(iec104.free_port(), [lib.point('SINGLE', 1, 2)]))
        r.wait(lambda: r.ready)
        peer = iec104.Peer(socket.create_connection(('127.0.0.1', r.port)))
        frames = self.kept(peer)
        peer.startdt()
        r.wait(lambda: r.events and r.events[-1].payload)
        stamps = (None, (1700000000, 0))
        for stamp in stamps:
            r.send('system/data/single/1/2', lib.single('ON'), stamp)
        for kind in (1, 30):
            peer.expect(kind, 3, address=2)
            peer.acknowledge()
        self.dissect(frames, [1, 30])
        found = iec60870.parse_frame(frames[-1], protocol='t104').fields['asdu']['information_objects'][0]
        self.assertEqual((found['ioa'], found['value'], found['timestamp']['year'], found['timestamp']['month']), (2, 1, 2023, 11))
        peer.close()


if __name__ == '__main__':
    unittest.main()
