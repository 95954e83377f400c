"""Configurations and hosted runners of the serial IEC 60870-5 devices, for tests."""
import os

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
