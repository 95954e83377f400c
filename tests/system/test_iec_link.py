"""The link layer of IEC 60870-5-101 as the gateway's devices have it, against a peer that sends and reads one
frame after another: what is lost on the way comes again, what is acknowledged is done at once."""
import collections
import json
import os
import pty
import select
import sys
import time
import tty
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))

import iec_serial as lib  # noqa: E402
from patience import WAIT_S  # noqa: E402

ENABLE = 'system/remote_device/{}/enable'
STATUS = 'gateway/remote_device/{}/status'
RESET, DATA, NO_REPLY, STATUS_REQUEST = 0, 3, 4, 9
ACK, STATUS_ANSWER = 0, 11

Frame = collections.namedtuple('Frame', 'primary function fcb fcv address data')


class Peer:
    """The other station of a balanced line; dir is the direction bit of what it sends."""

    def __init__(self, case, dir):
        self.dir = dir
        self.fd, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        case.addCleanup(os.close, self.fd)
        case.addCleanup(os.close, self.slave)
        self.fcb = True
        self.got = b''

    def write(self, control, address, data=b''):
        user = bytes([self.dir << 7 | control, address]) + data
        head = bytes([0x68, len(user), len(user), 0x68]) if data else b'\x10'
        os.write(self.fd, head + user + bytes([sum(user) & 0xff, 0x16]))

    def request(self, function, address, data=b'', repeat=False):
        counted = function == DATA
        if counted and repeat:
            self.fcb = not self.fcb
        self.write(0x40 | 0x10 * counted | 0x20 * (counted and self.fcb) | function, address, data)
        if counted:
            self.fcb = not self.fcb

    def answer(self, function, address):
        self.write(function, address)

    def frame(self, seconds=WAIT_S):
        """The next one; the character E5 is an acknowledgement without an address."""
        end = time.monotonic() + seconds
        while True:
            size = {0xe5: 1, 0x10: 5}.get(self.got[0], self.got[1] + 6 if len(self.got) > 1 else 2) if self.got else 1
            if len(self.got) >= size and self.got:
                break
            if not select.select([self.fd], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError('no frame')
            self.got += os.read(self.fd, 300)
        raw, self.got = self.got[:size], self.got[size:]
        if raw == b'\xe5':
            return Frame(False, ACK, None, None, None, b'')
        user = raw[1:3] if size == 5 else raw[4:-2]
        return Frame(bool(user[0] & 0x40), user[0] & 15, bool(user[0] & 0x20), bool(user[0] & 0x10), user[1], user[2:])

    def expect(self, function, primary=True, seconds=WAIT_S):
        """The next frame of that kind; requests for the status are answered on the way, others passed over."""
        end = time.monotonic() + seconds
        while True:
            f = self.frame(max(end - time.monotonic(), 0.01))
            if (f.primary, f.function) == (primary, function):
                return f
            if f.primary and f.function == STATUS_REQUEST:
                self.answer(STATUS_ANSWER, f.address)

    def silent(self, primary, function, seconds):
        try:
            f = self.expect(function, primary, seconds)
        except TimeoutError:
            return
        raise AssertionError(f)


class Case(lib.Case):
    def slave(self, peer, data=(), **keys):
        conf = {**lib.slave101(peer.path, [3], list(data), True, **{'response_timeout': 1, 'status_delay': 60, **keys}),
                'silent_interval': 0}
        slave = self.start('iec101_slave', conf)
        slave.wait(lambda: 'connected' in slave.links)
        return slave

    def master(self, peer, address=3, **keys):
        conf = {**lib.master101(peer.path, [lib.remote(address, True, response_timeout=1, status_delay=60, **keys)],
                                True), 'silent_interval': 0}
        master = self.start('iec101_master', conf, {ENABLE.format(address): True})
        return master


COMMAND = bytes.fromhex('2d010600 0100 070000 01')


class BalancedSlave(Case):

    def commands(self, slave):
        return [e for e in slave.events if e.type == 'gateway/command/single/1/7']

    def test_commands_do_not_age(self):
        """A command that comes before our own direction stands is not acknowledged, and not done later."""
        peer = Peer(self, 1)
        slave = self.slave(peer)
        self.assertEqual(peer.expect(RESET).address, 3)
        peer.request(RESET, 3)
        peer.expect(ACK, False)
        peer.request(DATA, 3, COMMAND)
        peer.silent(False, ACK, 0.3)
        peer.expect(RESET)
        peer.answer(ACK, 3)
        slave.wait_event('gateway/connections', [{'connection_id': 1, 'address': 3}])
        slave.ping()
        peer.silent(False, ACK, 0.3)
        self.assertEqual(self.commands(slave), [])
        peer.request(DATA, 3, COMMAND, repeat=True)
        peer.expect(ACK, False)
        slave.wait(lambda: self.commands(slave))

    def connect(self, peer, slave, address=3):
        self.assertEqual(peer.expect(RESET).address, address)
        peer.answer(ACK, address)
        slave.wait(lambda: any(e.type == 'gateway/connections' and e.payload for e in slave.events))

    def test_with_ack(self):
        peer = Peer(self, 1)
        points = [lib.point('SINGLE', 1, 1), {**lib.point('SINGLE', 1, 2), 'with_ack': False},
                  {**lib.point('SINGLE', 1, 3, 'b'), 'with_ack': False}, {**lib.point('SINGLE', 1, 4), 'with_ack': True}]
        slave = self.slave(peer, points, buffers=[{'name': 'b', 'size': 5}])
        self.connect(peer, slave)
        for io, function in ((1, DATA), (2, NO_REPLY), (3, NO_REPLY), (4, DATA)):
            slave.send(f'system/data/single/1/{io}', lib.single('ON'))
            f = peer.expect(function)
            self.assertEqual((f.fcv, f.data[6]), (function == DATA, io))
            if function == DATA:
                peer.answer(ACK, 3)
        peer.request(RESET, 3)
        peer.expect(ACK, False)
        peer.request(DATA, 3, bytes.fromhex('64010600 0100 000000 14'))
        peer.expect(ACK, False)
        for _ in range(3):  # answers are confirmed, whatever their data say
            peer.expect(DATA)
            peer.answer(ACK, 3)

    def test_two_addresses(self):
        peer = Peer(self, 1)
        slave = self.slave(peer, [lib.point('SINGLE', 1, 1)], master_address=1)
        self.connect(peer, slave, 1)
        self.assertEqual(slave.events[-1].payload, [{'connection_id': 1, 'address': 3}])
        peer.request(RESET, 1)
        peer.silent(False, ACK, 0.3)
        peer.request(RESET, 3)
        peer.expect(ACK, False)
        peer.request(DATA, 3, COMMAND)
        peer.expect(ACK, False)
        slave.wait(lambda: self.commands(slave))
        slave.send('system/data/single/1/1', lib.single('ON'))
        self.assertEqual(peer.expect(DATA).address, 1)
        peer.answer(ACK, 1)

    def test_peer_that_restarts(self):
        timeout, tries = 0.3 * lib.SLOW, 4
        peer = Peer(self, 1)
        slave = self.slave(peer, [lib.point('SINGLE', 1, 1, 'b')], buffers=[{'name': 'b', 'size': 5}],
                           response_timeout=timeout, send_retry_count=tries - 1)
        self.connect(peer, slave)
        peer.request(RESET, 3)
        peer.expect(ACK, False)
        time.sleep(1.2 * timeout * tries)  # longer than it may repeat its reset
        slave.send('system/data/single/1/1', lib.single('ON'))
        self.assertTrue(peer.expect(DATA).fcb)  # not acknowledged: the peer was just ending
        at, sent = len(slave.events), []
        peer.request(RESET, 3)
        while not sent or sent[-1].function != RESET:
            f = peer.frame()
            sent += [f] if f.primary else []
        self.assertLess(len(sent), tries)  # not because the data were not answered
        peer.answer(ACK, 3)
        slave.wait(lambda: any(e.type == 'gateway/connections' and e.payload for e in slave.events[at:]))
        self.assertTrue(peer.expect(DATA).fcb)
        peer.answer(ACK, 3)


class BalancedMaster(Case):

    def test_two_addresses(self):
        peer = Peer(self, 1)
        master = self.master(peer, direction='B_TO_A', own_address=1)
        self.assertEqual(peer.expect(RESET).address, 3)
        peer.answer(ACK, 3)
        master.wait_event(STATUS.format(3), 'CONNECTED')
        peer.request(RESET, 1)
        peer.expect(ACK, False)
        peer.request(DATA, 1, bytes.fromhex('01010300 0100 070000 01'))
        peer.expect(ACK, False)
        master.wait_event('gateway/remote_device/3/data/single/1/7', lib.single('ON'))

    def test_clock_when_it_leaves(self):
        """The first synchronization waits for the acknowledgement of a command; its time is not that of the wait."""
        peer = Peer(self, 1)
        master = self.master(peer, direction='B_TO_A', time_sync_delay=0.3, send_retry_count=5)
        peer.expect(RESET)
        peer.answer(ACK, 3)
        stamps = []
        for wait in (0, 0.8):
            f = peer.expect(DATA)
            self.assertEqual(f.data[0], 103)
            stamps.append(int.from_bytes(f.data[9:11], 'little'))
            time.sleep(wait)
            self.got_at = time.time()
            peer.answer(ACK, 3)
        # two or three were queued meanwhile
        f = peer.expect(DATA)
        late = (self.got_at * 1000 - int.from_bytes(f.data[9:11], 'little')) % 60000
        self.assertTrue(late < 200 or late > 59000, late)
        master.wait_event(STATUS.format(3), 'CONNECTED')


class UnbalancedSlave(Case):

    def test_an_answer_that_is_lost(self):
        """A buffered change whose answer nobody confirms is given to the next connection."""
        raw = lib.RawMaster()
        self.addCleanup(raw.close)
        slave = self.start('iec101_slave', {
            **lib.slave101(raw.path, [1], [lib.point('SINGLE', 1, 1, 'b')], False, [{'name': 'b', 'size': 5}],
                           keep_alive=0.5), 'silent_interval': 0})
        slave.wait(lambda: 'connected' in slave.links)
        raw.ask(raw.RESET)
        slave.send('system/data/single/1/1', lib.single('ON'))
        slave.ping()
        got = None
        while got is None:
            got = raw.poll()  # ... and the answer is lost
        at = len(slave.events)
        slave.wait_event('gateway/connections', [], at)  # keep_alive_timeout
        raw.fcb = True
        raw.ask(raw.RESET)
        self.assertEqual(raw.poll(), got)
        self.assertIsNone(raw.poll())  # confirmed by the frame count bit
        raw.fcb = True
        raw.ask(raw.RESET)
        self.assertIsNone(raw.poll())

    def test_what_is_dropped_is_said(self):
        raw = lib.RawMaster()
        self.addCleanup(raw.close)
        slave = self.start('iec101_slave', {
            **lib.slave101(raw.path, [1], [lib.point('SINGLE', 1, 1)], keep_alive=60), 'silent_interval': 0})
        slave.wait(lambda: 'connected' in slave.links)
        raw.ask(raw.RESET)
        slave.send_events([['system/data/single/1/1'.split('/'), [0, 0], None, json.dumps(lib.single('ON'))]] * 200, 400)
        slave.wait(lambda: any('dropped an ASDU of type 1, cause 3 for master of device 1' in line
                               for line in slave.log), 60)


if __name__ == '__main__':
    unittest.main()
