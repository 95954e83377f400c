"""TOML configurations: read as Python's tomllib reads them, and gatewayd with one."""

import datetime
import json
import math
import os
import random
import struct
import subprocess
import tomllib
import unittest

import eventer
from gatewayd import PROBE, Gateway

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
SEED = int(os.environ.get('SEED', 0)) or random.randrange(1 << 32)
TEXTS = 20000

# What texts are made of; each is often right, and sometimes not.
KEYS = ['a', 'b', 'c', 'a.b', 'b.a', 'a.b.c', ' a . c ', '"a"', "'b'", '""', '"a.b"', 'd-1_', '1', '1.2', 'é', '"\\u0061"',
        'a.', '.a', '']
SCALARS = ['1', '-0', '+7', '0', '00', '1_0', '1__0', '_1', '1_', '0x1F', '0xg', '-0x1', '0o17', '0o8', '0b101', '0b2',
           '9223372036854775808', '1.5', '-1.5e3', '1e5', '1E+5', '1.', '.5', '1.e5', '1e', '1e_5', '1_0.0_1', '9600.0',
           'inf', '-nan', '+inf', 'true', 'false', 'True', 'truex', 'null', '1979-05-27', '07:32:00',
           '1979-05-27T07:32:00Z', '"x"', "'x'", '"\\t\\"\\\\"', '"\\x"', '"\\u00e9"', '"\\ud800"', '"\\U0010ffff"',
           '"\\U00110000"', '"a\tb"', '"a\x01b"', '"é"', '"""x"""', "'''x'''", '""""x"""""', "''''x'''''", '"""""""',
           '"""\nx\ny"""', "'''\nx\ny'''", '"""a\\\n   b"""', '"""a\\  \n\n  b"""', '"""a\\ b"""', '"""\\"""', '"x', "'x",
           '"""x""', '""', "''", '"x\ny"', '"""\r\nx\r\n"""', '"a"b', '1 2', '"\x7f"', "'''\x00'''", '0.0', '-0.0',
           '5e-324', '123456789.123456789']
ENDS = ['\n', '\n', '\n', '\r\n', ' # c\n', '\t\n', '\n\n', '\n# é\n', '\r', ' x\n', '# \x01\n', '']


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def key(self):
        return self.random.choice(KEYS[:12] if self.random.random() < 0.9 else KEYS)

    def value(self, depth=0):
        r = self.random.random()
        if depth < 3 and r < 0.15:
            space = self.random.choice(['', ' ', '\n', ' # c\n '])
            inner = [self.value(depth + 1) for _ in range(self.random.randrange(4))]
            return '[' + space + (space + ',' + space).join(inner) + self.random.choice(['', ',', space]) + ']'
        if depth < 3 and r < 0.35:
            pairs = [f'{self.key()} = {self.value(depth + 1)}' for _ in range(self.random.randrange(4))]
            return '{' + ', '.join(pairs) + self.random.choice(['', '', '', ' ', ',', '\n']) + '}'
        return self.random.choice(SCALARS if r < 0.6 else SCALARS[:4])

    def line(self):
        r = self.random.random()
        if r < 0.2:
            text = f'[{self.key()}]'
        elif r < 0.35:
            text = f'[[{self.key()}]]'
        else:
            text = f'{self.key()} = {self.value()}'
        return text + self.random.choice(ENDS if self.random.random() < 0.2 else ENDS[:3])

    def text(self):
        data = ''.join(self.line() for _ in range(self.random.randrange(1, 7))).encode()
        if self.random.random() < 0.1:  # and one octet of it is another
            at = self.random.randrange(len(data))
            data = data[:at] + bytes([self.random.choice(b'[]{}.=,"\'\\\n\r \xc3#0')]) + data[at + 1:]
        return data


def expected(data):
    """What JSON can say of it, or None."""
    def check(value):
        if isinstance(value, dict):
            return all(check(v) for v in value.values()) and not any('\0' in k for k in value)
        if isinstance(value, list):
            return all(check(v) for v in value)
        if isinstance(value, float):
            return math.isfinite(value)
        return not isinstance(value, (datetime.date, datetime.time))

    try:
        value = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None
    return value if check(value) else None


class Toml(unittest.TestCase):

    def test_it_is_read_as_tomllib_reads_it(self):
        texts = Texts(SEED)
        accepted = 0
        with subprocess.Popen([os.path.join(BUILD, 'tests/lib/tree-json'), 'toml'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as reader:
            for _ in range(TEXTS):
                data = texts.text()
                reader.stdin.write(struct.pack('<I', len(data)) + data)
                reader.stdin.flush()
                line = reader.stdout.readline()
                found = None if line.startswith(b'!') else json.loads(line.partition(b'\t')[2])
                self.assertEqual(found, expected(data), (SEED, data, line))
                accepted += found is not None
            reader.stdin.close()
        self.assertGreater(accepted, TEXTS / 10)

    def test_gatewayd_runs_and_reloads_one(self):
        with eventer.EventerServer() as server:
            def text(*names):
                devices = ''.join(f'\n[[devices]]\nname = "{n}"\ntype = "probe"\nrunner = "{PROBE}"\n' for n in names)
                return (f'name = "gw"\n\n[event_server.eventer_server]\nhost = "127.0.0.1"\n'
                        f'port = {server.port}\n{devices}')

            for name in ('p1', 'p2'):
                server.preset(f'gateway/probe/{name}/system/enable', eventer.Json(True))
            gateway = Gateway('', start=False)
            gateway.config = os.path.join(gateway.dir, 'gatewayd.toml')
            gateway.write_config(text('p1'))
            with gateway as g:
                g.start()
                g.wait_state('p1', 'running')
                pid = g.status('p1')['pid']
                g.write_config(text('p1', 'p2') + 'x = \n')
                rows = g.ctl.run('reload')
                self.assertEqual(rows.returncode, 1)
                self.assertIn('gatewayd.toml:16:5 not TOML: expected a value, found the end of the line',
                              ' '.join(rows.stdout.split()))
                g.write_config(text('p1', 'p2'))
                g.ctl('reload')
                g.wait_state('p2', 'running')
                self.assertEqual(g.status('p1')['pid'], pid)


if __name__ == '__main__':
    unittest.main()
