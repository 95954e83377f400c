"""The same device, the same configuration, the same peer: what hat-gateway's Modbus devices register and
answer, ours register and answer."""
import logging
import threading
import time
import unittest

import peers  # noqa: F401

try:
    import hat.gateway.devices.modbus.master as hat_master
    import hat.gateway.devices.modbus.slave as hat_slave
except ImportError as e:
    raise unittest.SkipTest(f'hat-gateway is not importable: {e}')

from hat_device import Reference  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from runner_host import Runner  # noqa: E402
import test_modbus_master as masters  # noqa: E402
import test_modbus_slave as slaves  # noqa: E402

logging.disable(logging.CRITICAL)  # the reference logs a trace for each refused request


class Ours(Runner):
    def __init__(self, name, conf, latest):
        super().__init__(masters.RUNNER, name, conf, latest)


def seen(events):
    return [(e.type, e.payload) for e in events]


class Master(unittest.TestCase):
    maxDiff = None

    def both(self, play, conf_of, latest, device_of, silent_units=()):
        results = []
        for make in (lambda c: Reference(hat_master.info, c, latest),
                     lambda c: Ours('modbus_master', c, latest)):
            slave = Slave(device=device_of())
            slave.silent_units.update(silent_units)
            device = make(conf_of(slave.port))
            try:
                play(device, slave)
            finally:
                device.stop()
                slave.stop()
            results.append((seen(device.events), [p for p in slave.device.requests]))
        return results

    def test_reads_errors_and_changes(self):
        def device():
            d = Registers({i: 1000 + i for i in range(200)})
            d.values[5] = 1
            return d

        def conf(port):
            data = [masters.register(f'r{i}', i, 0.1) for i in (0, 1, 2, 10, 11, 130)]
            data += [masters.register('wide', 20, 0.1, bit_offset=8, bit_count=80),
                     {**masters.register('coil', 5, 0.1), 'data_type': 'COIL', 'bit_count': 3},
                     {**masters.register('in', 7, 0.1), 'data_type': 'INPUT_REGISTER'},
                     masters.register('never', 50, None)]
            return masters.master_conf(port, [(1, data), (2, [masters.register('x', 1)]),
                                              (3, [])])

        def play(d, slave):
            at = d.wait_event('gateway/remote_device/1/read/in')
            slave.device.values[10] = 7
            at = d.wait_event('gateway/remote_device/1/read/r10', {
                'result': 'SUCCESS', 'value': 7, 'cause': 'CHANGE'}, at)
            d.send('system/remote_device/1/enable', False)
            at = d.wait_event('gateway/remote_device/1/status', 'DISABLED', at)
            d.send('system/remote_device/2/enable', True)
            d.wait_event('gateway/remote_device/2/read/x', None, at)
        (theirs, asked), (ours, we_asked) = self.both(
            play, conf, {'system/remote_device/1/enable': True,
                         'system/remote_device/3/enable': True,
                         'system/remote_device/2/enable': False}, device)

        def sorted_by_device(events):
            return {unit: [e for e in events if f'/remote_device/{unit}' in e[0]]
                    for unit in range(4)}
        self.assertEqual([e for e in ours if '/remote' not in e[0]],
                         [e for e in theirs if '/remote' not in e[0]])
        self.assertEqual(sorted_by_device(ours), sorted_by_device(theirs))
        self.assertEqual(set(we_asked), set(asked))

    def test_timeouts(self):
        def play(d, slave):
            at = d.wait_event('gateway/remote_device/1/status', 'DISCONNECTED')
            at = d.wait_event('gateway/remote_device/1/status', 'CONNECTING', at)
            d.send('system/remote_device/1/write/a', {'request_id': 'w', 'value': 3})
            at = d.wait_event('gateway/remote_device/1/write/a', None, at)
            slave.silent_units.clear()
            d.wait_event('gateway/remote_device/1/read/a', None, at)

        def conf(port):
            return masters.master_conf(port, [(1, [masters.register('a', 1)],
                                               {'timeout_poll_delay': 0.1})],
                                       request_timeout=0.1, request_retry_immediate_count=1,
                                       request_retry_delayed_count=1, request_retry_delay=0.05)
        (theirs, _), (ours, _) = self.both(play, conf, {'system/remote_device/1/enable': True},
                                           lambda: Registers({1: 5}), silent_units={1})

        def distinct(events):
            """How often it went up and down while it waited is a matter of time."""
            out = []
            for e in events:
                if e not in out:
                    out.append(e)
            return out
        self.assertEqual(distinct(ours), distinct(theirs))

    def test_writes(self):
        writes = [('one', -1), ('one', -32768), ('one', True), ('wide', -2), ('coils', -3), ('coil', False),
                  ('one', 65535), ('wide', 0x123456789abcdef01234), ('nibble', 9), ('coil', 1),
                  ('coils', 0b1011), ('tail', 0x1ffff), ('input', 1), ('none', 1)]

        def conf(port):
            return masters.master_conf(port, [(1, [
                masters.register('one', 1, None), masters.register('wide', 10, None, bit_offset=4,
                                                                   bit_count=80),
                masters.register('nibble', 20, None, bit_offset=6, bit_count=4),
                masters.register('tail', 30, None, bit_count=17),
                {**masters.register('coil', 40, None), 'data_type': 'COIL', 'bit_count': 1},
                {**masters.register('coils', 41, None), 'data_type': 'COIL', 'bit_offset': 2,
                 'bit_count': 4},
                {**masters.register('input', 50, None), 'data_type': 'INPUT_REGISTER'}])])

        def play(d, slave):
            d.wait_event('gateway/status', 'CONNECTED')
            time.sleep(0.05)
            ids = [None, 5, -0.5, True, 'text', [1, [2]], {'a': {'b': []}}]
            for i, (name, value) in enumerate(writes):
                ident = [i, ids[i % len(ids)]]
                d.send(f'system/remote_device/1/write/{name}', {'request_id': ident, 'value': value})
                if name not in ('input', 'none'):
                    d.wait_event(f'gateway/remote_device/1/write/{name}', {'request_id': ident, 'result': 'SUCCESS'})
        (theirs, asked), (ours, we_asked) = self.both(play, conf, {}, Registers)
        # What can not be written is answered by us alone.
        self.assertEqual([e[1]['result'] for e in ours if e not in theirs], ['NOT_WRITABLE', 'UNKNOWN_DATA'])
        self.assertEqual([e for e in ours if e in theirs], theirs)
        self.assertEqual(we_asked, asked)


class SlaveDevice(unittest.TestCase):
    maxDiff = None
    DATA = [d for d in slaves.DATA if d['data_type'] != 'QUEUE']
    REQUESTS = [
        (1, b'\x03\0\x0a\0\4'), (1, b'\x03\0\x0a\0\5'), (1, b'\x03\0\x09\0\1'),
        (1, b'\x01\0\5\0\3'), (1, b'\x02\0\x09\0\1'), (1, b'\x04\0\7\0\1'), (2, b'\x03\0\x0a\0\1'),
        (9, b'\x03\0\x0a\0\1'), (0, b'\x03\0\x0a\0\1'), (1, b'\x06\0\x0a\x12\x34'),
        (1, b'\x10\0\x0a\0\2\4\0\1\xaa\xbb'), (1, b'\x10\0\x0d\0\2\4\0\1\xaa\xbb'),
        (1, b'\x0f\0\5\0\2\1\x02'), (1, b'\x05\0\6\xff\0'), (1, b'\x05\0\x08\xff\0'),
        (1, b'\x16\0\x14\x0f\xff\xa0\0'), (1, b'\x16\0\x14\xff\xff\0\0'),
        (1, b'\x16\0\x14\xf0\x0f\x12\x34'), (1, b'\x16\0\x63\0\0\0\0'), (1, b'\x06\0\x14\xff\xff'),
    ]

    def play(self, make, kind):
        conf = slaves.tcp_conf(kind)
        conf['data'] = self.DATA
        latest = {'system/data/a': {'value': 0xbeef}, 'system/data/wide': {'value': 0x12345678},
                  'system/data/coil': {'value': 5}, 'system/data/none': {'value': 5}}
        device = make(conf, latest)
        answers, done = [], threading.Event()

        def answer_writes():
            at, success = 0, True
            while not done.wait(0.005):
                for e in device.events[at:]:
                    at += 1
                    if e.type == 'gateway/write':
                        device.send('system/write', {'request_id': e.payload['request_id'],
                                                     'success': success})
                        success = not success
        thread = threading.Thread(target=answer_writes)
        thread.start()
        try:
            device.wait(lambda: device.events)
            time.sleep(0.1)
            master = slaves.Master(conf['transport']['local_port'], kind)
            device.wait(lambda: len(device.events) == 2)
            for unit, pdu in self.REQUESTS:
                answers.append((unit, pdu, master.ask(pdu, unit)))
            master.close()
            device.wait(lambda: device.events[-1].payload == [])
        finally:
            done.set()
            thread.join()
            device.stop()
        events = []
        for type_, payload in seen(device.events):
            if type_ == 'gateway/write':
                payload = {k: v for k, v in payload.items() if k != 'request_id'}
            elif payload:
                payload = [{k: v for k, v in c.items() if k not in ('local', 'remote')}
                           for c in payload]
            if not events or events[-1] != (type_, payload):
                events.append((type_, payload))
        return answers, events

    def test_answers_and_events(self):
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                theirs = self.play(lambda c, q: Reference(hat_slave.info, c, q), kind)
                ours = self.play(lambda c, q: Ours('modbus_slave', c, q), kind)
                self.assertEqual(ours[0], theirs[0])
                self.assertEqual(ours[1], theirs[1])


if __name__ == '__main__':
    unittest.main()
