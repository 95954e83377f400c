#!/usr/bin/env python3
"""gatewayctl trace --pcapng: tshark dissects the frames of each family and finds nothing malformed. The devices and
their peers are those of tests/system/test_trace.py."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'system'))
import test_trace  # noqa: E402
from patience import WAIT_S  # noqa: E402

DISSECTORS = {'modbus-tcp': 'mbtcp', 'modbus-rtu': 'mbrtu', 'modbus-ascii': 'mbrtu', 'iec104': 'iec60870_104',
              'iec101': 'iec60870_101', 'iec103': 'iec60870_5_103', 'snmp': 'snmp', 'smpp': 'smpp', 'mms': 'mms',
              'icmp': 'icmp', 'icmpv6': 'icmpv6', 'data': 'data'}
FIELDS = ('frame.number', 'frame.protocols', 'frame.interface_name', 'frame.time_epoch', 'frame.packet_flags_direction',
          '_ws.malformed', '_ws.expert.message', '_ws.col.Info', 'exported_pdu.ipv4_src', 'exported_pdu.src_port', 'iec60870_104.apdulen')
# What Wireshark cannot know of a serial line.
SERIAL = {'iec101': ('-d', 'rtacser.data,iec60870_101', *(x for o in (
    'cot_len:2 octet', 'asdu_addr_len:2 octet', 'asdu_ioa_len:3 octet') for x in ('-o', f'iec60870_101.{o}'))),
          'iec103': ('-d', 'rtacser.data,iec60870_5_103')}


@unittest.skipUnless(shutil.which('tshark'), 'tshark is not installed')
class Captured:
    """Traces to a file as well, and compares what tshark says of it with the rows."""
    malformed = ()  # texts of frames that are not as they should be

    def trace(self, g, name, *options):
        self.path = os.path.join(g.dir, 'capture')
        self.capture = g.ctl.start('trace', '--pcapng', self.path, name)
        self.addCleanup(self.capture.communicate)
        self.addCleanup(self.capture.kill)
        g.wait(lambda: g.ctl('show', name)[0]['device']['traced'], 'the capture')
        self.rows, self.device = [], name
        return super().trace(g, name, *options)

    def frame(self, p, text, **more):
        row = super().frame(p, text, **more)
        self.rows.append(row)
        return row

    def tearDown(self):
        self.capture.send_signal(signal.SIGINT)
        self.assertEqual(self.capture.wait(WAIT_S), 0)
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        protocol = self.rows[0]['protocol']
        found = self.dissect(SERIAL.get(protocol, ()))
        self.assertGreaterEqual(len(found), len(self.rows))
        for row in self.rows:
            self.compare(row, found)
        bad = [f for f in found if f['_ws.malformed'] or 'lassify' in f['_ws.expert.message'] or
               'checksum' in f['_ws.expert.message']]
        self.assertEqual(len(bad), len(self.malformed), bad)
        self.assertEqual({f['frame.interface_name'] for f in found}, {self.device})

    def dissect(self, options):
        out = subprocess.run(['tshark', '-n', '-r', self.path, *options, '-T', 'json', *(
            x for f in FIELDS for x in ('-e', f))], capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stderr)
        found = []
        for packet in json.loads(out.stdout):
            layers = packet['_source']['layers']
            found.append({f: ' '.join(layers.get(f, [])) for f in FIELDS})
            # The dissector that a table names is not in the list, but its fields are there.
            if found[-1]['iec60870_104.apdulen']:
                found[-1]['frame.protocols'] += ':iec60870_104'
        return found

    def compare(self, row, found):
        """One of the packets is of that time, direction and protocol."""
        like = [f for f in found if DISSECTORS[row['protocol']] in f['frame.protocols'].split(':') or
                row['text'] in self.malformed]
        self.assertTrue(like, (row, found))
        us = row['time'][20:26]
        at = [f for f in like if f['frame.time_epoch'].partition('.')[2].startswith(us)]
        self.assertTrue(at, (row, like))
        wanted = '0x00000001' if row['direction'] == 'rx' else '0x00000002'
        self.assertEqual(at[0]['frame.packet_flags_direction'], wanted)
        if row['remote'].startswith('127.') and not row['protocol'].startswith('icmp'):
            self.assertEqual(at[0]['exported_pdu.ipv4_src'], '127.0.0.1')
        if row['protocol'].startswith('modbus'):
            request = (row['direction'] == 'tx') == (self.device != 'sub')
            self.assertIn('Query' if request else 'Response', at[0]['_ws.col.Info'])


class Modbus(Captured, test_trace.Modbus):
    pass


class Iec104(Captured, test_trace.Iec104):
    pass


class IecSerial(Captured, test_trace.IecSerial):
    pass


class Snmp(Captured, test_trace.Snmp):
    pass


class Smpp(Captured, test_trace.Smpp):
    malformed = ('deliver_sm 1, malformed',)


class Iec61850(Captured, test_trace.Iec61850):
    pass


class Ping(Captured, test_trace.Ping):
    pass


if __name__ == '__main__':
    unittest.main()
