#!/usr/bin/env python3
"""Modbus through all of gatewayd: the manual's example and the samples load, values and writes pass, and a
runner that is killed polls again at once."""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
from gatewayd import BUILD, ROOT, Gateway, program, wait_until  # noqa: E402
from manual import displays  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402


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
