"""Configurations and hosted runners of the serial IEC 60870-5 devices, for tests."""
import collections
import os
import pty
import select
import threading
import time
import tty
import unittest

from runner_host import REGISTER, Runner

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXECUTABLE = os.path.join(ROOT, os.environ.get('BUILD', 'build'), 'libexec', 'iec60870')
# Sanitizers, and peers in Python with many layers, take their time.
SLOW = 3 if 'san' in os.environ.get('BUILD', '') or os.environ.get('SUITE') == 'interop' else 1


def line(port, baud=9600):
    return {'name': 'dev', 'port': port, 'baudrate': baud, 'bytesize': 'EIGHTBITS', 'parity': 'EVEN',
            'stopbits': 'ONE',
            'flow_control': {'xonxoff': False, 'rtscts': False, 'dsrdtr': False},
            'silent_interval': 0.001}


def asdu_sizes(cause='TWO', common='TWO', io='THREE'):
    return {'cause_size': cause, 'asdu_address_size': common, 'io_address_size': io}


def remote(address, balanced=False, **keys):
    timing = {'direction': 'A_TO_B', 'status_delay': 0.5} if balanced else \
        {'poll_class1_delay': 0.05, 'poll_class2_delay': None}
    return {'address': address, 'response_timeout': 0.2 * SLOW, 'send_retry_count': 2,
            'reconnect_delay': 0.1, 'time_sync_delay': None, **timing, **keys}


def master101(port, remotes, balanced=False, baud=9600, **keys):
    return {**line(port, baud), **asdu_sizes(), 'reconnect_delay': 0.1,
            'link_type': 'BALANCED' if balanced else 'UNBALANCED', 'device_address_size': 'ONE',
            'remote_devices': remotes, **keys}


def slave101(port, addresses, data, balanced=False, buffers=(), baud=9600, keep_alive=3, **keys):
    timing = {'direction': 'B_TO_A', 'response_timeout': 0.2 * SLOW, 'send_retry_count': 2,
              'status_delay': 0.5} if balanced else {'keep_alive_timeout': keep_alive}
    return {**line(port, baud), **asdu_sizes(),
            'link_type': 'BALANCED' if balanced else 'UNBALANCED', 'device_address_size': 'ONE',
            'buffers': list(buffers), 'data': [{'with_ack': True, **d} for d in data],
            'devices': [{'address': a, 'reconnect_delay': 0.1, **timing, **keys}
                        for a in addresses]}


def master103(port, remotes, baud=9600):
    return {**line(port, baud), 'reconnect_delay': 0.1, 'remote_devices': remotes}


def point(data_type, common, io, buffer=None):
    return {'data_type': data_type, 'asdu_address': common, 'io_address': io, 'buffer': buffer}


GOOD = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}


def single(value, cause='SPONTANEOUS'):
    return {'is_test': False, 'cause': cause, 'data': {'value': value, 'quality': GOOD}}


def scaled(value, cause='SPONTANEOUS'):
    return {'is_test': False, 'cause': cause,
            'data': {'value': value, 'quality': {**GOOD, 'overflow': False}}}


class RawMaster:
    """The unbalanced primary station of one device at the pty `path`, a frame at a time."""

    DATA, POLL1, RESET, STATUS = 3, 10, 0, 9

    def __init__(self, address=1):
        self.address, self.fcb = address, True
        self.fd, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)

    def close(self):
        os.close(self.fd)
        os.close(self.slave)

    def frame(self, function, data=b''):
        user = bytes([0x40 | function, self.address]) + data
        if function not in (self.RESET, self.STATUS):
            user = bytes([user[0] | 0x10 | 0x20 * self.fcb]) + user[1:]
            self.fcb = not self.fcb
        head = bytes([0x68, len(user), len(user), 0x68]) if data else b'\x10'
        return head + user + bytes([sum(user) & 0xff, 0x16])

    def ask(self, function, data=b'', seconds=3):
        """The answer as it is on the line."""
        os.write(self.fd, self.frame(function, data))
        got, size = b'', 1
        while len(got) < size:
            if not select.select([self.fd], [], [], seconds)[0]:
                raise TimeoutError(f'no answer to {function}: {got.hex()}')
            got += os.read(self.fd, 300)
            size = {0xe5: 1, 0x10: 5}.get(got[0], got[1] + 6 if len(got) > 1 else 2)
        return got

    def open_link(self, wait):
        """Resets the link as often as it takes, wait(): until it is true. What answers the resets before the one that
        was heard is passed over."""
        def answered():
            os.write(self.fd, self.frame(self.RESET))
            return select.select([self.fd], [], [], 0.3)[0]
        wait(answered)
        os.write(self.fd, self.frame(self.STATUS))
        got = b''
        while (at := got.find(0x10)) < 0 or len(got) < at + 5:
            got += os.read(self.fd, 300)

    def poll(self, seconds=3):
        """The next class 1 data, None where there are none."""
        answer = self.ask(self.POLL1, seconds=seconds)
        return answer[6:-2] if answer[0] == 0x68 else None


class Station103:
    """A protection device at the pty `path`, in a thread: class 1 has numbered messages, one each `period`
    seconds, ON where the number is odd; class 2 has measurands. Answers take `reaction` seconds; one in
    `spoil` never comes, or only after `late`, so that the master repeats its request."""

    ACK, DATA, NO_DATA, STATUS = 0, 8, 9, 11
    NUMBERS = 1 << 15

    def __init__(self, address=1, period=0.1, spoil=17, reaction=0.02, late=0.7):
        self.address, self.period, self.spoil = address, period, spoil
        self.reaction, self.late = reaction, late
        self.fd, self.slave = pty.openpty()
        tty.setraw(self.slave)
        self.path = os.ttyname(self.slave)
        self.number = 0  # of the last message
        self.answers = self.repeated = self.cycles = 0
        self.queue = collections.deque()
        self.fcb, self.last = 0, b''
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        self.running = False
        self.thread.join()
        os.close(self.fd)
        os.close(self.slave)

    @classmethod
    def number_of(cls, function, information):
        """The number modulo NUMBERS, of a message's addresses."""
        return (function & 0x7f) << 8 | information

    def _frame(self, function, data=b''):
        user = bytes([function | 0x20 * bool(self.queue), self.address]) + data
        head = bytes([0x68, len(user), len(user), 0x68]) if data else b'\x10'
        return head + user + bytes([sum(user) & 0xff, 0x16])

    def _asdu(self, kind, cause, function, information, data, qualifier=0x81):
        return bytes([kind, qualifier, cause, self.address, function, information]) + data

    def _message(self, cause, function, information, on, number=0):
        now = time.time()
        t = time.localtime(now)
        ms = t.tm_sec * 1000 + int(now % 1 * 1000)
        return self._asdu(1, cause, function, information, bytes([
            2 if on else 1, ms & 0xff, ms >> 8, t.tm_min, t.tm_hour | 0x80 * (t.tm_isdst > 0), number]))

    def _happen(self):
        self.number += 1
        n = self.number % self.NUMBERS
        self.queue.append(self._message(1, 0x80 | n >> 8, n & 0xff, n & 1))

    def _reset(self, function):
        """A reset of the communication unit, which forgets what it had to send, or of the frame count bit alone."""
        unit = function == 0
        if unit:
            self.queue.clear()
        self.fcb = 0
        self.queue.append(self._asdu(5, 4 if unit else 3, 0x80, 3 if unit else 2,
                                     b'\x02STATION \x01\x02\x03\x04'))
        return self._frame(self.ACK)

    def _take(self, asdu):
        if asdu[0] == 6:  # time synchronization
            self.queue.append(self._asdu(6, 8, *asdu[4:6], asdu[6:]))
        elif asdu[0] == 7:  # general interrogation
            self.queue.extend(self._message(9, 0x80, 16 + i, i & 1, asdu[6]) for i in range(4))
            self.queue.append(self._asdu(8, 10, 0xff, 0, asdu[6:7]))
        return self._frame(self.ACK)

    def _measure(self):
        self.cycles += 1
        return self._asdu(9, 2, 0x80, 148, b''.join(
            ((self.cycles + i) % 4096 << 3).to_bytes(2, 'little') for i in range(9)), 9)

    def _class2(self):
        return self._frame(self.DATA, self._measure())

    def _answer(self, control, asdu):
        function = control & 15
        if function in (0, 7):
            return self._reset(function)
        if function == 9:
            return self._frame(self.STATUS)
        if control >> 5 & 1 == self.fcb:
            self.repeated += 1
            return self.last
        self.fcb ^= 1
        if function == 3:
            self.last = self._take(asdu)
        elif function == 11:
            self.last = self._class2()
        elif self.queue:
            self.last = self._frame(self.DATA, self.queue.popleft())
        else:
            self.last = self._frame(self.NO_DATA)
        return self.last

    def _on_frame(self, user):
        if user[1] != self.address:
            return
        answer = self._answer(user[0], user[2:])
        self.answers += 1
        turn = self.answers % (2 * self.spoil)
        if turn == self.spoil:
            return
        # An acknowledgement that a killed master waits for no more could pass for that of the next reset.
        time.sleep(self.late if turn == 0 and answer[0] == 0x68 else self.reaction)
        os.write(self.fd, answer)

    def _split(self, got):
        """Answers the whole frames, returns the rest."""
        while got:
            size = {0x10: 5, 0x68: got[1] + 6 if len(got) > 1 else 2}.get(got[0], 0)
            if len(got) < size:
                break
            user = got[1:3] if size == 5 else got[4:size - 2]
            if size and len(user) > 1 and got[size - 2] == sum(user) & 0xff:
                got = got[size:]
                self._on_frame(user)
            else:
                got = got[1:]
        return got

    def _run(self):
        got, due = b'', time.monotonic()
        while self.running:
            if select.select([self.fd], [], [], 0.02)[0]:
                got = self._split(got + os.read(self.fd, 300))
            if time.monotonic() >= due:
                due += self.period
                if len(self.queue) < 100:
                    self._happen()


class Remote(Station103):
    """A device of 101 or 103 at the pty `path`, in a thread, to which nothing happens by itself: polls get
    the ASDUs of `queue`; those that it is sent are kept in `taken`."""

    def __init__(self, address=1):
        self.taken = []
        super().__init__(address, spoil=1 << 30, reaction=0.002)

    def _happen(self):
        pass

    def _reset(self, function):
        self.fcb = 0
        return self._frame(self.ACK)

    def _take(self, asdu):
        self.taken.append(asdu)
        return self._frame(self.ACK)

    def _class2(self):
        return self._frame(self.NO_DATA)


class Host(Runner):
    """Keeps the source timestamps beside the events: seconds, or None."""

    def __init__(self, *args, **keys):
        self.stamps = []
        super().__init__(*args, **keys)

    def _on_message(self, kind, number, body):
        if kind == REGISTER:
            self.stamps += [t[0] + t[1] / 1e6 if t else None for _, t, _ in body]
        super()._on_message(kind, number, body)


def start(device_type, conf, latest=None, **keys):
    return Host(EXECUTABLE, device_type, conf, latest, **keys)


class Case(unittest.TestCase):
    """Runners that end without a fault when the test does."""

    def setUp(self):
        if not os.access(EXECUTABLE, os.X_OK):
            self.skipTest(f'{EXECUTABLE} is not built')
        self.runners = []

    def tearDown(self):
        for r in self.runners:
            self.assertEqual(r.stop(), 0)

    def start(self, *args, **keys):
        self.runners.append(start(*args, **keys))
        return self.runners[-1]
