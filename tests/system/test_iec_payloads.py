"""The payloads that gateway-iec101(7), gateway-iec103(7) and gateway-iec104(7) show, as mandoc and groff render them,
are what the devices take and register: each is sent by one and received by the other."""
import json
import os
import re
import sys
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))

import iec104  # noqa: E402
import iec_serial as lib  # noqa: E402
from manual import displays  # noqa: E402
from serial_bridge import Bridge  # noqa: E402

STAMP = [1700000000, 0]
ENABLE = {'system/remote_device/1/enable': True}


def examples(page):
    """Type and payload of each, in the order of the page."""
    text = '\n'.join(displays(page, 'PAYLOADS'))
    found = re.findall(r'(?m)^((?:data|command|(?:counter_)?interrogation)/\S+)\n((?: +.*\n?)+)', text)
    return [(kind, json.loads(payload)) for kind, payload in found]


class Case(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        if not os.access(lib.EXECUTABLE, os.X_OK):
            self.skipTest(f'{lib.EXECUTABLE} is not built')

    def start(self, *args, **keys):
        runner = lib.start(*args, **keys)
        self.addCleanup(lambda: self.assertEqual(runner.stop(), 0))
        return runner

    def send(self, runner, kind, payload, stamped=False):
        runner.send_events([[('system/' + kind).split('/'), [0, 0], STAMP if stamped else None, json.dumps(payload)]])

    def received(self, runner, kind, expected):
        at = runner.wait_event('gateway/' + kind, expected, self.seen.get(runner, 0))
        self.seen[runner] = at
        return at


class Stations(Case):
    """A master and a slave of ours, connected: what one takes, the other registers."""

    def run_page(self, page, slave, master, below):
        self.seen = {}
        found = examples(page)
        kinds = {tuple(kind.split('/')[:2]) for kind, _ in found}
        self.assertEqual(len([k for k in kinds if k[0] == 'data']), 12)
        self.assertEqual(len([k for k in kinds if k[0] == 'command']), 7)
        self.assertIn(('counter_interrogation/1', True), [(kind, 'connection_id' in p) for kind, p in found])
        for kind, payload in found:
            with self.subTest(f'{kind} {payload}'):
                plain = {k: v for k, v in payload.items() if k != 'connection_id'}
                if kind.startswith('data'):
                    tagged = 'status' not in kind and payload['data']['quality'] is not None
                    self.send(slave, kind, payload, tagged)
                    at = self.received(master, below + kind, payload)
                    self.assertEqual(master.stamps[at - 1], 1700000000 if tagged else None)
                elif kind.startswith('counter') and 'connection_id' in payload:
                    self.send(master, below + kind, plain)
                    self.received(slave, kind, payload)
                elif 'connection_id' in payload:
                    self.send(slave, kind, payload)
                    self.received(master, below + kind, plain)
                elif 'is_negative_confirm' in payload:
                    self.received(master, below + kind, payload)
                elif kind.startswith('command'):
                    self.send(master, below + kind, payload)
                    self.received(slave, kind, {'connection_id': 1, **payload})
                else:
                    self.send(master, below + kind, payload)

    def points(self, page):
        kinds = sorted({tuple(kind.split('/')[1:]) for kind, _ in examples(page) if kind.startswith('data')})
        return [{**lib.point(t.upper(), int(a), int(io)), **({'freeze': True} if t == 'binary_counter' else {})} for t, a, io in kinds]

    def test_gateway_iec104(self):
        page = 'gateway-iec104.7'
        slave = self.start('iec104_slave', iec104.slave_conf(iec104.free_port(), self.points(page)))
        slave.wait(lambda: slave.ready)
        master = self.start('iec104_master', iec104.master_conf(slave.port))
        master.wait_event('gateway/status', 'CONNECTED')
        self.run_page(page, slave, master, '')

    def test_gateway_iec101(self):
        page = 'gateway-iec101.7'
        line = self.enterContext(Bridge())
        slave = self.start('iec101_slave', {**lib.slave101(line.b, [1], self.points(page), keep_alive=60)})
        master = self.start('iec101_master', lib.master101(line.a, [lib.remote(1)]), ENABLE)
        master.wait_event('gateway/remote_device/1/status', 'CONNECTED')
        slave.wait(lambda: any(e.type == 'gateway/connections' and e.payload for e in slave.events))
        self.run_page(page, slave, master, 'remote_device/1/')


class Protection(Case):

    MEASURANDS = [['m1_i_l2', 'm1_u_l12', 'm1_p', 'm1_q'],
                  ['m2_i_l1', 'm2_i_l2', 'm2_i_l3', 'm2_u_l1e', 'm2_u_l2e', 'm2_u_l3e', 'm2_p', 'm2_q', 'm2_f']]
    CAUSES = {'SPONTANEOUS': 1, 'CYCLIC': 2, 'GENERAL_INTERROGATION': 9}

    def asdu(self, kind, payload):
        """What a device sends, so that it is that event."""
        _, name, common, fun, inf = kind.split('/')
        cause = self.CAUSES.get(payload['cause'], payload['cause'])
        head = lambda t, n: bytes([t, n, cause, int(common), int(fun), int(inf)])  # noqa: E731
        if name == 'double':
            return head(1, 0x81) + bytes([['TRANSIENT', 'OFF', 'ON', 'ERROR'].index(payload['value'])]) + bytes(5)
        names = self.MEASURANDS[name.startswith('m2')]
        v = payload['value']
        value = round(v['value'] * 4096) << 3 & 0xffff | v['overflow'] | v['invalid'] << 1
        place = names.index(name)
        return head(9 if name.startswith('m2') else 3, place + 1) + bytes(2 * place) + value.to_bytes(2, 'little')

    def test_gateway_iec103(self):
        self.seen = {}
        station = lib.Remote()
        self.addCleanup(station.close)
        master = self.start('iec103_master', lib.master103(station.path, [lib.remote(1)]), ENABLE)
        master.wait_event('gateway/remote_device/1/status', 'CONNECTED')
        found = examples('gateway-iec103.7')
        self.assertEqual({kind.split('/')[1] for kind, _ in found if kind.startswith('data')}, {'double', *sum(self.MEASURANDS, [])})
        self.assertEqual({kind.split('/')[0] for kind, _ in found}, {'data', 'command', 'interrogation'})
        for kind, payload in found:
            with self.subTest(f'{kind} {payload}'):
                below = 'remote_device/1/' + kind
                if kind.startswith('data'):
                    station.queue.append(self.asdu(kind, payload))
                    self.received(master, below, payload)
                elif payload is None:
                    self.send(master, below, payload)
                    master.wait(lambda: [a for a in station.taken if a[0] == 7])
                    station.queue.append(bytes([8, 0x81, 10, 1, 255, 0, station.taken[-1][6]]))
                    self.received(master, below, None)
                elif 'value' in payload:
                    self.send(master, below, payload)
                    master.wait(lambda: [a for a in station.taken if a[0] == 20])
                    station.queue.append(bytes([1, 0x81, 20, 1, 160, 16, 2]) + bytes(4) + station.taken[-1][7:8])
                else:
                    self.received(master, below, payload)


if __name__ == '__main__':
    unittest.main()
