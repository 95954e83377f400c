#!/usr/bin/env python3
"""modbus_master on a bad serial line: frames are lost, late, hurt, cut in two or doubled, and no register
ever has another one's value."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
from modbus_peer import Slave  # noqa: E402
from runner_host import Runner  # noqa: E402
from serial_bridge import Bridge, Faults  # noqa: E402
from test_modbus_master import RUNNER, master_conf, register, tty_conf  # noqa: E402

SECONDS = float(os.environ.get('NOISE_SECONDS', '4'))


class Deaf(Slave):
    """What is no request is passed over."""

    def _cut(self, buf):
        while buf:
            try:
                return super()._cut(buf)
            except (AssertionError, ValueError, IndexError):
                buf = buf[1:]
        return None


def value_is_address(slave, transaction, unit, pdu):
    if pdu[0] == 3:
        slave.reply(transaction, unit, b'\x03\x02' + pdu[1:3])
    return True


class Noise(unittest.TestCase):
    def wrong_values(self, kind, faults):
        line = self.enterContext(Bridge(baud=115200, faults=faults))
        slave = Deaf(kind, on_request=value_is_address,
                     fd=os.open(line.b, os.O_RDWR | os.O_NOCTTY))
        remotes = [(unit, [register(f'r{i}', 1000 * unit + 2 * i, 0) for i in range(6)],
                    {'timeout_poll_delay': 0.01}) for unit in (1, 2)]
        r = Runner(RUNNER, 'modbus_master', master_conf(
            tty_conf(line.a), remotes, kind, request_timeout=0.05,
            request_retry_immediate_count=1),
            {f'system/remote_device/{unit}/enable': True for unit in (1, 2)})
        time.sleep(SECONDS)
        r.stop()
        slave.stop()
        reads = [e for e in r.events if '/read/' in e.type]
        self.assertGreater(len(reads), 10)
        self.assertGreater(sum(line.hurt.values()), 10, 'nothing was hurt')
        return [e for e in reads if e.payload.get('value') !=
                1000 * int(e.type.split('/')[2]) + 2 * int(e.type[-1])]

    def test_hurt_frames(self):
        faults = Faults(drop=0.03, delay=0.1, corrupt=0.05, split=0.1)
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                self.assertEqual(self.wrong_values(kind, faults), [])

    def test_doubled_frames(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                self.assertEqual(self.wrong_values(kind, Faults(twice=0.1)), [])


if __name__ == '__main__':
    unittest.main()
