"""Configurations and hosted runners of the serial IEC 60870-5 devices, for tests."""
import os
import pty
import select
import tty

from runner_host import REGISTER, Runner

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXECUTABLE = os.path.join(ROOT, os.environ.get('BUILD', 'build'), 'libexec', 'iec60870')
SLOW = 3 if 'san' in os.environ.get('BUILD', '') else 1


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
            'buffers': list(buffers), 'data': data,
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

    DATA, POLL1, RESET = 3, 10, 0

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
        if function:
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

    def poll(self):
        """The next class 1 data, None where there are none."""
        answer = self.ask(self.POLL1)
        return answer[6:-2] if answer[0] == 0x68 else None


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
