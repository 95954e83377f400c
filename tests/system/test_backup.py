"""gateway-eventd's files: a backup made while it works, restored; bounds of the time series by type; compaction."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

from eventer import EventerClient, Json, RegisterEvent  # noqa: E402
from patience import WAIT_S  # noqa: E402
from test_eventd import PROGRAM, Eventd, eventually  # noqa: E402


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix='gateway-eventd-test-')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.data = self.folder / 'data'

    def serve(self, *args, data=None):
        return Eventd('--unix', str(self.folder / 'socket'), '--data', str(data or self.data), *args, listen=None)

    def client(self, eventd):
        client = EventerClient(path=str(self.folder / 'socket'))
        self.addCleanup(client.close)
        return client

    def run_program(self, *args):
        return subprocess.run([PROGRAM, *map(str, args)], capture_output=True, text=True, timeout=4 * WAIT_S)


def put(client, kind, values):
    events = [RegisterEvent(tuple(kind.split('/')), None, Json(v)) for v in values]
    return client.register(events, response=True)


def everything(client, types=(('*',),)):
    """All of the time series, in order."""
    events, last = [], None
    while True:
        page = client.query_timeseries(types, ascending=True, last_event_id=last)
        events += page.events
        if not page.more:
            return events
        last = page.events[-1].id


class Backup(Case):
    def backup(self, name='copy', *args):
        return self.run_program('--backup', self.folder / name, '--unix', self.folder / 'socket', *args)

    def test_of_a_server_that_works(self):
        """Under load: every event up to a point in time, none twice, and the latest of each type."""
        with self.serve('--timeseries', '5000') as eventd:
            client = self.client(eventd)
            put(client, 'rare', [1])
            put(client, 'many/x', range(6000))  # so that 'rare' has left the time series
            before = put(client, 'before', [1])[-1]
            stop = threading.Event()
            writer = self.client(eventd)

            def load():
                n = 0
                while not stop.is_set():
                    put(writer, f'load/{n % 50}', range(n, n + 100))
                    n += 100

            thread = threading.Thread(target=load)
            thread.start()
            try:
                done = self.backup()
            finally:
                stop.set()
                thread.join()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r'copy has \d+ events')
            original = everything(client)
        with self.serve('--timeseries', '100000', data=self.folder / 'copy') as eventd:
            client = self.client(eventd)
            copied = everything(client, (('rare',), ('before',), ('many', '*'), ('load', '*')))
            latest = client.query_latest([('rare',), ('before',)]).events
            new = put(client, 'after', [1])[-1]
        self.assertEqual([e.type for e in latest], [('rare',), ('before',)])
        ids = [e.id for e in copied]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertIn(before.id, set(ids))
        self.assertGreater(new.id, ids[-1])
        by_id = {e.id: e for e in original}
        for e in copied:
            if e.id in by_id:
                self.assertEqual(e, by_id[e.id])
        # Nothing is missing between the first and the last one.
        ours = [e.id for e in original if e.type[0] in ('many', 'load', 'before') and ids[0] < e.id <= ids[-1]]
        self.assertEqual(set(ours) - set(ids), set())
        self.assertEqual((self.folder / 'copy').stat().st_mode & 0o777, 0o700)

    def test_refusals(self):
        done = self.backup()
        self.assertEqual(done.returncode, 1)
        self.assertIn('No such file or directory', done.stderr)
        with self.serve():
            (self.folder / 'there').mkdir()
            done = self.backup('there')
            self.assertEqual((done.returncode, 'File exists' in done.stderr), (1, True), done.stderr)
            done = self.backup('copy', '--server-id', '7')
            self.assertEqual(done.returncode, 1)
            self.assertIn('no events of this server id', done.stderr)
            self.assertEqual([p.name for p in self.folder.glob('copy*')], [])
        self.assertEqual(self.run_program('--backup', self.folder / 'copy').returncode, 2)


class Retention(Case):
    def kept(self, client, kind):
        return [e.payload.data for e in everything(client, (tuple(kind.split('/')),))]

    def test_count(self):
        rules = ('--keep', 'fast/?:count=100', '--keep', 'none/*:count=0')
        with self.serve(*rules) as eventd:
            client = self.client(eventd)
            put(client, 'slow/a', range(50))
            put(client, 'none/a', range(50))
            for i in range(40):
                put(client, 'fast/a', range(100 * i, 100 * i + 100))
            fast = self.kept(client, 'fast/a')
            self.assertEqual(fast, list(range(4000 - len(fast), 4000)))
            self.assertLess(len(fast), 100 + 100 + 4000 // 64)
            self.assertEqual(self.kept(client, 'slow/a'), list(range(50)))
            self.assertEqual([e.payload.data for e in client.query_latest([('none', 'a')]).events], [49])
        with self.serve(*rules) as eventd:
            client = self.client(eventd)
            self.assertEqual(self.kept(client, 'fast/a'), list(range(3900, 4000)))
            self.assertEqual(self.kept(client, 'none/a'), [])
            self.assertEqual(self.kept(client, 'slow/a'), list(range(50)))

    def test_bytes_and_age(self):
        with self.serve('--keep', 'big:bytes=20000', '--keep', 'old:age=1') as eventd:
            client = self.client(eventd)
            put(client, 'big', ['x' * 1000 for _ in range(100)])
            put(client, 'old', [1])

        def has_left():
            with self.serve('--keep', 'big:bytes=20000', '--keep', 'old:age=1') as eventd:
                client = self.client(eventd)
                self.assertIn(len(self.kept(client, 'big')), range(10, 20))
                self.assertEqual(len(client.query_latest([('old',)]).events), 1)
                return self.kept(client, 'old') == []

        eventually(has_left)

    def test_what_was_dropped_stays_so(self):
        """The gaps that it leaves in the file are no damage."""
        with self.serve('--keep', 'fast:count=10') as eventd:
            client = self.client(eventd)
            for i in range(20):
                put(client, 'fast', range(10))
                put(client, 'slow', [i])
        for _ in range(2):
            with self.serve() as eventd:
                client = self.client(eventd)
                self.assertEqual(self.kept(client, 'slow'), list(range(20)))
                self.assertLess(len(self.kept(client, 'fast')), 100)
        self.assertEqual(list(self.data.glob('*damaged*')), [])

    def test_refusals(self):
        for rule in ('fast', ':count=1', 'a//b:count=1', 'a:', 'a:count', 'a:count=x', 'a:size=1', 'a:count=1,'):
            done = self.run_program('--unix', self.folder / 'socket', '--keep', rule)
            self.assertEqual(done.returncode, 2, rule)


class Compaction(Case):
    def test_space_is_given_back(self):
        with self.serve() as eventd:
            client = self.client(eventd)
            for i in range(10):
                put(client, 'big', ['x' * 10000 for _ in range(200)])
            put(client, 'small', [1])
        with self.serve('--timeseries', '10') as eventd:
            put(self.client(eventd), 'small', [2])
        before = (self.data / 'data.mdb').stat().st_size
        done = self.run_program('--compact', '--data', self.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertLess((self.data / 'data.mdb').stat().st_size, before // 10)
        with self.serve() as eventd:
            client = self.client(eventd)
            latest = client.query_latest([('small',), ('big',)]).events
            self.assertEqual(sorted(e.type for e in latest), [('big',), ('small',)])
            done = self.run_program('--compact', '--data', self.data)
            self.assertEqual((done.returncode, 'in use by another' in done.stderr), (1, True), done.stderr)
        self.assertEqual(self.run_program('--compact').returncode, 2)


if __name__ == '__main__':
    unittest.main()
