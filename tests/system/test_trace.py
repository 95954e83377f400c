#!/usr/bin/env python3
"""gatewayctl trace and the log level debug: the frames of each family, each decoded in one line."""
import json
import os
import re
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
import iec104  # noqa: E402
import iec_serial  # noqa: E402
import mms  # noqa: E402
import snmp  # noqa: E402
from gatewayd import Gateway  # noqa: E402
from modbus_peer import Bridge, Registers, Slave, rtu  # noqa: E402
from test_modbus_master import master_conf, register, tty_conf  # noqa: E402
from patience import WAIT_S  # noqa: E402
from smsc import DELIVER, Smsc  # noqa: E402
from test_modbus_slave import Master, tcp_conf  # noqa: E402
from test_iec61850 import attributes, config as iec61850_conf  # noqa: E402
from test_smpp import client_conf  # noqa: E402
from test_snmp_gateway import NAMESPACE, namespaces  # noqa: E402
from test_snmp_manager import A, conf as manager_conf  # noqa: E402


class Case(unittest.TestCase):
    def serve(self, *devices, **more):
        g = Gateway({'devices': list(devices)}, **more)
        self.addCleanup(g.close)
        return g

    def enable(self, g, name, *remotes):
        g.wait_connected()
        for remote in remotes:
            g.ctl('send', name, f'remote_device/{remote}/enable', 'true')
        g.enable(name)
        g.wait_state(name, 'running')

    def trace(self, g, name, *options):
        p = g.ctl.start('--json', 'trace', *options, name)
        self.addCleanup(p.communicate)
        self.addCleanup(p.kill)
        first = json.loads(p.stdout.readline())
        self.assertEqual((first['kind'], first['device']), ('state', name))
        return p

    def frame(self, p, text, remote=None, **more):
        """The next frame (with that remote end) whose text fits."""
        seen = []
        too_long = threading.Timer(WAIT_S, p.kill)
        too_long.start()
        try:
            for line in p.stdout:
                row = json.loads(line)
                seen.append(row)
                if row['kind'] == 'frame' and re.fullmatch(text, row['text']) and remote in (None, row.get('remote')):
                    self.assertEqual({k: row[k] for k in more}, more)
                    return row
        finally:
            too_long.cancel()
        self.fail(f'no frame {text}: {seen[-20:]}')


class Modbus(Case):
    def test_master_over_tcp(self):
        slave = Slave(device=Registers({10: 7, 11: 65535}))
        self.addCleanup(slave.stop)
        slave.device.refused.add(99)
        data = [register('a', 10, interval=0.05), register('b', 11, interval=0.05), register('c', 99, interval=0.05)]
        g = self.serve({'module': 'hat.gateway.devices.modbus.master',
                        **master_conf(slave.port, [(1, data)]), 'name': 'plc'})
        p = self.trace(g, 'plc')
        self.enable(g, 'plc', 1)
        remote = f'127.0.0.1:{slave.port}'
        row = self.frame(p, r'transaction \d+, unit 1, read holding registers 10 to 11', direction='tx',
                         protocol='modbus-tcp', remote=remote, bytes=12)
        self.assertRegex(row['local'], r'^127\.0\.0\.1:\d+$')
        self.assertEqual(row['hex'][4:], '00000006' '0103' '000a' '0002')
        self.frame(p, r'transaction \d+, unit 1, read holding registers: 7 65535', direction='rx', remote=remote)
        self.frame(p, r'transaction \d+, unit 1, read holding registers: exception 2, illegal data address')
        # The same lines for people, and in the log.
        line = g.ctl.text('trace', '--count', '1', 'plc').splitlines()[-1]
        self.assertRegex(line, r' (rx|tx) +plc +transaction \d+, unit 1, .*  [0-9a-f]{16,}$')
        self.assertNotIn('received from', '\n'.join(g.log()))
        g.ctl('log', 'plc', 'debug')
        g.wait_log(f'sent to {remote}: transaction ')
        g.wait_log(f'received from {remote}: transaction ')
        g.wait_log(', unit 1, read holding registers: 7 65535')

    def test_answers_that_come_in_pieces_are_one_frame_each(self):
        """And what is no frame is shown as it came."""
        def on_request(slave, transaction, unit, pdu):
            answer = rtu(unit, slave.device.answer(unit, pdu))
            for part in (b'\xff\xfe', answer[:2], answer[2:]):
                slave.raw(part)
            return True
        bridge = Bridge()
        self.addCleanup(bridge.stop)
        slave = Slave('RTU', Registers({1: 5}), on_request, fd=os.open(bridge.paths[1], os.O_RDWR | os.O_NOCTTY))
        self.addCleanup(slave.stop)
        g = self.serve({'module': 'hat.gateway.devices.modbus.master',
                        **master_conf(tty_conf(bridge.paths[0]), [(3, [register('a', 1, interval=0.05)])], kind='RTU'), 'name': 'rtu'})
        p = self.trace(g, 'rtu')
        self.enable(g, 'rtu', 3)
        self.frame(p, 'unit 3, read holding registers 1', direction='tx', protocol='modbus-rtu', local='',
                   remote=bridge.paths[0], bytes=8)
        self.frame(p, '2 bytes that are no frame', direction='rx', protocol='data', hex='fffe')
        self.frame(p, 'unit 3, read holding registers: 5', direction='rx', hex=rtu(3, b'\x03\x02\x00\x05').hex())

    def test_slave(self):
        conf = tcp_conf()
        g = self.serve({'module': 'hat.gateway.devices.modbus.slave', **conf, 'name': 'sub'})
        p = self.trace(g, 'sub')
        self.enable(g, 'sub')
        master = Master(conf['transport']['local_port'])
        self.addCleanup(master.sock.close)
        local = f"127.0.0.1:{conf['transport']['local_port']}"
        remote = '127.0.0.1:%d' % master.sock.getsockname()[1]
        master.ask(b'\x03\x00\x00\x00\x01')
        self.frame(p, 'transaction 1, unit 1, read holding registers 0', direction='rx', local=local, remote=remote)
        self.frame(p, 'transaction 1, unit 1, read holding registers: .*', direction='tx', local=local, remote=remote)


class Iec104(Case):
    def test_master(self):
        station = iec104.Station()
        self.addCleanup(station.close)
        g = self.serve(iec104.master_conf(station.port, name='m1'))
        p = self.trace(g, 'm1')
        self.enable(g, 'm1')
        peer = station.accept()
        self.addCleanup(peer.close)
        peer.raw(iec104.i(0, 0, iec104.asdu(1, 3, 7, [(100, b'\1'), (101, b'\x80')])))
        remote = f'127.0.0.1:{station.port}'
        self.frame(p, 'U STARTDT act', direction='tx', protocol='iec104', remote=remote, bytes=6, hex='680407000000')
        self.frame(p, 'U STARTDT con', direction='rx', remote=remote)
        self.frame(p, 'I 0/0, M_SP_NA_1 SPONTANEOUS, ASDU 7, 100 ON, 101 OFF invalid', direction='rx', bytes=20)
        g.ctl('send', 'm1', 'interrogation/7', '{"is_test": false, "request": 20, "cause": "ACTIVATION"}')
        self.frame(p, r'I 0/[01], C_IC_NA_1 ACTIVATION, ASDU 7, 0 QOI 20', direction='tx', remote=remote)

    def test_slave(self):
        port = iec104.free_port()
        g = self.serve(iec104.slave_conf(port, name='s1'))
        p = self.trace(g, 's1')
        self.enable(g, 's1')
        master = iec104.Peer(socket.create_connection(('127.0.0.1', port)))
        self.addCleanup(master.close)
        master.startdt()
        self.frame(p, 'U STARTDT act', direction='rx', protocol='iec104', local=f'127.0.0.1:{port}')
        self.frame(p, 'U STARTDT con', direction='tx', local=f'127.0.0.1:{port}')


class IecSerial(Case):
    def remote(self):
        remote = iec_serial.Remote()
        self.addCleanup(remote.close)
        return remote

    def test_101(self):
        remote = self.remote()
        g = self.serve({'module': 'hat.gateway.devices.iec101.master',
                        **iec_serial.master101(remote.path, [iec_serial.remote(1)]), 'name': 'rtu'})
        p = self.trace(g, 'rtu')
        self.enable(g, 'rtu', 1)
        self.frame(p, 'link 1, reset of remote link', direction='tx', protocol='iec101', remote=remote.path, local='')
        self.frame(p, 'link 1, ACK', direction='rx', protocol='iec101', remote=remote.path)
        remote.queue.append(bytes.fromhex('01010300' '0500' '640000' '01'))
        self.frame(p, 'link 1, respond user data, M_SP_NA_1 SPONTANEOUS, ASDU 5, 100 ON', direction='rx')

    def test_103(self):
        remote = self.remote()
        g = self.serve({'module': 'hat.gateway.devices.iec103.master',
                        **iec_serial.master103(remote.path, [iec_serial.remote(1)]), 'name': 'prot'})
        p = self.trace(g, 'prot')
        self.enable(g, 'prot', 1)
        self.frame(p, 'link 1, reset .*', direction='tx', protocol='iec103', remote=remote.path)
        remote.queue.append(bytes.fromhex('0181010180240200000506' '00'))
        self.frame(p, r'link 1, respond user data, time-tagged message \(1\), SPONTANEOUS, ASDU 1, FUN 128 INF 36 ON '
                      r'\(06:05:00\.000\)', direction='rx')


class Snmp(Case):
    def test_manager(self):
        agent = snmp.Agent({A: (snmp.INTEGER, b'\1')})
        self.addCleanup(agent.stop)
        g = self.serve({**manager_conf(agent.port), 'module': 'hat.gateway.devices.snmp.manager', 'name': 'ups'})
        p = self.trace(g, 'ups')
        self.enable(g, 'ups')
        remote = f'127.0.0.1:{agent.port}'
        self.frame(p, rf'v2c get-request -?\d+: {re.escape(A)}.*', direction='tx', protocol='snmp', remote=remote)
        row = self.frame(p, rf'v2c response -?\d+: {re.escape(A)} 1.*', direction='rx', remote=remote)
        self.assertNotIn('public', row['text'])

    def test_trap_listener(self):
        with snmp.bound() as s:
            port = s.getsockname()[1]
        g = self.serve({'name': 'traps', 'module': 'hat.gateway.devices.snmp.trap_listener', 'local_host': '127.0.0.1',
                        'local_port': port, 'users': [], 'remote_devices': []})
        p = self.trace(g, 'traps')
        self.enable(g, 'traps')
        with snmp.bound() as s:
            s.sendto(snmp.trap_v2c([(A, snmp.INTEGER, b'\5')], kind=snmp.INFORM), ('127.0.0.1', port))
            addresses = {'local': f'127.0.0.1:{port}', 'remote': '127.0.0.1:%d' % s.getsockname()[1]}
            self.frame(p, rf'v2c inform-request \d+: .*{re.escape(A)} 5', direction='rx', **addresses)
            self.frame(p, r'v2c response \d+: .*', direction='tx', **addresses)


class Smpp(Case):
    def test_client(self):
        smsc = Smsc()
        self.addCleanup(smsc.close)
        g = self.serve({**client_conf(smsc.port), 'module': 'hat.gateway.devices.smpp.client'})
        p = self.trace(g, 'sms')
        self.enable(g, 'sms')
        session = smsc.bound()
        remote = f'127.0.0.1:{smsc.port}'
        self.frame(p, r'bind_transceiver 1, system "sys"', direction='tx', protocol='smpp', remote=remote)
        self.frame(p, r'bind_transceiver_resp 1 ROK.*', direction='rx', remote=remote)
        g.ctl('send', 'sms', 'message', json.dumps({'address': '3859', 'message': 'on'}))
        m = session.take_message()
        row = self.frame(p, r'submit_sm \d+ from "" to "3859", class 0x00, coding 8, 4 bytes', direction='tx')
        self.assertEqual(int(row['hex'][24:32], 16), m.sequence)
        session.say(DELIVER, body=b'\0nonsense')
        self.frame(p, r'deliver_sm \d+, malformed', direction='rx')


class Iec61850(Case):
    def test_client(self):
        server = mms.Server(attributes())
        self.addCleanup(server.close)
        g = self.serve({**iec61850_conf(server.port), 'module': 'hat.gateway.devices.iec61850.client'})
        p = self.trace(g, 'bay')
        self.enable(g, 'bay')
        remote = f'127.0.0.1:{server.port}'
        self.frame(p, r'request \d+, read "LD0"/"LLN0\$BR\$brcb01\$RptID", .*', direction='tx', protocol='mms',
                   remote=remote)
        self.frame(p, r'response \d+, read "events", "LD0/LLN0\$events"', direction='rx', remote=remote)
        server.wait_write('GI')
        server.session().report('events', mms.Bits('0' * 10), mms.Bits('01'), [[1.5], mms.Bits('0' * 13), mms.Utc(8)])
        self.frame(p, r'report "RPT": "events", .*', direction='rx')


@unittest.skipUnless(namespaces(), 'no network namespaces')
class Ping(Case):
    def test_both_families(self):
        hosts = [{'name': n, 'host': h, 'ping_delay': 0.1, 'ping_timeout': 1, 'retry_count': 0, 'retry_delay': 0}
                 for n, h in (('four', '127.0.0.1'), ('six', '::1'))]
        g = self.serve({'name': 'net', 'module': 'hat.gateway.devices.ping', 'remote_devices': hosts}, wrap=NAMESPACE)
        p = self.trace(g, 'net')
        self.enable(g, 'net')
        for protocol, host in ('icmp', '127.0.0.1'), ('icmpv6', '::1'):
            text = r'echo %s, identifier (\d+), sequence (\d+), 16 bytes'
            asked = self.frame(p, text % 'request', remote=host, protocol=protocol, direction='tx', bytes=24)
            answer = self.frame(p, text % 'reply', remote=host, protocol=protocol, direction='rx', bytes=24)
            self.assertEqual(asked['hex'][8:], answer['hex'][8:])  # identifier, sequence and data


if __name__ == '__main__':
    unittest.main()
