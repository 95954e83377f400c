#!/usr/bin/env python3
"""gatewayctl trace and the log level debug: the frames of each family, each decoded in one line."""
import json
import os
import re
import socket
import subprocess
import sys
import threading
import typing
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
import iec104  # noqa: E402
import iec_serial  # noqa: E402
import mms  # noqa: E402
import snmp  # noqa: E402
from gatewayd import Gateway, program  # noqa: E402
from modbus_peer import Bridge, Registers, Slave, rtu  # noqa: E402
from test_modbus_master import master_conf, register, tty_conf  # noqa: E402
from patience import WAIT_S  # noqa: E402
from smsc import DELIVER, Smsc  # noqa: E402
from test_modbus_slave import Master, tcp_conf  # noqa: E402
from test_iec104 import point  # noqa: E402
from test_iec61850 import ORIGIN, attributes, config as iec61850_conf  # noqa: E402
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
        # The same lines for people.
        line = g.ctl.text('trace', '--count', '1', 'plc').splitlines()[-1]
        self.assertRegex(line, r' (rx|tx) +plc +transaction \d+, unit 1, .*  [0-9a-f]{16,}$')

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


class Debugged(typing.NamedTuple):
    """A device, and how to make number n (1 or 2) of its exchanges: the texts of its request and of its answer."""
    conf: dict
    request: tuple  # direction, pattern in which {n} stands for the number
    answer: tuple
    exchange: typing.Callable = lambda n: None
    begin: typing.Callable = lambda: None
    remotes: tuple = ()

    def texts(self, n):
        return [(way, text.replace('{n}', str(n))) for way, text in (self.request, self.answer)]


class DebugLog(Case):
    """log NAME debug: a line for each request and each answer, with what it asks and says, until the level is info."""

    def closing(self, peer):
        self.addCleanup(peer.close)
        return peer

    def modbus_master(self):
        slave = Slave(device=Registers({10: 0}))
        self.addCleanup(slave.stop)
        return Debugged(
            master_conf(slave.port, [(1, [register('a', 10, interval=0.1)])]),
            ('tx', r'transaction \d+, unit 1, read holding registers 10'),
            ('rx', 'transaction .*, unit 1, read holding registers: 4000{n}'),
            lambda n: slave.device.values.update({10: 40000 + n}), remotes=(1,))

    def modbus_slave(self):
        conf, masters = tcp_conf(), []
        return Debugged(
            conf, ('rx', 'transaction {n}, unit 1, read holding registers 0'),
            ('tx', 'transaction {n}, unit 1, read holding registers: .*'),
            lambda n: masters[0].ask(b'\x03\x00\x00\x00\x01'),
            lambda: masters.append(self.closing(Master(conf['transport']['local_port']))))

    def iec101_master(self):
        remote = self.closing(iec_serial.Remote())

        def exchange(n):
            self.g.ctl('send', 'iec101_master', 'remote_device/1/interrogation/5',
                       json.dumps({'is_test': False, 'request': 20 + n, 'cause': 'ACTIVATION'}))
            remote.queue.append(bytes.fromhex(f'010103000500' f'0{n}0000' '01'))
        return Debugged(
            iec_serial.master101(remote.path, [iec_serial.remote(1)]),
            ('tx', 'link 1, .*user data.*, C_IC_NA_1 ACTIVATION, ASDU 5, 0 QOI 2{n}'),
            ('rx', 'link 1, respond user data, M_SP_NA_1 SPONTANEOUS, ASDU 5, {n} ON'), exchange,
            lambda: self.g.wait_log('iec101_master: remote device 1 connected'), (1,))

    def iec101_slave(self):
        master = self.closing(iec_serial.RawMaster())

        def exchange(n):
            master.ask(master.DATA, bytes([100, 1, 6, 0, 5, 0, 0, 0, 0, 20 + n]))
            self.g.wait(lambda: (master.poll() or bytes(3))[2] == 10, 'the end of the interrogation')
        return Debugged(
            iec_serial.slave101(master.path, [1], [iec_serial.point('SINGLE', 5, 100)], keep_alive=60),
            ('rx', 'link 1, .*user data.*, C_IC_NA_1 ACTIVATION, ASDU 5, 0 QOI 2{n}'),
            ('tx', 'link 1, .*user data.*, C_IC_NA_1 .*, ASDU 5, 0 QOI 2{n}'), exchange,
            lambda: master.open_link(lambda done: self.g.wait(done, 'the answer to a reset')))

    def iec103_master(self):
        remote = self.closing(iec_serial.Remote())

        def exchange(n):
            self.g.ctl('send', 'iec103_master', f'remote_device/1/command/1/160/1{n}',
                       json.dumps({'session_id': n, 'value': 'ON'}))
            self.g.wait(lambda: len(remote.taken) == n, 'the command')
            remote.queue.append(bytes([1, 0x81, 20, 1, 160, 10 + n, 2, 0, 0, 5, 6, remote.taken[-1][-1]]))
        return Debugged(
            iec_serial.master103(remote.path, [iec_serial.remote(1)]),
            ('tx', r'link 1, .*user data.*, general command \(20\), command, ASDU 1, FUN 160 INF 1{n} ON.*'),
            ('rx', r'link 1, respond user data, time-tagged message \(1\), command accepted, ASDU 1, FUN 160 INF 1{n} ON .*'), exchange,
            lambda: self.g.wait_log('iec103_master: remote device 1 connected'), (1,))

    def iec104_master(self):
        station, peers = self.closing(iec104.Station()), []

        def exchange(n):
            self.g.ctl('send', 'iec104_master', 'interrogation/7',
                       json.dumps({'is_test': False, 'request': 20 + n, 'cause': 'ACTIVATION'}))
            peers[0].expect(100, 6)
            peers[0].send(iec104.asdu(100, 7, 7, [(0, bytes([20 + n]))]))
        return Debugged(
            iec104.master_conf(station.port), ('tx', r'I \d+/\d+, C_IC_NA_1 ACTIVATION, ASDU 7, 0 QOI 2{n}'),
            ('rx', r'I \d+/\d+, C_IC_NA_1 ACTIVATION_CONFIRMATION, ASDU 7, 0 QOI 2{n}'), exchange,
            lambda: peers.append(self.closing(station.accept())))

    def iec104_slave(self):
        port, masters = iec104.free_port(), []

        def begin():
            masters.append(self.closing(iec104.Peer(socket.create_connection(('127.0.0.1', port)))))
            masters[0].startdt()
        return Debugged(
            iec104.slave_conf(port, [point(100, common=7)]), ('rx', r'I \d+/\d+, C_IC_NA_1 ACTIVATION, ASDU 7, 0 QOI 2{n}'),
            ('tx', r'I \d+/\d+, C_IC_NA_1 .*, ASDU 7, 0 QOI 2{n}'),
            lambda n: masters[0].send(iec104.asdu(100, 6, 7, [(0, bytes([20 + n]))])), begin)

    def iec61850_client(self):
        server = self.closing(mms.Server(attributes()))
        return Debugged(
            iec61850_conf(server.port), ('tx', r'request \d+, write "LD0"/"GGIO1\$CO\$SPCSO1\$Oper" = \{true, .*'),
            ('rx', r'response \d+, write done'),
            lambda n: self.g.ctl('send', 'iec61850_client', 'command/c1', json.dumps({
                'session_id': str(n), 'action': 'OPERATE', 'value': True, 'origin': ORIGIN, 'test': False, 'checks': []})),
            lambda: server.wait_write('GI'))

    def ping(self):
        conf = {'name': 'here', 'host': '127.0.0.1', 'ping_delay': 0.1, 'ping_timeout': 1, 'retry_count': 0, 'retry_delay': 0}
        return Debugged(
            {'remote_devices': [conf]}, ('tx', r'echo request, identifier \d+, sequence \d+, 16 bytes'),
            ('rx', r'echo reply, identifier \d+, sequence \d+, 16 bytes'))

    def smpp_client(self):
        smsc, sessions = self.closing(Smsc()), []

        def exchange(n):
            self.g.ctl('send', 'smpp_client', 'message', json.dumps({'address': f'385{n}', 'message': 'on'}))
            sessions[0].accept(sessions[0].take_message(), b'id%d' % n)
        return Debugged(
            client_conf(smsc.port), ('tx', r'submit_sm \d+ from "" to "385{n}", .*'),
            ('rx', r'submit_sm_resp \d+ ROK.*id{n}.*'), exchange, lambda: sessions.append(smsc.bound()))

    def snmp_manager(self):
        agent = snmp.Agent({A: (snmp.INTEGER, b'\0')})
        self.addCleanup(agent.stop)
        return Debugged(
            manager_conf(agent.port), ('tx', rf'v2c get-request -?\d+: {re.escape(A)}.*'),
            ('rx', rf'v2c response -?\d+: {re.escape(A)} 4{{n}}'),
            lambda n: agent.values.update({A: (snmp.INTEGER, bytes([40 + n]))}))

    def snmp_trap_listener(self):
        with snmp.bound() as s:
            port = s.getsockname()[1]
        s = self.closing(snmp.bound())
        return Debugged(
            {'local_host': '127.0.0.1', 'local_port': port, 'users': [], 'remote_devices': []},
            ('rx', rf'v2c inform-request {{n}}: .*{re.escape(A)} 4{{n}}'), ('tx', 'v2c response {n}: .*'),
            lambda n: s.sendto(snmp.trap_v2c([(A, snmp.INTEGER, bytes([40 + n]))], kind=snmp.INFORM, request_id=n),
                               ('127.0.0.1', port)))

    def logged(self, name, way, text):
        verb = {'tx': 'sent to', 'rx': 'received from'}[way]
        line = re.compile(rf'.*\b{name}: {verb} [^ ]+: {text}')
        return next((x for x in self.g.lines if line.fullmatch(x)), None)

    def test_each_device_type(self):
        schema = json.loads(subprocess.run([program('gatewayd'), '--schema'], capture_output=True, check=True).stdout)
        devices = {t: getattr(self, t)() for t in schema['definitions'] if t != 'device'}
        self.g = self.serve(*({**d.conf, 'module': t, 'name': t} for t, d in devices.items()))
        self.g.wait_connected()
        for name, d in devices.items():
            for remote in d.remotes:
                self.g.ctl('send', name, f'remote_device/{remote}/enable', 'true')
        self.g.enable(*devices)
        self.g.wait_state(devices, 'running')
        for d in devices.values():
            d.begin()
        self.g.ctl('log', *devices, 'debug')
        for name, d in devices.items():
            self.g.ctl.run('describe', name)  # its process answers: now it has the level
            d.exchange(1)
            for way, text in d.texts(1):
                self.g.wait(lambda: self.logged(name, way, text), f'{name}: {way} {text}')
        self.g.ctl('log', *devices, 'info')
        shown = []
        for name, d in devices.items():
            p = self.trace(self.g, name)
            self.g.ctl.run('describe', name)
            d.exchange(2)
            frames = [(name, way, re.escape(self.frame(p, text, direction=way)['text'])) for way, text in d.texts(2)]
            # A host is asked all the time, also while the level changes.
            shown += frames if name != 'ping' else []
        self.g.disable(*devices)
        self.g.wait_state(devices, 'disabled')
        self.g.stop()
        self.assertEqual([x for x in shown if self.logged(*x)], [])


if __name__ == '__main__':
    unittest.main()
