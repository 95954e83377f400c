"""iec104_master and iec104_slave against c104 (lib60870) and hat-drivers, both ways, and c104 over TLS."""

import asyncio
import datetime
import shutil
import tempfile
import threading
import time
import unittest

import peers  # noqa: F401

try:
    import c104
    from hat.drivers import iec104 as drivers
    from hat.drivers import tcp
except ImportError as e:
    raise unittest.SkipTest(f'c104 or hat-drivers is not importable: {e}')

import eventer  # noqa: E402
import pki  # noqa: E402
from iec104 import WAIT_S, Gate, free_port, master_conf, slave_conf  # noqa: E402

QUALITY = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}
MEASURED = {**QUALITY, 'overflow': False}

DATA = {  # our data type: c104's type without and with time tag, a value of ours, c104's
    'single': (c104.Type.M_SP_NA_1, c104.Type.M_SP_TB_1, 'ON', True),
    'double': (c104.Type.M_DP_NA_1, c104.Type.M_DP_TB_1, 'OFF', c104.Double.OFF),
    'step_position': (c104.Type.M_ST_NA_1, c104.Type.M_ST_TB_1, {'value': -5, 'transient': False}, c104.Int7(-5)),
    'scaled': (c104.Type.M_ME_NB_1, c104.Type.M_ME_TE_1, -1234, c104.Int16(-1234)),
    'floating': (c104.Type.M_ME_NC_1, c104.Type.M_ME_TF_1, 2.5, 2.5),
    'bitstring': (c104.Type.M_BO_NA_1, c104.Type.M_BO_TB_1, None, c104.Byte32(0x01020304)),
}


def wait(condition, what):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('not in time: ' + what)
        time.sleep(0.02)


def command(kind, value, cause='ACTIVATION', select=False):
    body = {'value': value, 'select': select}
    if kind in ('single', 'double', 'regulating'):
        body['qualifier'] = 0
    return {'is_test': False, 'cause': cause, 'command': body}


def security(ca, version):
    """Ours and c104's. Its TLS 1.3 knows no key updates."""
    tls = c104.TransportSecurity(validate=True, only_known=False)
    tls.set_certificate(*ca.issue('theirs', rsa=2048))
    tls.set_ca_certificate(ca.cert)
    tls.set_version(min=version, max=version)
    renewal = {'renegotiate_delay': 0.3} if version == c104.TlsVersion.TLS_1_2 else {}
    return pki.security(*ca.issue('ours', rsa=2048), ca=ca.cert, **renewal), tls


class MasterAgainstC104(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)

    def start(self, security=None, tls=None):
        port = free_port()
        self.server = c104.Server(ip='127.0.0.1', port=port, tick_rate_ms=100, transport_security=tls)
        station = self.server.add_station(common_address=1)
        self.points = {}
        for n, (kind, (plain, tagged, _, value)) in enumerate(DATA.items()):
            for k, t in enumerate((plain, tagged)):
                p = station.add_point(io_address=100 * k + n + 1, type=t)
                p.value = value
                self.points[kind, k] = p
        self.commands = []
        self.command = station.add_point(io_address=500, type=c104.Type.C_SC_NA_1)

        def on_receive(point: c104.Point, previous_info: c104.Information,
                       message: c104.IncomingMessage) -> c104.ResponseState:
            self.commands.append(point.value)
            return c104.ResponseState.SUCCESS

        self.command.on_receive(callable=on_receive)
        self.on_receive = on_receive
        self.server.start()
        self.addCleanup(self.server.stop)
        gate = Gate(master_conf(port, security=security))
        self.addCleanup(gate.close)
        gate.wait('status', 'CONNECTED')
        return gate

    def exchange(self, gate):
        mark = gate.mark()
        gate.system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20})
        gate.server.wait(lambda: any(e.payload.data['cause'] == 'ACTIVATION_TERMINATION'
                                     for e in gate.find('interrogation/1', mark)), WAIT_S)
        for kind, (_, _, value, _) in DATA.items():
            found = gate.find(f'data/{kind}/1/?', mark)
            self.assertTrue(found, kind)
            if value is not None:
                self.assertEqual(found[0].payload.data['data']['value'], value, kind)
        mark = gate.mark()
        for (kind, k), p in self.points.items():
            self.assertTrue(p.transmit(cause=c104.Cot.SPONTANEOUS))
            e = gate.wait(f'data/{kind}/1/{p.io_address}', start=mark)
            self.assertEqual(e.payload.data['cause'], 'SPONTANEOUS')
            self.assertEqual(e.source_timestamp is not None, bool(k))
            if k:
                self.assertLess(abs(e.source_timestamp.s - time.time()), 60)
        mark = gate.mark()
        gate.system('command/single/1/500', command('single', 'ON'))
        gate.server.wait(lambda: any(e.payload.data['cause'] == 'ACTIVATION_CONFIRMATION'
                                     and not e.payload.data['is_negative_confirm']
                                     for e in gate.find('command/single/1/500', mark)), WAIT_S)
        self.assertEqual(self.commands, [True])
        gate.system('command/single/1/501', command('single', 'ON'))
        gate.server.wait(lambda: any(e.payload.data['is_negative_confirm']
                                     for e in gate.find('command/single/1/501', mark)), WAIT_S)

    def test_plain(self):
        self.exchange(self.start())

    @unittest.skipUnless(pki.available(), 'the openssl program is not there')
    def test_tls(self):
        for version in (c104.TlsVersion.TLS_1_2, c104.TlsVersion.TLS_1_3):
            with self.subTest(version.name):
                ours, tls = security(pki.Authority(self.dir, version.name), version)
                gate = self.start(ours, tls)
                self.exchange(gate)
                self.assertIn('TLS: TLSv1', gate.text())
                if 'renegotiate_delay' in ours:
                    gate.wait_log('TLS: new keys')
                self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
                self.server.stop()


class Batches(unittest.TestCase):
    """Sequences (SQ = 1) as lib60870 sends them: of a type with a time tag, each element has its own."""

    T = c104.Type
    # Our type: c104's, what makes an element number i, the value of ours.
    KINDS = (
        ('single', T.M_SP_TB_1, lambda i, t: c104.SingleInfo(i % 2 == 1, recorded_at=t), lambda i: ('OFF', 'ON')[i % 2]),
        ('double', T.M_DP_TB_1, lambda i, t: c104.DoubleInfo((c104.Double.OFF, c104.Double.ON)[i % 2], recorded_at=t),
         lambda i: ('OFF', 'ON')[i % 2]),
        ('step_position', T.M_ST_TB_1, lambda i, t: c104.StepInfo(c104.Int7(i), False, recorded_at=t),
         lambda i: {'value': i, 'transient': False}),
        ('bitstring', T.M_BO_TB_1, lambda i, t: c104.BinaryInfo(c104.Byte32(i), recorded_at=t), None),
        ('normalized', T.M_ME_TD_1, lambda i, t: c104.NormalizedInfo(c104.NormalizedFloat(-i / 4), recorded_at=t), None),
        ('scaled', T.M_ME_TE_1, lambda i, t: c104.ScaledInfo(c104.Int16(-300 * i), recorded_at=t), lambda i: -300 * i),
        ('floating', T.M_ME_TF_1, lambda i, t: c104.ShortInfo(i / 2, recorded_at=t), lambda i: i / 2),
        ('binary_counter', T.M_IT_TB_1, lambda i, t: c104.BinaryCounterInfo(
            70000 * i, c104.UInt5(i), c104.BinaryCounterQuality(), recorded_at=t),
         lambda i: 70000 * i),
        ('protection', T.M_EP_TD_1, lambda i, t: c104.ProtectionEventInfo(
            (c104.EventState.OFF, c104.EventState.ON)[i % 2], c104.UInt16(i), recorded_at=t), lambda i: ('OFF', 'ON')[i % 2]),
        ('protection_start', T.M_EP_TE_1, lambda i, t: c104.ProtectionStartInfo(
            c104.StartEvents.PhaseL1, c104.UInt16(i), recorded_at=t),
         lambda i: {'general': False, 'l1': True, 'l2': False, 'l3': False, 'ie': False, 'reverse': False}),
        ('protection_command', T.M_EP_TF_1, lambda i, t: c104.ProtectionCircuitInfo(
            c104.OutputCircuits.PhaseL2, c104.UInt16(i), recorded_at=t),
         lambda i: {'general': False, 'l1': False, 'l2': True, 'l3': False}),
        ('single', T.M_SP_NA_1, lambda i, t: c104.SingleInfo(i % 2 == 1), lambda i: ('OFF', 'ON')[i % 2]),
        ('floating', T.M_ME_NC_1, lambda i, t: c104.ShortInfo(i / 2), lambda i: i / 2))

    def test_every_type(self):
        port, sent = free_port(), []
        server = c104.Server(ip='127.0.0.1', port=port, tick_rate_ms=100)
        station = server.add_station(common_address=1)

        def on_send_raw(server: c104.Server, data: bytes) -> None:
            sent.append(bytes(data))
        server.on_send_raw(callable=on_send_raw)
        server.start()
        self.addCleanup(server.stop)
        gate = Gate(master_conf(port))
        self.addCleanup(gate.close)
        gate.wait('status', 'CONNECTED')
        for n, (name, kind, element, value) in enumerate(self.KINDS):
            with self.subTest(kind.name):
                at = datetime.datetime(2026, 3, 1 + n, 12, 0, tzinfo=datetime.timezone.utc)
                points, mark = [], gate.mark()
                for i in range(5):
                    p = station.add_point(io_address=100 * n + i + 1, type=kind)
                    p.info = element(i, at + datetime.timedelta(seconds=i))
                    points.append(p)
                batch = c104.Batch(cause=c104.Cot.SPONTANEOUS, points=points)
                self.assertTrue(batch.is_sequence)
                self.assertTrue(server.transmit_batch(batch))
                gate.wait(f'data/{name}/1/{100 * n + 5}', start=mark)
                found = [gate.find(f'data/{name}/1/{100 * n + i + 1}', mark)[0] for i in range(5)]
                if value:
                    self.assertEqual([e.payload.data['data']['value'] for e in found], [value(i) for i in range(5)])
                self.assertEqual([e.source_timestamp and e.source_timestamp.s for e in found], [
                    int(at.timestamp()) + i if kind.name[5] == 'T' else None for i in range(5)])
        # One ASDU for each batch, with SQ and five elements.
        self.assertEqual([f[7] for f in sent if len(f) > 12 and f[6] < 45], [0x85] * len(self.KINDS))


class SlaveAgainstC104(unittest.TestCase):

    def start(self, security=None, tls=None):
        port = free_port()
        data = [{'data_type': kind.upper(), 'asdu_address': 1, 'io_address': n + 1, 'buffer': None}
                for n, kind in enumerate(DATA)]
        data.append({'data_type': 'BINARY_COUNTER', 'asdu_address': 1, 'io_address': 300, 'buffer': None})
        self.gate = Gate(slave_conf(port, data, security=security), presets=[
            ('system/data/binary_counter/1/300', {'is_test': False, 'cause': 'SPONTANEOUS', 'data': {
                'value': 77, 'quality': {'invalid': False, 'adjusted': False, 'overflow': False,
                                         'sequence': 0}}}, None)])
        self.addCleanup(self.gate.close)
        # An answer that is there before c104 waits for it is lost to it: it is asked again then.
        client = c104.Client(tick_rate_ms=100, command_timeout_ms=1500, transport_security=tls)
        self.connection = client.add_connection(ip='127.0.0.1', port=port, init=c104.Init.NONE)
        station = self.connection.add_station(common_address=1)
        self.points = {kind: station.add_point(io_address=n + 1, type=plain)
                       for n, (kind, (plain, _, _, _)) in enumerate(DATA.items())}
        self.counter = station.add_point(io_address=300, type=c104.Type.M_IT_NA_1)
        self.command = station.add_point(io_address=500, type=c104.Type.C_SC_NA_1)
        client.start()
        self.addCleanup(client.stop)
        self.client = client
        wait(lambda: self.connection.is_connected, 'a connection')
        self.assertTrue(self.connection.unmute())  # with Init.NONE it sends no STARTDT by itself

    def interrogate(self, common=1):
        return self.connection.interrogation(common_address=common, cause=c104.Cot.ACTIVATION,
                                             qualifier=c104.Qoi.STATION, wait_for_response=True)

    def exchange(self):
        gate = self.gate
        wait(self.interrogate, 'an interrogation')  # the data transfer stands
        for n, (kind, (_, _, ours, theirs)) in enumerate(DATA.items()):
            value = [1, 2, 3, 4] if ours is None else ours
            quality = QUALITY if kind in ('single', 'double') else MEASURED
            gate.system(f'data/{kind}/1/{n + 1}', {'is_test': False, 'cause': 'SPONTANEOUS', 'data': {
                'value': value, 'quality': quality}})
        for kind, (_, _, ours, theirs) in DATA.items():
            if ours is not None:
                number = int if kind in ('step_position', 'scaled') else (lambda v: v)
                wait(lambda: self.points[kind].value is not None and
                     number(self.points[kind].value) == number(theirs), kind)
        wait(self.interrogate, 'an interrogation')  # c104 refuses one while it ends another
        # It refuses while it still takes the interrogation before for open.
        wait(lambda: self.connection.counter_interrogation(
            common_address=1, cause=c104.Cot.ACTIVATION, qualifier=c104.Rqt.GENERAL, freeze=c104.Frz.READ,
            wait_for_response=True), 'counter interrogation')
        wait(lambda: int(self.counter.value) == 77, 'the counter')

        def respond():
            e = gate.wait('command/single/1/500')
            answer = {**e.payload.data, 'is_negative_confirm': False, 'cause': 'ACTIVATION_CONFIRMATION'}
            gate.system('command/single/1/500', answer)
            gate.system('command/single/1/500', {**answer, 'cause': 'ACTIVATION_TERMINATION'})

        thread = threading.Thread(target=respond)
        thread.start()
        self.command.value = True
        self.assertTrue(self.command.transmit(cause=c104.Cot.ACTIVATION))
        thread.join()
        self.assertFalse(self.interrogate(9))

    def test_plain(self):
        self.start()
        self.exchange()

    @unittest.skipUnless(pki.available(), 'the openssl program is not there')
    def test_tls(self):
        for version in (c104.TlsVersion.TLS_1_2, c104.TlsVersion.TLS_1_3):
            with self.subTest(version.name), tempfile.TemporaryDirectory() as folder:
                ours, tls = security(pki.Authority(folder), version)
                self.start(ours, tls)
                self.exchange()
                self.assertIn('TLS: TLSv1', self.gate.text())
                if 'renegotiate_delay' in ours:
                    self.gate.wait_log('TLS: new keys')
                self.assertTrue(self.connection.is_connected)
                self.client.stop()


class HatDrivers(unittest.IsolatedAsyncioTestCase):

    async def wait(self, *args, **more):
        return await asyncio.get_running_loop().run_in_executor(None, lambda: self.gate.wait(*args, **more))

    async def test_master(self):
        port, connections = free_port(), asyncio.Queue()

        async def on_connection(conn):
            connections.put_nowait(conn)
            await conn.wait_closed()

        server = await drivers.listen(on_connection, tcp.Address('127.0.0.1', port))
        self.gate = await asyncio.get_running_loop().run_in_executor(None, lambda: Gate(master_conf(port)))
        try:
            conn = await asyncio.wait_for(connections.get(), WAIT_S)
            await self.wait('status', 'CONNECTED')
            quality = drivers.MeasurementQuality(True, False, True, False, True)
            when = drivers.time_from_datetime(__import__('datetime').datetime.now(
                __import__('datetime').timezone.utc))
            await conn.send([drivers.DataMsg(
                False, 0, 3, n, drivers.FloatingData(drivers.FloatingValue(n / 3), quality),
                when if n % 2 else None, drivers.DataResCause.SPONTANEOUS) for n in range(100)])
            e = await self.wait('data/floating/3/99')
            self.assertEqual(e.payload.data['data']['quality'], {
                'invalid': True, 'not_topical': False, 'substituted': True, 'blocked': False, 'overflow': True})
            self.assertLess(abs(e.source_timestamp.s - time.time()), 60)
            self.gate.system('command/scaled/3/4', command('scaled', -7), eventer.Timestamp(1700000000, 1000))
            msg = (await asyncio.wait_for(conn.receive(), WAIT_S))[0]
            self.assertEqual(msg.command, drivers.ScaledCommand(drivers.ScaledValue(-7), False))
            self.assertEqual(msg.time.years, 23)
            await conn.send([msg._replace(cause=drivers.CommandResCause.ACTIVATION_CONFIRMATION)])
            e = await self.wait('command/scaled/3/4')
            self.assertEqual(e.payload.data['cause'], 'ACTIVATION_CONFIRMATION')
            self.assertEqual(e.source_timestamp, (1700000000, 1000))
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self.gate.close)
            await server.async_close()

    async def test_slave(self):
        port = free_port()
        conf = slave_conf(port, [{'data_type': 'FLOATING', 'asdu_address': 1, 'io_address': n,
                                  'buffer': 'b'} for n in range(50)], buffers=[{'name': 'b', 'size': 100}])
        self.gate = await asyncio.get_running_loop().run_in_executor(None, lambda: Gate(conf))
        try:
            for n in range(50):
                self.gate.system(f'data/floating/1/{n}', {'is_test': False, 'cause': 'SPONTANEOUS', 'data': {
                    'value': n / 4, 'quality': MEASURED}})
            await asyncio.sleep(0.2)
            conn = await drivers.connect(tcp.Address('127.0.0.1', port))
            got = []
            while len(got) < 50:
                got += await asyncio.wait_for(conn.receive(), WAIT_S)
            self.assertEqual([m.data.value.value for m in got], [n / 4 for n in range(50)])
            await conn.send([drivers.InterrogationMsg(
                False, 0, 1, 20, False, drivers.CommandReqCause.ACTIVATION)])
            got = []
            while not got or getattr(got[-1], 'request', None) is None or len(got) < 2:
                got += await asyncio.wait_for(conn.receive(), WAIT_S)
            self.assertEqual(got[0].cause, drivers.CommandResCause.ACTIVATION_CONFIRMATION)
            self.assertEqual(len(got), 52)
            self.assertEqual({m.cause for m in got[1:-1]}, {drivers.DataResCause.INTERROGATED_STATION})
            self.assertEqual(got[-1].cause, drivers.CommandResCause.ACTIVATION_TERMINATION)
            await conn.send([drivers.CommandMsg(
                False, 5, 1, 9, drivers.DoubleCommand(drivers.DoubleValue.ON, True, 2), False, None,
                drivers.CommandReqCause.ACTIVATION)])
            e = await self.wait('command/double/1/9')
            answer = {**e.payload.data, 'is_negative_confirm': True, 'cause': 'UNKNOWN_IO_ADDRESS'}
            self.gate.system('command/double/1/9', answer)
            msg = (await asyncio.wait_for(conn.receive(), WAIT_S))[0]
            self.assertEqual(msg.cause, drivers.CommandResCause.UNKNOWN_IO_ADDRESS)
            self.assertTrue(msg.is_negative_confirm)
            await conn.async_close()
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self.gate.close)


if __name__ == '__main__':
    unittest.main()
