"""101 master and slave and 103 master against hat-drivers, over pseudo-terminals."""
import asyncio
import contextlib
import datetime
import os
import time
import unittest

import peers  # noqa: F401

try:
    from hat.drivers import iec101, serial
    from hat.drivers.iec60870 import link
    from hat.drivers.iec60870.encodings import iec103
except ImportError as e:
    raise unittest.SkipTest(f'hat-drivers is not importable: {e}')

import iec_serial as lib  # noqa: E402
from serial_bridge import Bridge  # noqa: E402

SERIAL = {'baudrate': 9600, 'parity': serial.Parity.EVEN, 'silent_interval': 0.001}
ENABLE = 'system/remote_device/{}/enable'
STATUS = 'gateway/remote_device/{}/status'
INDICATION = iec101.IndicationQuality(False, False, False, False)


def connection(conn):
    return iec101.Connection(conn, iec101.CauseSize.TWO, iec101.AsduAddressSize.TWO,
                             iec101.IoAddressSize.THREE)


def data_msg(io, value, time=None, cause=iec101.DataResCause.SPONTANEOUS):
    return iec101.DataMsg(False, 0, 1, io, iec101.SingleData(value, INDICATION), time, cause)


@contextlib.contextmanager
def zone(name):
    """The runners are hosted in UTC; the peers have the zone of this process."""
    before = os.environ.get('TZ')
    os.environ['TZ'] = name
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop('TZ') if before is None else os.environ.update(TZ=before)
        time.tzset()


class Case(unittest.IsolatedAsyncioTestCase):

    def setUp(self):
        self.line = self.enterContext(Bridge())
        self.runners = []

    def tearDown(self):
        for r in self.runners:
            self.assertEqual(r.stop(), 0)

    def start(self, *args, **kwargs):
        self.runners.append(lib.start(*args, **kwargs))
        return self.runners[-1]

    async def event(self, runner, suffix, payload=None, after=0):
        return await asyncio.to_thread(runner.wait_event, suffix, payload, after, 8)

    async def received(self, conn, kind, count=1, seconds=8):
        """The next messages of that kind, others are passed over."""
        found = []
        async with asyncio.timeout(seconds):
            while len(found) < count:
                found += [m for m in await conn.receive() if isinstance(m, kind)]
        return found[0] if count == 1 else found


class Master101(Case):

    async def peer(self, balanced, address):
        create = link.create_balanced_link if balanced else link.create_slave_link
        self.link = await create(self.line.b, link.AddressSize.ONE, **SERIAL)
        self.addAsyncCleanup(self.link.async_close)
        keys = {'direction': link.Direction.B_TO_A, 'response_timeout': 2} if balanced else {}
        return asyncio.create_task(self.link.open_connection(addr=address, **keys))

    async def session(self, balanced):
        opening = await self.peer(balanced, 7)
        r = self.start('iec101_master', lib.master101(self.line.a, [
            lib.remote(7, balanced, time_sync_delay=1)], balanced), {ENABLE.format(7): True})
        await self.event(r, 'gateway/status', 'CONNECTED')
        conn = connection(await asyncio.wait_for(opening, 8))
        await self.event(r, STATUS.format(7), 'CONNECTED')
        sync = await self.received(conn, iec101.ClockSyncMsg)
        self.assertEqual((sync.asdu_address, sync.cause.name), (0xFFFF, 'ACTIVATION'))
        await self.exchange(r, conn)
        r.send(ENABLE.format(7), False)
        await self.event(r, STATUS.format(7), 'DISCONNECTED')
        kinds = [e.payload for e in r.events if e.type == STATUS.format(7)]
        self.assertEqual(kinds, ['CONNECTING', 'CONNECTED', 'DISCONNECTED'])

    async def exchange(self, r, conn):
        then = datetime.datetime(2024, 2, 29, 23, 59, 58, 765000, datetime.timezone.utc)
        with zone('UTC'):
            await conn.send([data_msg(99, iec101.SingleValue.ON, iec101.time_from_datetime(then))])
        at = await self.event(r, 'gateway/remote_device/7/data/single/1/99', lib.single('ON'))
        self.assertAlmostEqual(r.stamps[at - 1], then.timestamp(), 5)
        start = at
        await conn.send([data_msg(i, iec101.SingleValue(i % 2)) for i in range(40)])
        for i in range(40):
            await self.event(r, f'gateway/remote_device/7/data/single/1/{i}',
                             lib.single('ON' if i % 2 else 'OFF'))
        order = [e.type for e in r.events[start:] if '/data/' in e.type]
        self.assertEqual(order, [f'gateway/remote_device/7/data/single/1/{i}' for i in range(40)])
        command = {'value': 'ON', 'select': False, 'qualifier': 3}
        r.send('system/remote_device/7/command/single/1/5',
               {'is_test': False, 'cause': 'ACTIVATION', 'command': command})
        msg = await self.received(conn, iec101.CommandMsg)
        self.assertEqual((msg.io_address, msg.command.value.name, msg.command.qualifier), (5, 'ON', 3))
        await conn.send([msg._replace(cause=iec101.CommandResCause.ACTIVATION_CONFIRMATION)])
        await self.event(r, 'gateway/remote_device/7/command/single/1/5', {
            'is_test': False, 'is_negative_confirm': False, 'cause': 'ACTIVATION_CONFIRMATION',
            'command': command})
        r.send('system/remote_device/7/interrogation/1',
               {'is_test': False, 'request': 20, 'cause': 'ACTIVATION'})
        msg = await self.received(conn, iec101.InterrogationMsg)
        self.assertEqual((msg.request, msg.cause.name), (20, 'ACTIVATION'))
        await conn.send([msg._replace(cause=iec101.CommandResCause.ACTIVATION_TERMINATION)])
        await self.event(r, 'gateway/remote_device/7/interrogation/1')
        r.send('system/remote_device/7/counter_interrogation/1',
               {'is_test': False, 'request': 5, 'freeze': 'FREEZE', 'cause': 'ACTIVATION'})
        msg = await self.received(conn, iec101.CounterInterrogationMsg)
        self.assertEqual((msg.request, msg.freeze.name), (5, 'FREEZE'))

    async def test_unbalanced(self):
        await self.session(False)

    async def test_balanced(self):
        await self.session(True)

    async def test_other_sizes(self):
        """No link address, everything else as small as it can be."""
        self.link = await link.create_balanced_link(self.line.b, link.AddressSize.ZERO, **SERIAL)
        self.addAsyncCleanup(self.link.async_close)
        opening = asyncio.create_task(self.link.open_connection(
            link.Direction.A_TO_B, 0, response_timeout=2))
        r = self.start('iec101_master', {
            **lib.master101(self.line.a, [lib.remote(0, True, direction='B_TO_A')], True,
                            device_address_size='ZERO'),
            **lib.asdu_sizes('ONE', 'ONE', 'ONE')}, {ENABLE.format(0): True})
        conn = iec101.Connection(await asyncio.wait_for(opening, 8), iec101.CauseSize.ONE,
                                 iec101.AsduAddressSize.ONE, iec101.IoAddressSize.ONE)
        await conn.send([data_msg(255, iec101.SingleValue.ON)])
        await self.event(r, 'gateway/remote_device/0/data/single/1/255', lib.single('ON'))

    async def test_out_of_range_sends_nothing(self):
        opening = await self.peer(False, 7)
        r = self.start('iec101_master', lib.master101(self.line.a, [lib.remote(7)]),
                       {ENABLE.format(7): True})
        conn = connection(await asyncio.wait_for(opening, 8))
        await self.event(r, STATUS.format(7), 'CONNECTED')
        good = {'is_test': False, 'cause': 'ACTIVATION',
                'command': {'value': 'ON', 'select': False, 'qualifier': 0}}
        for bad in ({**good, 'cause': 300}, {**good, 'command': {**good['command'], 'qualifier': 1000}},
                    {**good, 'command': {}}, [], None, 7):
            r.send('system/remote_device/7/command/single/1/5', bad)
        r.send('system/remote_device/7/command/single/1/99999999', good)
        r.send('system/remote_device/9/command/single/1/5', good)
        r.send('system/remote_device/7/command/single/1/6', good)
        msg = await self.received(conn, iec101.CommandMsg)
        self.assertEqual(msg.io_address, 6)


class Slave101(Case):

    DATA = [lib.point('SINGLE', 1, i) for i in range(30)] + \
        [lib.point('SCALED', 1, 100 + i, 'b') for i in range(10)] + \
        [lib.point('BINARY_COUNTER', 1, 200)]

    async def master(self, balanced, address):
        create = link.create_balanced_link if balanced else link.create_master_link
        if not hasattr(self, 'link'):
            self.link = await create(self.line.b, link.AddressSize.ONE, **SERIAL)
            self.addAsyncCleanup(self.link.async_close)
        keys = {'direction': link.Direction.A_TO_B} if balanced else {'poll_class1_delay': 0.05}
        return connection(await asyncio.wait_for(self.link.open_connection(
            addr=address, response_timeout=2, **keys), 8))

    async def session(self, balanced):
        latest = {f'system/data/single/1/{i}': lib.single('ON') for i in range(30)}
        latest['system/data/binary_counter/1/200'] = {
            'is_test': False, 'cause': 'SPONTANEOUS', 'data': {'value': 123, 'quality': {
                'invalid': False, 'adjusted': False, 'overflow': False, 'sequence': False}}}
        r = self.start('iec101_slave', lib.slave101(
            self.line.a, [3, 4], self.DATA, balanced, [{'name': 'b', 'size': 5}]), latest)
        await self.event(r, 'gateway/connections', [])
        for i in range(8):
            r.send(f'system/data/scaled/1/{100 + i}', lib.scaled(1000 + i))
        conn = await self.master(balanced, 3)
        await self.event(r, 'gateway/connections', [{'connection_id': 1, 'address': 3}])
        kept = await self.received(conn, iec101.DataMsg, 5)
        self.assertEqual([m.data.value.value for m in kept], [1003, 1004, 1005, 1006, 1007])
        await self.interrogate(conn)
        await self.command(r, conn)
        conn2 = await self.master(balanced, 4)
        await self.event(r, 'gateway/connections',
                         [{'connection_id': 1, 'address': 3}, {'connection_id': 2, 'address': 4}])
        r.send('system/data/single/1/2', lib.single('OFF'))
        for c in (conn, conn2):
            msg = await self.received(c, iec101.DataMsg)
            self.assertEqual((msg.io_address, msg.data.value.name, msg.cause.name),
                             (2, 'OFF', 'SPONTANEOUS'))

    async def interrogate(self, conn):
        request = iec101.InterrogationMsg(False, 0, 1, 20, False, iec101.CommandReqCause.ACTIVATION)
        await conn.send([request])
        msgs = await self.received(conn, object, 1 + 30 + 8 + 1)
        self.assertEqual([msgs[0].cause.name, msgs[-1].cause.name],
                         ['ACTIVATION_CONFIRMATION', 'ACTIVATION_TERMINATION'])
        self.assertEqual({m.cause.name for m in msgs[1:-1]}, {'INTERROGATED_STATION'})
        self.assertEqual([m.io_address for m in msgs[1:31]], list(range(30)))
        await conn.send([request._replace(cause=iec101.CommandReqCause.DEACTIVATION)])
        msg = await self.received(conn, iec101.InterrogationMsg)
        self.assertEqual((msg.cause.name, msg.is_negative_confirm), ('DEACTIVATION_CONFIRMATION', True))
        await conn.send([iec101.CounterInterrogationMsg(
            False, 0, 0xFFFF, 5, iec101.FreezeCode.READ, False, iec101.CommandReqCause.ACTIVATION)])
        msgs = await self.received(conn, object, 3)
        self.assertEqual([m.cause.name for m in msgs], [
            'ACTIVATION_CONFIRMATION', 'INTERROGATED_COUNTER', 'ACTIVATION_TERMINATION'])
        self.assertEqual(msgs[1].data.value.value, 123)
        await conn.send([iec101.ReadMsg(0, 1, 5, iec101.ReadReqCause.REQUEST)
                         if len(iec101.ReadMsg._fields) == 4 else
                         iec101.ReadMsg(False, 0, 1, 5, iec101.ReadReqCause.REQUEST)])
        msg = await self.received(conn, iec101.DataMsg)
        self.assertEqual((msg.cause.name, msg.io_address), ('REQUEST', 5))

    async def command(self, r, conn):
        command = {'value': 'HIGHER', 'select': True, 'qualifier': 1}
        msg = iec101.CommandMsg(False, 0, 1, 50, iec101.RegulatingCommand(
            iec101.RegulatingValue.HIGHER, True, 1), False, iec101.CommandReqCause.ACTIVATION)
        await conn.send([msg])
        await self.event(r, 'gateway/command/regulating/1/50', {
            'connection_id': 1, 'is_test': False, 'cause': 'ACTIVATION', 'command': command})
        for number in (77, 1):
            r.send('system/command/regulating/1/50', {
                'connection_id': number, 'is_test': False, 'is_negative_confirm': number == 77,
                'cause': 'ACTIVATION_CONFIRMATION', 'command': command})
        msg = await self.received(conn, iec101.CommandMsg)
        self.assertEqual((msg.cause.name, msg.is_negative_confirm), ('ACTIVATION_CONFIRMATION', False))

    async def test_unbalanced(self):
        await self.session(False)

    async def test_balanced(self):
        await self.session(True)

    async def test_keep_alive(self):
        r = self.start('iec101_slave', lib.slave101(self.line.a, [3], [], keep_alive=0.5))
        await self.master(False, 3)
        at = await self.event(r, 'gateway/connections', [{'connection_id': 1, 'address': 3}])
        await self.link.async_close()
        await self.event(r, 'gateway/connections', [], at)


class Master103(Case):

    TIME = iec103.Time(iec103.TimeSize.FOUR, 12345, False, False, 34, False, 13, None, None, None, None)

    def asdu(self, kind, cause, element, information=16, function=160):
        return iec103.Encoder().encode_asdu(iec103.ASDU(kind, cause, 5, [
            iec103.IO(iec103.IoAddress(function, information),
                      element if isinstance(element, list) else [element])]))

    async def request(self, conn, kind):
        async with asyncio.timeout(8):
            while True:
                asdu, rest = iec103.Encoder().decode_asdu(await conn.receive())
                self.assertFalse(rest)
                if asdu.type == kind:
                    return asdu

    async def test_session(self):
        slave = await link.create_slave_link(self.line.b, link.AddressSize.ONE, **SERIAL)
        self.addAsyncCleanup(slave.async_close)
        opening = asyncio.create_task(slave.open_connection(5))
        r = self.start('iec103_master', lib.master103(
            self.line.a, [lib.remote(5, time_sync_delay=1)]), {ENABLE.format(5): True})
        conn = await asyncio.wait_for(opening, 8)
        await self.event(r, STATUS.format(5), 'CONNECTED')
        sync = await self.request(conn, iec103.AsduType.TIME_SYNCHRONIZATION)
        self.assertEqual((sync.address, sync.ios[0].address), (255, iec103.IoAddress(255, 0)))
        await self.data(r, conn)
        await self.commands(r, conn)

    async def data(self, r, conn):
        tagged = iec103.IoElement_TIME_TAGGED_MESSAGE(iec103.DoubleWithTimeValue(
            iec103.DoubleValue.ON, self.TIME, 0))
        await conn.send(self.asdu(iec103.AsduType.TIME_TAGGED_MESSAGE, iec103.Cause.SPONTANEOUS, tagged))
        await self.event(r, 'gateway/remote_device/5/data/double/5/160/16',
                         {'cause': 'SPONTANEOUS', 'value': 'ON'})
        await conn.send(self.asdu(iec103.AsduType.TIME_TAGGED_MESSAGE, 99, tagged))
        await self.event(r, 'gateway/remote_device/5/data/double/5/160/16', {'cause': 99, 'value': 'ON'})
        await self.times(r, conn)
        values = [iec103.IoElement_MEASURANDS_2(iec103.MeasurandValue(bool(i & 1), False, i / 16))
                  for i in range(9)]
        await conn.send(self.asdu(iec103.AsduType.MEASURANDS_2, iec103.Cause.CYCLIC, values, 148))
        for i, name in enumerate(('i_l1', 'i_l2', 'i_l3', 'u_l1e', 'u_l2e', 'u_l3e', 'p', 'q', 'f')):
            await self.event(r, f'gateway/remote_device/5/data/m2_{name}/5/160/148', {
                'cause': 'CYCLIC', 'value': {'overflow': bool(i & 1), 'invalid': False, 'value': i / 16}})

    async def times(self, r, conn):
        """The day closest to now; no time at all with the wrong summer-time bit."""
        name = 'gateway/remote_device/5/data/double/5/160/17'
        now = datetime.datetime.now(datetime.timezone.utc)
        for minutes, summer in ((0, False), (-600, False), (600, False), (0, True)):
            then = (now + datetime.timedelta(minutes=minutes)).replace(microsecond=345000)
            t = self.TIME._replace(milliseconds=then.second * 1000 + 345, minutes=then.minute,
                                   hours=then.hour, summer_time=summer)
            start = len(r.events)
            await conn.send(self.asdu(
                iec103.AsduType.TIME_TAGGED_MESSAGE_WITH_RELATIVE_TIME, iec103.Cause.SPONTANEOUS,
                iec103.IoElement_TIME_TAGGED_MESSAGE_WITH_RELATIVE_TIME(
                    iec103.DoubleWithRelativeTimeValue(iec103.DoubleValue.ON, 300, 7, t, 0)), 17))
            at = await self.event(r, name, {'cause': 'SPONTANEOUS', 'value': 'ON'}, start)
            stamp = r.stamps[at - 1]
            if summer:
                self.assertIsNone(stamp)
            else:
                self.assertAlmostEqual(stamp, then.timestamp(), 5)

    async def commands(self, r, conn):
        for success in (True, False):
            r.send('system/remote_device/5/command/5/160/16',
                   {'session_id': ['any', {'json': success}], 'value': 'OFF'})
            asdu = await self.request(conn, iec103.AsduType.GENERAL_COMMAND)
            element = asdu.ios[0].elements[0]
            self.assertEqual(element.value.name, 'OFF')
            await conn.send(self.asdu(
                iec103.AsduType.TIME_TAGGED_MESSAGE,
                iec103.Cause.GENERAL_COMMAND if success else iec103.Cause.GENERAL_COMMAND_NACK,
                iec103.IoElement_TIME_TAGGED_MESSAGE(iec103.DoubleWithTimeValue(
                    iec103.DoubleValue.OFF, self.TIME, element.return_identifier))))
            await self.event(r, 'gateway/remote_device/5/command/5/160/16',
                             {'session_id': ['any', {'json': success}], 'success': success})
        r.send('system/remote_device/5/interrogation/5', None)
        asdu = await self.request(conn, iec103.AsduType.GENERAL_INTERROGATION)
        number = asdu.ios[0].elements[0].scan_number
        await conn.send(self.asdu(
            iec103.AsduType.GENERAL_INTERROGATION_TERMINATION,
            iec103.Cause.TERMINATION_OF_GENERAL_INTERROGATION,
            iec103.IoElement_GENERAL_INTERROGATION_TERMINATION(number), 0, 255))
        await self.event(r, 'gateway/remote_device/5/interrogation/5')


class Lib60870(unittest.TestCase):

    def test_c104_offers_no_101(self):
        """lib60870 would be the third implementation to talk to; c104, through which Python has it, wraps 104
        alone. If this fails, there are tests of 101 to be written."""
        try:
            import c104
        except ImportError as e:
            raise unittest.SkipTest(f'c104 is not importable: {e}')
        self.assertIn('Server', dir(c104))
        words = ('101', 'serial', 'balanced', 'baud', 'tty')
        names = [n for o in (c104, c104.Server, c104.Client, c104.Connection, c104.ProtocolParameters)
                 for n in dir(o)]
        self.assertEqual([n for n in names if any(w in n.lower() for w in words)], [])


if __name__ == '__main__':
    unittest.main()
