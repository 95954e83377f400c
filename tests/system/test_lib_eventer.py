"""The tests' own Event Server and client agree with each other, and misbehave as they say."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'lib'))

import eventer  # noqa: E402
from eventer import Json, RegisterEvent  # noqa: E402


class TestFakeServer(unittest.TestCase):

    def setUp(self):
        self.server = eventer.EventerServer()
        self.addCleanup(self.server.close)
        self.client = eventer.EventerClient(port=self.server.port, name='c', token='t', server_id=1,
                                        subscriptions=['a/?', 'b'], timeout=5)
        self.addCleanup(self.client.close)
        self.served = self.server.wait(lambda: self.server.clients)[0]

    def test_init(self):
        self.assertEqual((self.served.name, self.served.token, self.served.server_id),
                         ('c', 't', 1))
        self.assertEqual(self.served.subscriptions, [('a', '?'), ('b',)])
        self.server.init_error = 'no'
        with self.assertRaisesRegex(eventer.Refused, 'no'):
            eventer.EventerClient(port=self.server.port)

    def test_register(self):
        answer = self.client.register([RegisterEvent('x/y', eventer.Timestamp(1, 2), Json([1]))],
                                      response=True)
        self.assertEqual(self.server.find('x/*', Json([1])), answer)
        self.client.register([RegisterEvent('x/z')])
        self.assertEqual(self.server.wait_event('x/z').payload, None)
        self.server.counting = True
        self.client.register([RegisterEvent('x')] * 5)
        self.server.wait(lambda: self.server.count == 7)
        self.assertEqual(len(self.server.registered), 2)

    def test_queries(self):
        event = self.server.preset('a/b', Json(True))
        self.assertEqual(self.client.query_latest(['a/*']).events, [event])
        self.server.on_query = lambda kind, types: [event] * 3
        self.assertEqual(self.client.query_timeseries().events, [event] * 3)
        self.assertEqual([k for k, _ in self.server.queries], ['latest', 'timeseries'])

    def test_notify(self):
        events = [self.server.event(t, Json(1)) for t in ('a/b', 'c', 'b')]
        self.server.notify(events, want_ack=True)
        self.assertEqual(self.client.next_events(), [events[0], events[2]])
        self.server.wait(lambda: self.server.acks == 1)
        self.server.set_status('standby')
        self.server.wait(lambda: self.client.status == 'standby')

    def test_misbehaviour(self):
        self.client.timeout = 0.2
        self.server.answering.clear()
        with self.assertRaises(TimeoutError):
            self.client.query_latest()
        self.server.close_mid_frame()
        self.server.wait(self.client.closed.is_set)
        with self.assertRaises(eventer.Closed):
            self.client.query_latest()
        with eventer.EventerClient(port=self.server.port) as client:
            self.server.wait(lambda: len(self.server.clients) == 1)
            self.server.drop_clients()
            self.server.wait(client.closed.is_set)
        self.server.accepting.clear()
        with self.assertRaises(eventer.Closed):
            eventer.EventerClient(port=self.server.port)
        self.assertEqual(self.server.connects, 3)

    def test_stalled(self):
        self.server.stalled.set()
        self.client.register([RegisterEvent('one')])
        self.client.register([RegisterEvent('two')])
        with self.assertRaises(TimeoutError):
            self.server.wait_event('two', timeout=0.2)
        self.server.stalled.clear()
        self.server.wait_event('two')


if __name__ == '__main__':
    unittest.main()
