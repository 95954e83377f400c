#!/usr/bin/env python3
"""modbus_master: the real runner process against slaves of ours whose every byte is known."""
import os
import signal
import sys
import threading
import time
import tty
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from modbus_peer import Bridge, Registers, Slave, ascii_, frame, mbap, rtu  # noqa: E402
from runner_host import Runner  # noqa: E402

RUNNER = os.path.join(os.environ.get('BUILD', 'build'), 'libexec/modbus')
REMOTE = 'gateway/remote_device/'


def register(name, address, interval=0.1, **more):
    return {'name': name, 'interval': interval, 'data_type': 'HOLDING_REGISTER',
            'start_address': address, 'bit_offset': 0, 'bit_count': 16, **more}


def tty_conf(path, baud=115200, **more):
    return {'type': 'SERIAL', 'port': path, 'baudrate': baud, 'bytesize': 'EIGHTBITS',
            'parity': 'EVEN', 'stopbits': 'ONE', 'silent_interval': 0.001,
            'flow_control': {'xonxoff': False, 'rtscts': False, 'dsrdtr': False}, **more}


def master_conf(transport, remotes, kind='TCP', **more):
    if isinstance(transport, int):
        transport = {'type': 'TCP', 'host': '127.0.0.1', 'port': transport}
    return {'name': 'm', 'connection': {
        'modbus_type': kind, 'transport': transport, 'connect_timeout': 2, 'connect_delay': 0.3,
        'request_timeout': 0.2, 'request_delay': 0, 'request_retry_immediate_count': 0,
        'request_retry_delayed_count': 0, 'request_retry_delay': 0.1, **more},
        'remote_devices': [{'device_id': unit, 'timeout_poll_delay': 0.2, 'data': data,
                            **extra} for unit, data, extra in
                           ((*r, {})[:3] for r in remotes)]}


class Case(unittest.TestCase):
    def start(self, conf, enabled=(1,), **more):
        latest = {f'system/remote_device/{i}/enable': True for i in enabled}
        runner = Runner(RUNNER, 'modbus_master', conf, latest, **more)
        self.addCleanup(runner.stop)
        return runner

    def slave(self, *args, **kwargs):
        slave = Slave(*args, **kwargs)
        self.addCleanup(slave.stop)
        return slave

    def bridge(self, **kwargs):
        bridge = Bridge(**kwargs)
        self.addCleanup(bridge.stop)
        return bridge


class Events(Case):
    def test_every_event_in_its_order(self):
        slave = self.slave(device=Registers({1: 7, 2: 8}))
        r = self.start(master_conf(slave.port, [(1, [register('a', 1), register('b', 2)]),
                                                (2, [register('c', 1)])]))
        r.wait_event(REMOTE + '1/read/b')
        self.assertEqual([(e.type, e.payload) for e in r.events[:7]], [
            ('gateway/status', 'CONNECTING'), ('gateway/status', 'CONNECTED'),
            (REMOTE + '1/status', 'CONNECTING'), (REMOTE + '2/status', 'DISABLED'),
            (REMOTE + '1/status', 'CONNECTED'),
            (REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 7, 'cause': 'INTERROGATE'}),
            (REMOTE + '1/read/b', {'result': 'SUCCESS', 'value': 8, 'cause': 'INTERROGATE'})])
        slave.device.values[2] = 9
        at = r.wait_event(REMOTE + '1/read/b',
                          {'result': 'SUCCESS', 'value': 9, 'cause': 'CHANGE'})
        self.assertEqual(at, 8, 'a value that did not change was said again')
        # Both registers in one request.
        self.assertEqual({pdu for _, pdu in slave.device.requests}, {b'\x03\0\1\0\2'})
        self.assertEqual(r.stop(), 0)
        self.assertEqual([(e.type, e.payload) for e in r.events[-2:]], [
            (REMOTE + '1/status', 'DISABLED'), ('gateway/status', 'DISCONNECTED')])

    def test_enable_live(self):
        slave = self.slave()
        r = self.start(master_conf(slave.port, [(1, [register('a', 1)])]), enabled=())
        at = r.wait_event(REMOTE + '1/status', 'DISABLED')
        r.send('system/remote_device/1/enable', True)
        at = r.wait_event(REMOTE + '1/status', 'CONNECTED', at)
        at = r.wait_event(REMOTE + '1/read/a', None, at)
        r.send('system/remote_device/1/enable', False)
        at = r.wait_event(REMOTE + '1/status', 'DISABLED', at)
        n = len(slave.device.requests)
        r.send('system/remote_device/1/enable', 'yes')
        r.send_raw('system/remote_device/1/enable', '1')
        time.sleep(0.3)
        self.assertEqual(len(slave.device.requests), n)
        r.send('system/remote_device/1/enable', True)
        r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 0,
                                           'cause': 'INTERROGATE'}, at)

    def test_enabled_by_the_configuration(self):
        slave = self.slave()
        data = [register('a', 1)]
        r = Runner(RUNNER, 'modbus_master', master_conf(slave.port, [
            (unit, data, {'enabled': True}) for unit in (1, 2)] + [(3, data)]),
            {'system/remote_device/2/enable': False})
        self.addCleanup(r.stop)
        r.wait_event(REMOTE + '1/read/a')
        self.assertEqual([e.payload for e in r.events if e.type == REMOTE + '2/status'], ['DISABLED'])
        self.assertEqual([e.payload for e in r.events if e.type == REMOTE + '3/status'], ['DISABLED'])
        r.send('system/remote_device/1/enable', False)
        r.wait_event(REMOTE + '1/status', 'DISABLED')

    def test_errors_by_name(self):
        names = {1: 'INVALID_FUNCTION_CODE', 2: 'INVALID_DATA_ADDRESS', 3: 'INVALID_DATA_VALUE',
                 4: 'FUNCTION_ERROR', 6: 'FUNCTION_ERROR', 10: 'GATEWAY_PATH_UNAVAILABLE',
                 11: 'GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND', 99: 'FUNCTION_ERROR'}
        code = [1]

        def refuse(slave, transaction, unit, pdu):
            slave.reply(transaction, unit, bytes([pdu[0] | 128, code[0]]))
            return True
        slave = self.slave(on_request=refuse)
        r = self.start(master_conf(slave.port, [(1, [register('a', 1, 0.01)])]))
        for code[0], name in names.items():
            r.wait_event(REMOTE + '1/read/a', {'result': name}, len(r.events))
        self.assertIn((REMOTE + '1/status', 'CONNECTED'), [e[:2] for e in r.events])

    def test_writes(self):
        slave = self.slave(device=Registers({10: 0x1234, 11: 0x5678, 12: 0x9abc}))
        r = self.start(master_conf(slave.port, [(1, [
            register('wide', 10, None, bit_offset=8, bit_count=32), register('one', 20, None),
            {**register('coils', 30, None), 'data_type': 'COIL', 'bit_count': 3},
            {**register('input', 40, None), 'data_type': 'INPUT_REGISTER'}])]))
        r.wait_event('gateway/status', 'CONNECTED')
        for name, value in (('wide', 0xa1b2c3d4), ('one', 77), ('coils', 0b101)):
            r.send(f'system/remote_device/1/write/{name}', {'request_id': name, 'value': value})
            r.wait_event(f'{REMOTE}1/write/{name}', {'request_id': name, 'result': 'SUCCESS'})
        values = slave.device.values
        self.assertEqual([values[10], values[11], values[12]], [0x12a1, 0xb2c3, 0xd4bc])
        self.assertEqual([values[20], values[30], values[31], values[32]], [77, 1, 0, 1])
        self.assertEqual([pdu[0] for _, pdu in slave.device.requests], [22, 6, 22, 6, 15])
        for value, sent in ((-1, 0xffff), (-32768, 0x8000), (True, 1), (False, 0)):
            r.send('system/remote_device/1/write/one', {'request_id': sent, 'value': value})
            r.wait_event(REMOTE + '1/write/one', {'request_id': sent, 'result': 'SUCCESS'})
            self.assertEqual(values[20], sent)
        r.send_raw('system/remote_device/1/write/one', '{"request_id": 8, "value": 8.0}')
        r.wait_event(REMOTE + '1/write/one', {'request_id': 8, 'result': 'SUCCESS'})
        self.assertEqual(values[20], 8)

    def test_request_ids_of_any_kind(self):
        slave = self.slave()
        r = self.start(master_conf(slave.port, [(1, [register('a', 1, None)])]))
        r.wait_event('gateway/status', 'CONNECTED')
        for i in (None, 5, -1.25, True, '', 'x' * 5000, [], list(range(1000)), {'a': [{'b': None}]}):
            r.send('system/remote_device/1/write/a', {'request_id': i, 'value': 1})
            r.wait_event(REMOTE + '1/write/a', {'request_id': i, 'result': 'SUCCESS'})
            r.send('system/remote_device/1/write/a', {'request_id': i, 'value': 'x'})
            r.wait_event(REMOTE + '1/write/a', {'request_id': i, 'result': 'INVALID_DATA_VALUE'})

    def test_every_write_has_one_result(self):
        slave = self.slave()
        r = self.start(master_conf(slave.port, [(1, [
            register('one', 20, None), {**register('input', 40, None), 'data_type': 'INPUT_REGISTER'}])]))
        r.wait_event('gateway/status', 'CONNECTED')
        rows = [('1', 'one', {'value': v}, 'INVALID_DATA_VALUE')
                for v in (65536, -32769, 1.5, '1', None, [], {}, 10 ** 700)]
        rows += [('1', 'one', {}, 'INVALID_DATA_VALUE'), ('1', 'input', {'value': 1}, 'NOT_WRITABLE'),
                 ('1', 'none', {'value': 1}, 'UNKNOWN_DATA'), ('9', 'one', {'value': 1}, 'UNKNOWN_DEVICE'),
                 ('x', 'one', {'value': 1}, 'UNKNOWN_DEVICE'), ('1', 'one', {'value': 1}, 'SUCCESS')]
        for i, (unit, name, payload, result) in enumerate(rows):
            with self.subTest(payload=payload, result=result):
                r.send(f'system/remote_device/{unit}/write/{name}', {'request_id': i, **payload})
                r.wait_event(f'{REMOTE}{unit}/write/{name}', {'request_id': i, 'result': result})
        self.assertEqual(len(slave.device.requests), 1)
        # Nobody could know whom these concern.
        n = len(r.events)
        for raw in ('[]', '{"value": 1}', '{"request_id": ', '5'):
            r.send_raw('system/remote_device/1/write/one', raw)
        r.send('system/remote_device/1/write/one', {'request_id': 'last', 'value': 1})
        self.assertEqual(r.wait_event(REMOTE + '1/write/one', {'request_id': 'last', 'result': 'SUCCESS'}), n + 1)
        results = [e.payload['request_id'] for e in r.events if '/write/' in e.type]
        self.assertEqual(results, [*range(len(rows)), 'last'])

    def test_half_done_write_names_its_step(self):
        def refuse_the_middle(slave, transaction, unit, pdu):
            if pdu[0] != 16:
                return False
            slave.reply(transaction, unit, b'\x90\2')
            return True
        slave = self.slave(on_request=refuse_the_middle)
        r = self.start(master_conf(slave.port, [(1, [
            register('wide', 10, None, bit_offset=8, bit_count=48)])]))
        r.wait_event('gateway/status', 'CONNECTED')
        r.send('system/remote_device/1/write/wide', {'request_id': 1, 'value': 1})
        r.wait_event(REMOTE + '1/write/wide', {'request_id': 1, 'result': 'INVALID_DATA_ADDRESS',
                                               'step': 2, 'steps': 3})

    def test_values_wider_than_64_bits(self):
        value = 0x0123456789abcdef00112233445566778899aabbccddeeff
        slave = self.slave(device=Registers(
            {i: value >> 16 * (11 - i) & 0xffff for i in range(12)}))
        r = self.start(master_conf(slave.port, [(1, [register('w', 0, bit_count=192)])]))
        r.wait_event(REMOTE + '1/read/w', {'result': 'SUCCESS', 'value': value,
                                           'cause': 'INTERROGATE'})
        r.send('system/remote_device/1/write/w', {'request_id': 'x', 'value': value ^ 1})
        r.wait_event(REMOTE + '1/read/w', {'result': 'SUCCESS', 'value': value ^ 1,
                                           'cause': 'CHANGE'})

    def test_queue(self):
        slave = self.slave(device=Registers({'queue': [0x1234, 0x5678]}))
        r = self.start(master_conf(slave.port, [(1, [
            {**register('q', 5), 'data_type': 'QUEUE', 'bit_count': 48}])]))
        r.wait_event(REMOTE + '1/read/q', {'result': 'SUCCESS', 'value': 0x123456780000,
                                           'cause': 'INTERROGATE'})


class Typed(Case):
    ROWS = [  # kind and keys, registers, value, another value, its registers
        ('int16', {}, [0xfffe], -2, 5, [5]),
        ('uint16', {'byte_order': 'little'}, [0x0100], 1, 2, [0x0200]),
        ('int32', {'word_order': 'little'}, [0xfffe, 0xffff], -2, 65536, [0, 1]),
        ('uint32', {'byte_order': 'little', 'word_order': 'little'}, [0x0403, 0x0201], 0x01020304, 1, [0x0100, 0]),
        ('int64', {}, [0xffff, 0xffff, 0xffff, 0xfffd], -3, -2 ** 63, [0x8000, 0, 0, 0]),
        ('uint64', {}, [0xffff] * 4, 2 ** 64 - 1, 7, [0, 0, 0, 7]),
        ('float32', {}, [0x3dcc, 0xcccd], 0.1, -1.5, [0xbfc0, 0]),
        ('float32', {'word_order': 'little'}, [0x2000, 0x47f1], 123456.0, 0, [0, 0]),
        ('float64', {}, [0x3fb9, 0x9999, 0x9999, 0x999a], 0.1, 2, [0x4000, 0, 0, 0]),
        ('int16', {'scale': 0.1, 'offset': -40}, [3], -39.7, -40.12, [0xffff]),
        ('string', {'bit_count': 48}, [0x4142, 0x4300, 0], 'ABC', '\u00e9"', [0xc3a9, 0x2200, 0]),
        ('string', {'bit_count': 48, 'byte_order': 'little'}, [0x4241, 0x0043, 0], 'ABC', 'ABCDEF',
         [0x4241, 0x4443, 0x4645])]

    def test_both_ways(self):
        device = Registers()
        data = []
        for i, (kind, keys, regs, *_) in enumerate(self.ROWS):
            device.values.update({10 * i + k: v for k, v in enumerate(regs)})
            data.append(register(f'r{i}', 10 * i, bit_count=16 * len(regs), type=kind) | keys)
        slave = self.slave(device=device)
        r = self.start(master_conf(slave.port, [(1, data)]))
        for i, (*_, value, other, back) in enumerate(self.ROWS):
            with self.subTest(self.ROWS[i]):
                r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': value, 'cause': 'INTERROGATE'})
                r.send(f'system/remote_device/1/write/r{i}', {'request_id': i, 'value': other})
                r.wait_event(f'{REMOTE}1/write/r{i}', {'request_id': i, 'result': 'SUCCESS'})
                self.assertEqual([device.values[10 * i + k] for k in range(len(back))], back)
        for i, value in ((0, 32768), (0, 1.5), (0, 'x'), (1, -1), (6, 1e39), (9, 1e6), (10, 5), (10, 'ABCDEFG')):
            r.send(f'system/remote_device/1/write/r{i}', {'request_id': value, 'value': value})
            r.wait_event(f'{REMOTE}1/write/r{i}', {'request_id': value, 'result': 'INVALID_DATA_VALUE'})

    def test_no_number(self):
        slave = self.slave(device=Registers({0: 0x7fc0, 1: 0}))
        r = self.start(master_conf(slave.port, [(1, [register('f', 0, bit_count=32, type='float32')])]))
        r.wait_event(REMOTE + '1/read/f', {'result': 'SUCCESS', 'value': None, 'cause': 'INTERROGATE'})

    def test_deadband(self):
        slave = self.slave(device=Registers({1: 100}))
        r = self.start(master_conf(slave.port, [(1, [register('a', 1, 0.02, type='int16', scale=0.1, deadband=0.5),
                                                     register('b', 2, 0.02)])]))
        at = r.wait_event(REMOTE + '1/read/a')
        for value, told in ((104, None), (105, None), (106, 10.6), (102, None), (100, 10.0)):
            slave.device.values[1] = value
            n = len(slave.device.requests)
            r.wait(lambda n=n: len(slave.device.requests) > n + 2)
            if told:
                at = r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': told, 'cause': 'CHANGE'}, at)
        self.assertEqual([e.payload['value'] for e in r.events if e.type == REMOTE + '1/read/a'], [10.0, 10.6, 10.0])


class Trouble(Case):
    def test_silent_device_then_back(self):
        slave = self.slave()
        slave.silent_units.add(1)
        r = self.start(master_conf(slave.port, [(1, [register('a', 1)])]))
        at = r.wait_event(REMOTE + '1/status', 'DISCONNECTED')
        at = r.wait_event(REMOTE + '1/status', 'CONNECTING', at)
        r.send('system/remote_device/1/write/a', {'request_id': 'x', 'value': 1})
        r.wait_event(REMOTE + '1/write/a', {'request_id': 'x', 'result': 'TIMEOUT'})
        slave.silent_units.clear()
        r.wait_event(REMOTE + '1/read/a', None, at)
        self.assertEqual(slave.connects, 1)

    def test_silent_devices_starve_nobody(self):
        slave = self.slave()
        slave.silent_units.update(range(2, 10))
        remotes = [(i, [register('a', 1, 0.05)], {'timeout_poll_delay': 0}) for i in range(1, 10)]
        r = self.start(master_conf(slave.port, remotes, request_timeout=0.1,
                                   request_retry_immediate_count=3,
                                   request_retry_delayed_count=2), enabled=range(1, 10))
        r.wait_event(REMOTE + '1/read/a')
        began, count = time.monotonic(), len(slave.device.requests)
        r.wait(lambda: len(slave.device.requests) >= count + 16)
        # A request timeout of another's between any two of its own, 1.6 s, not all of theirs, 51 s.
        self.assertLess(time.monotonic() - began, 8)

    def test_late_answers_are_dropped(self):
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                late = []

                def answer(slave, transaction, unit, pdu):
                    address = pdu[1] << 8 | pdu[2]
                    value = bytes([3, 2, 0, address])
                    if address == 1 and len(late) < 3:
                        late.append(frame(slave.kind, transaction, unit, value))
                        return True  # comes with the next answer
                    if late and late[-1]:
                        slave.raw(late[-1])
                        late[-1] = b''
                        time.sleep(0.02)
                    slave.reply(transaction, unit, value)
                    return True
                slave = self.slave(kind, on_request=answer)
                # Neighbours that are not read in one request: every address answers itself.
                r = self.start(master_conf(slave.port, [(1, [
                    register('r1', 1, 0.05), register('r5', 5, 0.05), register('r9', 9, 0.05)],
                    {'timeout_poll_delay': 0})], kind, request_retry_immediate_count=1))
                r.wait(lambda: len(late) == 3 and late[-1] == b'', 10)
                time.sleep(0.6)
                for e in r.events:
                    if '/read/' in e.type and e.payload['result'] == 'SUCCESS':
                        self.assertEqual(e.payload['value'], int(e.type[-1]), e)
                r.stop()

    def answer_while_stopped(self):
        """For a slave that answers one request while the master does not run, for longer than
        request_timeout: the one that comes when .process is set."""
        stopped = threading.Event()

        def answer(slave, transaction, unit, pdu):
            if not stopped.process:
                return False
            process, stopped.process = stopped.process, None
            process.send_signal(signal.SIGSTOP)
            slave.reply(transaction, unit, b'\x03\2\0\7')
            time.sleep(0.4)
            process.send_signal(signal.SIGCONT)
            stopped.set()
            return True
        stopped.process = None
        return stopped, answer

    def test_answer_while_the_process_does_not_run(self):
        """What is there when it runs again came in time: the machine was busy, not the device."""
        for kind, serial in (('TCP', False), ('RTU', False), ('RTU', True)):
            with self.subTest(kind, serial=serial):
                stopped, answer = self.answer_while_stopped()
                if serial:
                    bridge = self.bridge()
                    fd = os.open(bridge.paths[1], os.O_RDWR | os.O_NOCTTY)
                    slave = self.slave(kind, Registers({1: 7}), answer, fd)
                    transport = tty_conf(bridge.paths[0])
                else:
                    slave = self.slave(kind, Registers({1: 7}), answer)
                    transport = slave.port
                r = self.start(master_conf(transport, [(1, [register('a', 1, 0.02)])], kind))
                r.wait_event(REMOTE + '1/read/a')
                n = len(r.events)
                stopped.process = r.process
                self.assertTrue(stopped.wait(5))
                asked = len(slave.device.requests)
                r.wait(lambda: len(slave.device.requests) > asked + 2)
                self.assertEqual(r.events[n:], [])

    def test_noise_and_split_frames(self):
        for kind in ('TCP', 'RTU', 'ASCII'):
            with self.subTest(kind):
                count = [0]

                def answer(slave, transaction, unit, pdu):
                    good = frame(slave.kind, transaction, unit, b'\x03\x02\x00\x2a')
                    count[0] += 1
                    turn = count[0] % 6
                    if turn == 1:
                        slave.raw(b'\x00\xff\x55\x01\x03\xc8' + good)
                    elif turn == 2:
                        for b in good:
                            slave.raw(bytes([b]))
                            time.sleep(0.001)
                    elif turn == 3:
                        slave.raw(good + good)
                    elif turn == 4:  # another unit, another function, too long, then ours
                        slave.reply(transaction, 9, b'\x03\x02\x00\x01')
                        slave.reply(transaction, unit, b'\x04\x02\x00\x01')
                        if slave.kind != 'TCP':  # there, it would be the answer all the same
                            slave.reply(transaction, unit, b'\x03\x04\x00\x01\x00\x02')
                        slave.raw(good)
                    else:
                        slave.raw(good)
                    return True
                slave = self.slave(kind, on_request=answer)
                r = self.start(master_conf(slave.port, [(1, [register('a', 1, 0.02)])], kind,
                                           request_timeout=1))
                r.wait(lambda: count[0] > 30)
                reads = [e.payload for e in r.events if '/read/' in e.type]
                self.assertEqual(reads, [{'result': 'SUCCESS', 'value': 42,
                                          'cause': 'INTERROGATE'}])
                self.assertEqual(slave.connects, 1)
                r.stop()

    def test_no_reconnect_storm(self):
        def close(slave, *_):
            slave.drop()
            return True
        slave = self.slave(on_request=close)
        r = self.start(master_conf(slave.port, [(1, [register('a', 1)])]))
        r.wait(lambda: slave.connects >= 2)
        began = time.monotonic()
        r.wait(lambda: slave.connects >= 6)
        self.assertGreater(time.monotonic() - began, 3.5 * 0.3)

    def test_connection_lost_and_back(self):
        slave = self.slave()
        r = self.start(master_conf(slave.port, [(1, [register('a', 1)])]))
        at = r.wait_event(REMOTE + '1/read/a')
        slave.drop()
        at = r.wait_event(REMOTE + '1/status', 'DISABLED', at)
        at = r.wait_event('gateway/status', 'DISCONNECTED', at)
        at = r.wait_event('gateway/status', 'CONNECTING', at)
        at = r.wait_event('gateway/status', 'CONNECTED', at)
        at = r.wait_event(REMOTE + '1/status', 'CONNECTING', at)
        r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 0,
                                           'cause': 'INTERROGATE'}, at)

    def test_refused_connection(self):
        slave = self.slave()
        r = Runner(RUNNER, 'modbus_master', master_conf(slave.port, [(1, [register('a', 1)])]),
                   {'system/remote_device/1/enable': True}, refuse=[0])
        self.addCleanup(r.stop)
        at = r.wait_event('gateway/status', 'DISCONNECTED')
        r.refuse.clear()
        r.wait_event('gateway/status', 'CONNECTED', at)

    def test_refused_register(self):
        slave = self.slave(device=Registers({i: i for i in range(10)}))
        slave.device.refused.add(4)
        r = self.start(master_conf(slave.port, [(1, [register(f'r{i}', i) for i in range(10)])]))
        for i in range(10):
            r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'INVALID_DATA_ADDRESS'} if i == 4 else
                         {'result': 'SUCCESS', 'value': i, 'cause': 'INTERROGATE'})
        self.assertFalse([e for e in r.events if e.type != REMOTE + '1/read/r4' and
                          e.payload == {'result': 'INVALID_DATA_ADDRESS'}])

    def test_workarounds(self):
        slave = self.slave()
        data = [register(f'r{i}', 2 * i) for i in range(6)]
        r = self.start(master_conf(slave.port, [
            (1, data, {'hole_registers': 1, 'max_registers': 5}),
            (2, data, {'one_request_per_data': True}),
            (0, [register('all', 7, None)], {'broadcast': True})], connect_pause=1, request_timeout=60),
            enabled=(1, 2))
        r.wait_event('gateway/status', 'CONNECTED')
        self.assertFalse(slave.device.requests)
        time.sleep(0.15)
        self.assertFalse(slave.device.requests)
        r.wait_event(REMOTE + '2/read/r5')
        asked = {(u, p[1] << 8 | p[2], p[3] << 8 | p[4]) for u, p in slave.device.requests}
        self.assertEqual(asked, {(1, 0, 5), (1, 6, 5)} | {(2, 2 * i, 1) for i in range(6)})
        slave.silent_units.add(0)
        r.send('system/remote_device/0/write/all', {'request_id': 'b', 'value': 5})
        r.wait_event(REMOTE + '0/write/all', {'request_id': 'b', 'result': 'SUCCESS'})  # nobody answers it


class Odd(Case):
    """Devices that are right in their way."""

    def test_one_silent_register(self):
        for silent in (3, 0):
            with self.subTest(silent=silent):
                def answer(slave, transaction, unit, pdu):
                    first, n = pdu[1] << 8 | pdu[2], pdu[3] << 8 | pdu[4]
                    return first <= silent < first + n
                slave = self.slave(device=Registers({i: i for i in range(8)}), on_request=answer)
                r = self.start(master_conf(slave.port, [(1, [register(f'r{i}', i) for i in range(6)] +
                                                         [register('apart', 7)], {'timeout_poll_delay': 0})],
                                           request_timeout=0.05))
                for i in range(6):
                    if i != silent:
                        r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': i,
                                                              'cause': 'INTERROGATE'})
                r.wait_event(f'{REMOTE}1/read/r{silent}', {'result': 'TIMEOUT'})
                slave.device.values[5] = 50
                r.wait_event(REMOTE + '1/read/r5', {'result': 'SUCCESS', 'value': 50, 'cause': 'CHANGE'})
                self.assertFalse([e for e in r.events if e.payload == 'DISCONNECTED'])
                reads = [(e.type, str(e.payload)) for e in r.events if '/read/' in e.type and
                         e.payload['result'] == 'SUCCESS']
                self.assertEqual(len(reads), len(set(reads)), 'a register was registered again')
                r.stop()

    def test_register_that_ends_the_connection(self):
        def answer(slave, transaction, unit, pdu):
            if pdu[2] != 0:
                return False
            slave.drop()
            return True
        slave = self.slave(device=Registers({2: 2, 4: 4}), on_request=answer)
        r = self.start(master_conf(slave.port, [(1, [register(f'r{i}', 2 * i) for i in range(3)])],
                                   connect_delay=0.05))
        for i in (1, 2):
            r.wait_event(f'{REMOTE}1/read/r{i}')

    def test_closes_after_answers(self):
        for answers in (1, 2, 3):
            with self.subTest(answers):
                count = [0]

                def answer(slave, transaction, unit, pdu, answers=answers, count=count):
                    slave.reply(transaction, unit, slave.device.answer(unit, pdu))
                    count[0] += 1
                    if count[0] % answers == 0:
                        slave.drop()
                    return True
                slave = self.slave(device=Registers({2 * i: i for i in range(8)}), on_request=answer)
                r = self.start(master_conf(slave.port, [(1, [register(f'r{i}', 2 * i, 0.2) for i in range(8)])],
                                           connect_delay=5, request_timeout=1))
                began = time.monotonic()
                for i in range(8):
                    r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': i,
                                                          'cause': 'INTERROGATE'})
                for i in range(20):
                    r.send('system/remote_device/1/write/r1', {'request_id': i, 'value': i})
                    r.wait_event(REMOTE + '1/write/r1', {'request_id': i, 'result': 'SUCCESS'})
                self.assertLess(time.monotonic() - began, 4, 'it was waited between connections')
                # What was read a moment ago is not read again for each new connection.
                began, n = time.monotonic(), len(slave.device.requests)
                r.wait(lambda: len(slave.device.requests) >= n + 16)
                self.assertGreater(time.monotonic() - began, 0.15)
                r.stop()

    def test_writes_and_connections(self):
        """Without one a write waits for as long as its request may take; one that is lost says so."""
        def lose(slave, transaction, unit, pdu):
            if pdu[0] == 6 and pdu[4] == 9:
                slave.drop()
            return pdu[0] == 6 and pdu[4] == 9
        slave = self.slave(on_request=lose)
        r = Runner(RUNNER, 'modbus_master', master_conf(
            slave.port, [(1, [register('a', 1, None)])], request_timeout=0.5), {}, refuse=[0])
        self.addCleanup(r.stop)
        r.wait_event('gateway/status', 'DISCONNECTED')
        began = time.monotonic()
        r.send('system/remote_device/1/write/a', {'request_id': 1, 'value': 1})
        r.wait_event(REMOTE + '1/write/a', {'request_id': 1, 'result': 'NOT_CONNECTED'})
        self.assertGreater(time.monotonic() - began, 0.4)
        at = len(r.events)
        r.send('system/remote_device/1/write/a', {'request_id': 2, 'value': 2})
        r.refuse.clear()
        at = r.wait_event(REMOTE + '1/write/a', {'request_id': 2, 'result': 'SUCCESS'}, at)
        slave.drop()
        at = r.wait_event('gateway/status', 'CONNECTED', at)
        r.send('system/remote_device/1/write/a', {'request_id': 3, 'value': 9})
        r.wait_event(REMOTE + '1/write/a', {'request_id': 3, 'result': 'CONNECTION_LOST'}, at)
        slave.silent_units.add(1)
        r.wait_event('gateway/status', 'CONNECTED', at + 1)
        r.send('system/remote_device/1/write/a', {'request_id': 4, 'value': 4})
        r.stop()
        results = {e.payload['request_id']: e.payload['result'] for e in r.events if '/write/' in e.type}
        self.assertIn(results[4], ('NOT_CONNECTED', 'TIMEOUT'))
        ids = [e.payload['request_id'] for e in r.events if '/write/' in e.type]
        self.assertEqual(ids, [1, 2, 3, 4])

    def test_untidy_answers_over_tcp(self):
        def answer(slave, transaction, unit, pdu):
            right = slave.device.answer(unit, pdu)
            if pdu[0] == 3:  # four octets a register, and one more
                right = bytes([3, 2 * right[1]]) + right[2:] + bytes(right[1]) + b'\0'
            elif pdu[0] == 1:
                right = bytes([1, 4]) + right[2:].ljust(4, b'\0')
            elif pdu[0] == 16:
                right = pdu
            elif pdu[0] == 6:
                right = pdu[:3] + b'\0\x64'
            slave.reply(transaction, unit, right)
            return True
        slave = self.slave(device=Registers({1: 7, 2: 8, 9: 1}), on_request=answer)
        r = self.start(master_conf(slave.port, [(1, [
            register('a', 1), register('b', 2), {**register('c', 9), 'data_type': 'COIL', 'bit_count': 1},
            register('wide', 20, None, bit_count=32)])]))
        for name, value in (('a', 7), ('b', 8), ('c', 1)):
            r.wait_event(f'{REMOTE}1/read/{name}', {'result': 'SUCCESS', 'value': value, 'cause': 'INTERROGATE'})
        for name in ('wide', 'a', 'b'):
            r.send(f'system/remote_device/1/write/{name}', {'request_id': name, 'value': 200})
            r.wait_event(f'{REMOTE}1/write/{name}', {'request_id': name, 'result': 'SUCCESS'})
        self.assertEqual(slave.connects, 1)
        r.wait(lambda: any('answers the write of 200' in line for line in r.log))
        r.stop()
        self.assertEqual(len([line for line in r.log if 'answers the write of 200' in line]), 1)

    def test_zero_transactions(self):
        def answer(slave, transaction, unit, pdu):
            slave.raw(mbap(0, unit, slave.device.answer(unit, pdu)))
            return True
        slave = self.slave(device=Registers({1: 7}), on_request=answer)
        r = self.start(master_conf(slave.port, [(1, [register('a', 1)])], accept_zero_transaction=True))
        r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 7, 'cause': 'INTERROGATE'})
        strict = self.start(master_conf(slave.port, [(1, [register('a', 1)])]))
        r.stop()
        strict.wait_event(REMOTE + '1/status', 'DISCONNECTED')
        self.assertFalse([e for e in strict.events if '/read/' in e.type])

    def test_busy(self):
        for code in (5, 6):
            with self.subTest(code):
                count = {}

                def answer(slave, transaction, unit, pdu, count=count, code=code):
                    count[pdu[0]] = count.get(pdu[0], 0) + 1
                    if count[pdu[0]] > 2:
                        return False
                    slave.reply(transaction, unit, bytes([pdu[0] | 128, code]))
                    return True
                slave = self.slave(device=Registers({1: 7}), on_request=answer)
                r = self.start(master_conf(slave.port, [(1, [register('a', 1)])], request_retry_immediate_count=1,
                                           request_retry_delayed_count=1, request_retry_delay=0.05))
                r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 7, 'cause': 'INTERROGATE'})
                r.send('system/remote_device/1/write/a', {'request_id': 1, 'value': 8})
                r.wait_event(REMOTE + '1/write/a', {'request_id': 1, 'result': 'SUCCESS'})
                self.assertFalse([e for e in r.events if 'ERROR' in str(e.payload)])
                r.stop()

    def test_block_that_is_refused_as_such(self):
        for code in (1, 4):
            with self.subTest(code):
                def answer(slave, transaction, unit, pdu, code=code):
                    if pdu[4] <= 2:
                        return False
                    slave.reply(transaction, unit, bytes([pdu[0] | 128, code]))
                    return True
                slave = self.slave(device=Registers({i: i for i in range(4)}), on_request=answer)
                r = self.start(master_conf(slave.port, [(1, [register(f'r{i}', i) for i in range(4)])]))
                for i in range(4):
                    r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': i, 'cause': 'INTERROGATE'})
                r.stop()


class Serial(Case):
    def serial(self, kind='RTU', baud=None, device=None, on_request=None, **more):
        bridge = self.bridge(baud=baud)
        slave = self.slave(kind, device, on_request, fd=os.open(bridge.paths[1],
                                                               os.O_RDWR | os.O_NOCTTY))
        conf = master_conf(tty_conf(bridge.paths[0], baud or 115200),
                           [(1, [register('a', 1, 0.02)])], kind, **more)
        return bridge, slave, conf

    def test_silent_interval(self):
        """What is configured, from 3.5 characters on; less is no answer at 115200 baud, where the standard says
        1.75 ms."""
        for configured, least, most in ((0.0005, 0.0005, 0.0017), (0.0001, 0.00175, 0.01)):
            with self.subTest(configured):
                bridge, slave, conf = self.serial(device=Registers({1: 5}))
                conf['connection']['transport']['silent_interval'] = configured
                conf['remote_devices'][0]['data'][0]['interval'] = 0
                r = self.start(conf)
                r.wait(lambda: len(slave.device.requests) > 300)
                r.stop()
                log = list(bridge.log)
                gaps = [b[0] - a[0] for a, b in zip(log, log[1:]) if (a[1], b[1]) == (1, 0)]
                self.assertGreater(min(gaps), least * 0.95)
                self.assertLess(min(gaps), most)

    def test_rtu_and_ascii(self):
        for kind in ('RTU', 'ASCII', 'TCP'):
            with self.subTest(kind):
                _, slave, conf = self.serial(kind, device=Registers({1: 5}))
                r = self.start(conf)
                r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 5,
                                                   'cause': 'INTERROGATE'})
                r.send('system/remote_device/1/write/a', {'request_id': 'x', 'value': 6})
                r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 6,
                                                   'cause': 'CHANGE'})

    def test_silence_between_frames(self):
        for baud, least in ((9600, 3.5 * 11 / 9600), (115200, 0.001)):  # at 9600 more than is configured
            with self.subTest(baud):
                bridge, slave, conf = self.serial(baud=baud)
                conf['remote_devices'][0]['data'] = [register(f'r{i}', i, 0) for i in range(10)]
                conf['connection']['request_timeout'] = 2
                r = self.start(conf)
                r.wait(lambda: len(slave.device.requests) > 40)
                r.stop()
                silences, last = [], None
                for t, side, _ in list(bridge.log):
                    if last and side == 0 and last[1] == 1:
                        silences.append(t - bridge.char - last[0])
                    last = (t, side)
                silences.sort()
                # Never less; and of the line's time that a read takes, the master wastes little
                # (where the machine has time for it: others run on it as well).
                self.assertGreater(silences[0], least)
                cycle = (8 + 25) * bridge.char + 2 * least
                self.assertLess(silences[2] - least, (0.2 if 'san' in RUNNER else 0.05) * cycle)

    def test_echo(self):
        def echo(slave, transaction, unit, pdu):
            slave.raw(rtu(unit, pdu))
            slave.reply(transaction, unit, slave.device.answer(unit, pdu))
            return True
        _, slave, conf = self.serial(device=Registers({1: 5}), on_request=echo)
        r = self.start(conf)
        r.wait_event(REMOTE + '1/read/a')
        r.send('system/remote_device/1/write/a', {'request_id': 'x', 'value': 6})
        r.wait_event(REMOTE + '1/write/a', {'request_id': 'x', 'result': 'SUCCESS'})
        r.wait_event(REMOTE + '1/read/a', {'result': 'SUCCESS', 'value': 6, 'cause': 'CHANGE'})
        self.assertEqual([e for e in r.events if e.payload == 'DISCONNECTED'], [])

    def test_echo_of_a_device_that_is_off(self):
        for kind, wrap in (('RTU', rtu), ('ASCII', ascii_)):
            for polled in (False, True):
                with self.subTest(kind, polled=polled):
                    off, writes = threading.Event(), []

                    def echo(slave, transaction, unit, pdu, wrap=wrap, off=off, writes=writes):
                        writes.append(pdu[0])
                        slave.raw(wrap(unit, pdu))
                        if not off.is_set():
                            slave.reply(transaction, unit, slave.device.answer(unit, pdu))
                        return True
                    _, slave, conf = self.serial(kind, None, Registers({1: 5}), echo, request_timeout=0.1)
                    conf['remote_devices'][0]['data'] = [
                        register('r', 1, 0.02 if polled else None), register('m', 2, None, bit_count=4),
                        {**register('c', 3, None), 'data_type': 'COIL', 'bit_count': 1}]
                    r = self.start(conf)
                    r.wait_event('gateway/status', 'CONNECTED')
                    if polled:
                        r.wait_event(REMOTE + '1/read/r')
                    else:
                        off.set()
                    for turn in range(3):
                        for name in 'rmc':
                            if turn == 1:
                                off.set()
                            elif turn == 2:
                                off.clear()
                            ident = f'{turn}{name}'
                            r.send('system/remote_device/1/write/' + name, {'request_id': ident, 'value': 1})
                            r.wait_event(REMOTE + '1/write/' + name, {
                                'request_id': ident,
                                'result': 'SUCCESS' if turn == 2 or polled and turn == 0 else 'TIMEOUT'})
                    self.assertLessEqual({5, 6, 22}, set(writes))
                    r.stop()

    def test_writes_on_a_line_without_an_echo(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                _, slave, conf = self.serial(kind)
                conf['remote_devices'][0]['data'] = [register('r', 1, None)]
                r = self.start(conf)
                r.wait_event('gateway/status', 'CONNECTED')
                r.send('system/remote_device/1/write/r', {'request_id': 1, 'value': 6})
                r.wait_event(REMOTE + '1/write/r', {'request_id': 1, 'result': 'SUCCESS'})
                self.assertEqual(slave.device.values[1], 6)
                r.stop()

    def test_what_flow_control_held_back_is_not_done_later(self):
        xon, xoff = b'\x11', b'\x13'
        fd, end = os.openpty()
        tty.setraw(end)
        transport = tty_conf(os.ttyname(end))
        transport['flow_control']['xonxoff'] = True
        r = self.start(master_conf(transport, [(1, [register('a', 1, None)])], 'ASCII'), ())
        r.wait_event(REMOTE + '1/status', 'DISABLED')
        os.write(fd, xoff)
        time.sleep(0.1)
        r.send('system/remote_device/1/write/a', {'request_id': '1', 'value': 7})
        at = r.wait_event(REMOTE + '1/write/a', {'request_id': '1', 'result': 'TIMEOUT'})
        os.write(fd, xon)
        r.send('system/remote_device/1/write/a', {'request_id': '2', 'value': 8})
        r.wait_event(REMOTE + '1/write/a', {'request_id': '2', 'result': 'TIMEOUT'}, at)
        self.assertEqual(os.read(fd, 100), ascii_(1, b'\x06\0\1\0\x08'))
        r.stop()
        os.close(fd)
        os.close(end)

    def test_unplug_and_replug(self):
        bridge, slave, conf = self.serial()
        link = f'/tmp/modbus-test-{os.getpid()}'
        os.symlink(bridge.paths[0], link)
        self.addCleanup(os.unlink, link)
        conf['connection']['transport']['port'] = link
        r = self.start(conf)
        at = r.wait_event(REMOTE + '1/read/a')
        bridge.vanish(0)
        at = r.wait_event('gateway/status', 'DISCONNECTED', at)
        again, _, _ = self.serial()
        os.unlink(link)
        os.symlink(again.paths[0], link)
        at = r.wait_event('gateway/status', 'CONNECTED', at)
        r.wait_event(REMOTE + '1/read/a', None, at)
        self.assertIsNone(r.closed)


class Predecessor(Case):
    """What a killed master asked last is answered to its successor, on a line whose frames say nothing of the
    question."""

    def test_answer_to_a_killed_master(self):
        for kind, serial in (('RTU', True), ('ASCII', True), ('RTU', False)):
            with self.subTest(kind=kind, serial=serial):
                asked = threading.Event()

                def hold(slave, transaction, unit, pdu):
                    if pdu[2] == 7:  # of the one that is killed
                        asked.set()
                    return pdu[2] == 7
                bridge = self.bridge()
                fd = os.open(bridge.paths[1], os.O_RDWR | os.O_NOCTTY) if serial else None
                slave = self.slave(kind, Registers({1: 5}), hold, fd=fd)
                transport = tty_conf(bridge.paths[0]) if serial else slave.port

                def conf(address):
                    return master_conf(transport, [(1, [register('a', address)])], kind)
                first = self.start(conf(7))
                self.assertTrue(asked.wait(5))
                first.process.kill()
                first.process.wait()
                second = self.start(conf(1))
                at = second.wait_event('gateway/status', 'CONNECTED')
                late = frame(kind, 0, 1, bytes([3, 2, 0xde, 0xad]))
                if serial:
                    slave.raw(late)
                else:  # a serial server gives it to the connection that it has
                    second.wait(lambda: slave.connects == 2)
                    slave.conn.sendall(late)
                at = second.wait_event(REMOTE + '1/read/a', None, at)
                self.assertEqual(second.events[at - 1].payload['value'], 5)
                second.stop()


class Config(Case):
    def faults(self, change):
        conf = master_conf(502, [(1, [register('a', 1)])])
        change(conf)
        r = Runner(RUNNER, 'modbus_master', conf, check_only=True)
        self.assertEqual(r.process.wait(5), 78)
        r.wait(lambda: r.closed)
        r.stop()
        return [path for severity, path, _ in r.config_errors if severity == 1]

    def test_of_one_name_the_last_one_counts(self):
        conf = master_conf(0, [(1, [register('a', 1, 0.1), register('b', 2), register('a', 3, 0.1)])])
        slave = Slave(device=Registers({1: 10, 2: 20, 3: 30}))
        self.addCleanup(slave.stop)
        conf['connection']['transport']['port'] = slave.port
        r = Runner(RUNNER, 'modbus_master', conf, {'system/remote_device/1/enable': True})
        self.addCleanup(r.stop)
        at = r.wait_event(REMOTE + '1/read/a')
        self.assertEqual(r.events[at - 1].payload['value'], 30)
        self.assertEqual([(s, p) for s, p, _ in r.config_errors], [(0, 'remote_devices[0].data[2].name')])

    def test_of_one_id_the_last_one_counts(self):
        slave = self.slave(device=Registers({1: 10, 2: 20, 3: 30, 4: 40}))
        r = self.start(master_conf(slave.port, [
            (1, [register('a', 1)]), (2, [register('b', 2)]), (1, [register('a', 3)]), (1, [register('a', 4, 0.1)])]),
            enabled=(1, 2))
        at = r.wait_event(REMOTE + '1/read/a')
        self.assertEqual(r.events[at - 1].payload['value'], 40)
        r.wait_event(REMOTE + '2/read/b')
        self.assertEqual([(s, p) for s, p, _ in r.config_errors],
                         [(0, f'remote_devices[{i}].device_id') for i in (2, 3)])

    def test_faults_have_paths(self):
        def data(**more):
            return lambda c: c['remote_devices'][0]['data'][0].update(more)
        rows = [
            (lambda c: c['connection'].pop('connect_delay'), 'connection.connect_delay'),
            (lambda c: c['connection'].update(modbus_type='X'), 'connection.modbus_type'),
            (lambda c: c['connection']['transport'].update(port=70000),
             'connection.transport.port'),
            (lambda c: c['connection']['transport'].update(type='SERIAL'),
             'connection.transport.baudrate'),
            (lambda c: c['remote_devices'][0].update(device_id=256), 'remote_devices[0].device_id'),
            (data(start_address=65535, bit_count=32), 'remote_devices[0].data[0]'),
            (data(bit_count=0), 'remote_devices[0].data[0].bit_count'),
            (data(bit_offset=1, bit_count=2000), 'remote_devices[0].data[0]'),
            (data(interval=-1), 'remote_devices[0].data[0].interval'),
            (data(data_type='REGISTER'), 'remote_devices[0].data[0].data_type'),
            (data(type='int8'), 'remote_devices[0].data[0].type'),
            (data(type='int32'), 'remote_devices[0].data[0]'),
            (data(scale=2), 'remote_devices[0].data[0]'),
            (data(type='int16', scale=0), 'remote_devices[0].data[0]'),
            (data(type='int16', word_order='middle'), 'remote_devices[0].data[0].word_order'),
            (data(type='string', bit_count=12), 'remote_devices[0].data[0]'),
            (data(type='string', deadband=1), 'remote_devices[0].data[0]'),
            (data(type='int16', data_type='COIL'), 'remote_devices[0].data[0]'),
        ]
        for change, path in rows:
            with self.subTest(path):
                self.assertIn(path, self.faults(change))


if __name__ == '__main__':
    unittest.main()
