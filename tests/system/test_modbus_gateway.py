#!/usr/bin/env python3
"""Modbus through all of gatewayd: the manual's example and the samples load, values and writes pass, and a
runner that is killed polls again at once."""
import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
from gatewayd import BUILD, ROOT, Gateway, program, wait_until  # noqa: E402
from manual import displays, rendered  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from runner_host import Runner  # noqa: E402
from test_modbus_master import RUNNER, master_conf, register  # noqa: E402
from test_modbus_slave import Master, tcp_conf  # noqa: E402


def check(path):
    p = subprocess.run([program('gatewayd'), '--check', '--config', path], capture_output=True,
                       text=True, timeout=20)
    return p.returncode, p.stdout + p.stderr


class Texts(unittest.TestCase):
    def test_samples(self):
        paths = glob.glob(os.path.join(ROOT, 'etc/samples/modbus-*.yaml'))
        self.assertGreaterEqual(len(paths), 3)
        for path in paths:
            self.assertEqual(check(path)[0], 0, check(path)[1])

    def test_example_of_the_manual(self):
        example = displays('gateway-modbus.7')[0] + '\n'
        with tempfile.NamedTemporaryFile('w', suffix='.yaml') as f:
            f.write('name: gw\n' + example)
            f.flush()
            self.assertEqual(check(f.name)[0], 0, check(f.name)[1])


def payloads():
    """Type and payload of each example of PAYLOADS, in the order of the page."""
    text = '\n'.join(displays('gateway-modbus.7', 'PAYLOADS'))
    found = re.findall(r'(?m)^((?:gateway|system)/\S+)\n((?: +.*\n?)+)', text)
    return [(kind, json.loads(payload)) for kind, payload in found]


def data_of_the_example():
    """Each is a flow mapping of plain scalars, in YAML."""
    def scalar(text):
        try:
            return json.loads(text)
        except ValueError:
            return text
    text = displays('gateway-modbus.7')[0].partition(' data:')[2]
    return [{k: scalar(v) for k, v in re.findall(r'(\w+): ([^,\s]+)', item)}
            for item in re.findall(r'- \{(.*?)\}', text, re.S)]


class Payloads(unittest.TestCase):
    """What the page shows is what the devices take and register, in that order."""

    def start(self, kind, conf):
        r = Runner(RUNNER, kind, conf)
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        return r

    def test_master(self):
        found = payloads()[:-4]
        self.assertEqual(len(found), 14)
        device = Registers({1000: 0x1234, 1001: 0x5678, 1002: 0x9abc, 1010: 65536 - 125,
                            **dict(enumerate((0x4143, 0x4d45, 0, 0)))})
        device.refused.add(99)

        def answer(slave, transaction, unit, pdu):
            if pdu[:3] != b'\x06\x07\xd1':
                return False
            slave.reply(transaction, unit, b'\x86\2')
            return True
        slave = Slave(device=device, on_request=answer)
        self.addCleanup(slave.stop)
        r = self.start('modbus_master', master_conf(slave.port, [(1, data_of_the_example())]))
        at = 0
        for kind, payload in found:
            if kind.startswith('system/'):
                r.send(kind, payload)
            else:
                before = 0 if payload == 'CONNECTED' or payload.get('cause') == 'INTERROGATE' else at
                at = max(at, r.wait_event(kind, payload, before))

    def test_slave(self):
        found = payloads()[-4:]
        conf = tcp_conf('TCP')
        conf['data'] = [{**conf['data'][0], 'name': 'level', 'start_address': 10, 'bit_offset': 0, 'bit_count': 16}]
        self.assertEqual(conf['data'][0]['data_type'], 'HOLDING_REGISTER')
        r = self.start('modbus_slave', conf)
        r.send(*found[0])
        m = Master(conf['transport']['local_port'], 'TCP')
        self.addCleanup(m.close)
        r.wait(lambda: m.ask(b'\3\0\x0a\0\1') == bytes([3, 2, 0, found[0][1]['value']]))
        at = r.wait_event('gateway/connections')
        r.wait(lambda: [e for e in r.events if e.type == found[1][0] and e.payload])
        (connection,) = [e.payload for e in r.events if e.type == found[1][0] and e.payload][0]
        for side in ('local', 'remote'):
            connection[side]['port'] = found[1][1][0][side]['port']
        self.assertEqual([connection], found[1][1])
        m.send(bytes([6, 0, 10, 0, found[2][1]['data'][0]['value']]))
        at = r.wait_event(found[2][0])
        ident = r.events[at - 1].payload['request_id']
        self.assertEqual({**r.events[at - 1].payload, 'request_id': found[2][1]['request_id']}, found[2][1])
        r.send(found[3][0], {**found[3][1], 'request_id': ident})
        self.assertEqual(m.receive()[0], 6)

    def test_keys(self):
        """The page names the keys that there are, with their limits."""
        text = re.sub(r'\s+', ' ', rendered('gateway-modbus.7'))
        for part in ('request_timeout: number, 0 to 100000000',
                     'max_registers: integer, 1 to 125, optional, default 125',
                     'bit_count: integer, 1 to 2000', 'accept_zero_transaction: boolean, optional, default false'):
            self.assertIn(part, text)


class Whole(unittest.TestCase):
    def setUp(self):
        self.slave = Slave(device=Registers({1000: 0x1234, 1001: 0x5678, 1002: 0x9abc}))
        self.addCleanup(self.slave.stop)
        conf = master_conf(self.slave.port, [(1, [
            register('energy', 1000, 0.02, bit_offset=8, bit_count=32)])])
        conf['module'] = 'hat.gateway.devices.modbus.master'
        self.g = self.enterContext(Gateway({'devices': [conf]}))
        self.g.enable('m')
        self.g.wait_state('m', 'running')
        self.g.ctl('send', 'm', 'remote_device/1/enable', 'true')

    def latest(self, kind, name):
        for e in self.g.ctl('events', '*'):
            if e['type'][3:4] == ['gateway'] and e['type'][-2:] == [kind, name]:
                return e['payload']

    def test_value_and_write(self):
        self.g.wait(lambda: self.latest('read', 'energy') == {
            'result': 'SUCCESS', 'value': 0x3456789a, 'cause': 'INTERROGATE'}, 'the value')
        self.g.ctl('send', 'm', 'remote_device/1/write/energy',
                   '{"request_id": "1", "value": 305419896}')
        self.g.wait(lambda: self.latest('write', 'energy') == {
            'request_id': '1', 'result': 'SUCCESS'}, 'the result')
        values = self.slave.device.values
        self.assertEqual([values[i] for i in (1000, 1001, 1002)], [0x1212, 0x3456, 0x78bc])
        self.g.wait(lambda: self.latest('read', 'energy')['value'] == 305419896, 'the change')

    def test_killed_runner_polls_again(self):
        self.g.wait(lambda: self.latest('read', 'energy'), 'the value')
        pid = self.g.status('m')['pid']
        os.kill(pid, signal.SIGKILL)
        begin, n = time.monotonic(), len(self.slave.device.requests)
        wait_until(lambda: len(self.slave.device.requests) > n + 2, 'polls')
        self.assertLess(time.monotonic() - begin, 1.0)
        self.assertNotEqual(self.g.status('m')['pid'], pid)


if __name__ == '__main__':
    unittest.main()
