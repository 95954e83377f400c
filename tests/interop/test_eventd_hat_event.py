"""hat-event's own client against gateway-eventd.

Run with a Python that has hat-event 0.9; skipped where it has not.
"""

import asyncio
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / os.environ.get('BUILD', 'build') / 'gateway-eventd'

try:
    from hat.drivers import tcp
    from hat.event import common
    from hat.event import eventer
except ImportError:
    eventer = None

JSON = [None, True, 1, -1.5, 'ž', [], {'a': [1, {'b': None}]}]


@unittest.skipUnless(eventer, 'hat.event cannot be imported')
class TestHatEventClient(unittest.IsolatedAsyncioTestCase):

    def start(self, *args):
        ready, writer = os.pipe()
        process = subprocess.Popen(
            [str(PROGRAM), '--listen', '127.0.0.1:0', '--ready-fd', str(writer),
             *args, *([] if '--token-file' in args else ['--insecure'])],
            pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(ready) as f:
            self.address = tcp.Address('127.0.0.1', int(f.read()))
        self.process = process
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    async def connect(self, name='test', **kwargs):
        events = asyncio.Queue()

        async def on_events(client, new):
            await events.put(list(new))

        client = await eventer.connect(self.address, name, events_cb=on_events, **kwargs)
        client.test_events = events
        self.addAsyncCleanup(client.async_close)
        return client

    @staticmethod
    def register_events(kind, payloads):
        return [common.RegisterEvent(type=kind, source_timestamp=common.now(), payload=p)
                for p in payloads]

    async def test_connect_and_status(self):
        self.start()
        statuses = asyncio.Queue()
        client = await eventer.connect(self.address, 'test',
                                       status_cb=lambda c, s: statuses.put_nowait(s))
        self.assertEqual(client.status, common.Status.OPERATIONAL)
        self.process.terminate()
        self.assertEqual(await asyncio.wait_for(statuses.get(), 5), common.Status.STOPPING)
        await asyncio.wait_for(client.wait_closed(), 5)

    async def test_token(self):
        with tempfile.NamedTemporaryFile('w') as f:
            f.write('secret\n')
            f.flush()
            self.start('--token-file', f.name)
        with self.assertRaises(eventer.EventerInitError):
            await self.connect(client_token='wrong')
        client = await self.connect(client_token='secret')
        self.assertTrue(client.is_open)

    async def test_register_and_notify(self):
        self.start()
        kind = ('gateway', 'a', 'ž', '')
        payloads = [common.EventPayloadJson(j) for j in JSON] + [
            common.EventPayloadBinary('t', bytes(range(256))), None]
        watcher = await self.connect('watcher', subscriptions=[('gateway', '?', '*')],
                                     server_id=1, persisted=True)
        client = await self.connect()
        events = self.register_events(kind, payloads)
        answer = await client.register(events, with_response=True)
        self.assertEqual([(e.type, e.source_timestamp) for e in answer],
                         [(e.type, e.source_timestamp) for e in events])
        notified = await asyncio.wait_for(watcher.test_events.get(), 5)
        self.assertEqual(notified, list(answer))
        for got, sent in zip(notified, payloads):
            if isinstance(sent, common.EventPayloadBinary):
                self.assertEqual((got.payload.type, bytes(got.payload.data)),
                                 (sent.type, sent.data))
            else:
                self.assertEqual(got.payload, sent)
        await client.register(events[:1])
        self.assertEqual(len(await asyncio.wait_for(watcher.test_events.get(), 5)), 1)
        self.assertEqual(await client.register([], with_response=True), [])

    async def test_queries(self):
        self.start('--server-id', '7')
        client = await self.connect()
        events = []
        for i in range(10):
            events += await client.register(self.register_events(
                ('t', str(i % 2)), [common.EventPayloadJson(i)]), with_response=True)

        result = await client.query(common.QueryLatestParams([('t', '*')]))
        self.assertEqual(sorted(e.payload.data for e in result.events), [8, 9])
        self.assertFalse(result.more_follows)

        async def page(**kwargs):
            result = await client.query(common.QueryTimeseriesParams(
                event_types=[('t', '?')], **kwargs))
            return [e.payload.data for e in result.events], result.more_follows

        up = common.Order.ASCENDING
        self.assertEqual(await page(), (list(range(10))[::-1], False))
        self.assertEqual(await page(order=up, max_results=4), ([0, 1, 2, 3], True))
        self.assertEqual(await page(order=up, last_event_id=events[7].id), ([8, 9], False))
        self.assertEqual(await page(order=up, t_from=events[3].timestamp,
                                    t_to=events[5].timestamp), ([3, 4, 5], False))
        self.assertEqual(await page(order=up, order_by=common.OrderBy.SOURCE_TIMESTAMP,
                                    source_t_from=events[6].source_timestamp),
                         ([6, 7, 8, 9], False))
        result = await client.query(common.QueryServerParams(7, last_event_id=events[0].id,
                                                             max_results=2))
        self.assertEqual((list(result.events), result.more_follows), (events[1:3], True))
        result = await client.query(common.QueryServerParams(8))
        self.assertEqual(list(result.events), [])

    async def test_pings(self):
        self.start()
        client = await self.connect(ping_delay=0.05, ping_timeout=1)
        await asyncio.sleep(0.5)
        self.assertTrue(client.is_open)

    async def test_large_batches(self):
        self.start()
        client = await self.connect(subscriptions=[('n',)])
        events = self.register_events(('n',), [common.EventPayloadJson(i) for i in range(20000)])
        answer = await client.register(events, with_response=True)
        self.assertEqual(len(answer), 20000)
        got = []
        while len(got) < 20000:
            got += await asyncio.wait_for(client.test_events.get(), 10)
        self.assertEqual(got, list(answer))

    async def test_kept_over_kill(self):
        with tempfile.TemporaryDirectory() as d:
            self.start('--data', d)
            client = await self.connect()
            answer = await client.register(self.register_events(
                ('kept',), [common.EventPayloadJson(1)]), with_response=True)
            self.process.kill()
            self.process.wait()
            self.start('--data', d)
            client = await self.connect()
            result = await client.query(common.QueryLatestParams([('kept',)]))
            self.assertEqual(list(result.events), list(answer))


if __name__ == '__main__':
    if not eventer:
        print('skipped: hat.event cannot be imported')
        sys.exit(0)
    unittest.main()
