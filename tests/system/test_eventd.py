"""gateway-eventd as a process: what it keeps, whom it tells, whom it cuts off.

Run from the top folder: python3 tests/system/test_eventd.py; $BUILD names the build folder.
"""

import fcntl
import os
import pathlib
import random
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests' / 'lib'))

import eventer  # noqa: E402
from eventer import Binary, Json, RegisterEvent  # noqa: E402
from patience import WAIT_S, end_process  # noqa: E402

PROGRAM = ROOT / os.environ.get('BUILD', 'build') / 'gateway-eventd'


MOUNTS = subprocess.run(['unshare', '-m', 'true'], stderr=subprocess.DEVNULL, check=False).returncode == 0


def setUpModule():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Eventd:
    """One gateway-eventd on a free port."""

    def __init__(self, *args, listen='127.0.0.1:0', limits=None, insecure=True, wrap=(), fds=()):
        ready, writer = os.pipe()
        self.log = tempfile.TemporaryFile()
        args = [*wrap, str(PROGRAM), '--sandbox', '--ready-fd', str(writer), *args]
        if listen:
            args += ['--listen', listen]
        if listen and insecure:
            args += ['--insecure']
        self.process = subprocess.Popen(args, pass_fds=[writer, *fds], stderr=self.log,
                                        preexec_fn=limits)
        os.close(writer)
        with os.fdopen(ready) as f:
            line = f.read()
        if not line:
            self.process.wait()
            logged = self.logged()
            self.log.close()
            raise RuntimeError(logged)
        self.port = int(line)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        end_process(self.process, 10)
        logged = self.logged()
        self.log.close()
        if 'Sanitizer' in logged:
            raise AssertionError(logged)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def logged(self):
        self.log.seek(0)
        return self.log.read().decode()

    def client(self, **kwargs):
        return eventer.EventerClient(port=self.port, **kwargs)

    def memory_kib(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(status.split('VmRSS:')[1].split()[0])

    def descriptors(self):
        return len(os.listdir(f'/proc/{self.process.pid}/fd'))


def eventually(condition, timeout=WAIT_S):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError('condition does not come true')
        time.sleep(0.01)


def numbers(kind, values):
    return [RegisterEvent(kind, None, Json(v)) for v in values]


def payloads(events):
    return [e.payload.data for e in events]


class TestProgram(unittest.TestCase):

    def run_with(self, *args):
        return subprocess.run([str(PROGRAM), *args], capture_output=True, text=True, timeout=WAIT_S)

    def test_help_version_and_exit_codes(self):
        self.assertIn('usage:', self.run_with('--help').stdout)
        self.assertEqual(self.run_with('--help').returncode, 0)
        self.assertRegex(self.run_with('--version').stdout, r'^gateway-eventd \d')
        for args in (['--nonsense'], ['surplus'], ['--timeseries', 'x'], ['--timeseries', '-1'],
                     ['--server-id', ''], ['--log-level', 'loud'], ['--token', 'x'], []):
            self.assertEqual(self.run_with(*args).returncode, 2, args)
        for args in (['--listen', 'nowhere'], ['--listen', '127.0.0.1:99999'],
                     ['--unix', '/tmp/x', '--data', '/proc/no/such/folder'],
                     ['--unix', '/tmp/' + 200 * 'x']):
            self.assertEqual(self.run_with(*args).returncode, 1, args)

    def test_sigterm_says_its_last_words(self):
        with Eventd() as server, server.client(subscriptions=['event/1/engine']) as client:
            server.process.terminate()
            self.assertEqual(client.wait_event('event/1/engine').payload, Json('STOPPED'))
            eventually(client.closed.is_set)
            self.assertEqual(client.status, 'stopping')
            self.assertEqual(server.process.wait(5), 0)

    def test_sigterm_waits_for_nobody(self):
        with Eventd() as server:
            clients = [server.client(name=f'c{i}') for i in range(20)]
            os.kill(server.process.pid, signal.SIGTERM)
            self.assertEqual(server.process.wait(3), 0)
            for c in clients:
                c.close()

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as d:
            path = d + '/events.sock'
            with Eventd('--unix', path) as server:
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
                with eventer.EventerClient(path=path, subscriptions=['a']) as one, \
                        server.client() as two:
                    two.register(numbers('a', [1]), response=True)
                    self.assertEqual(one.wait_event('a').payload, Json(1))
                with self.assertRaises(RuntimeError):
                    Eventd('--unix', path)
                server.kill()
                self.assertTrue(os.path.exists(path))
            with Eventd('--unix', path, listen=None) as server:
                self.assertEqual(server.port, 0)
                with eventer.EventerClient(path=path) as client:
                    self.assertEqual(client.status, 'operational')
                server.process.terminate()
                server.process.wait(5)
                self.assertFalse(os.path.exists(path))

    def test_sandbox_is_in_force(self):
        with Eventd() as d:
            with open(f'/proc/{d.process.pid}/status') as f:
                status = dict(line.split(':', 1) for line in f)
            self.assertEqual(status['NoNewPrivs'].strip(), '1')
            if 'san' not in PROGRAM.parent.name:
                self.assertEqual(status['Seccomp'].strip(), '2')

class TestAccess(unittest.TestCase):
    """The rules of who may be a client."""

    TOKEN = 'secret-of-32-bytes-secret-of-32-'

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        os.chmod(self.dir, 0o755)
        self.token = os.path.join(self.dir, 'token')
        self.write_token(0o600)

    def write_token(self, mode, text=TOKEN + '\n'):
        with open(self.token, 'w', encoding='ascii') as f:
            f.write(text)
        os.chmod(self.token, mode)

    def start(self, *args, **kwargs):
        return Eventd('--token-file', self.token, *args, insecure=False, **kwargs)

    def assert_not_started(self, text, *args, **kwargs):
        with self.assertRaises(RuntimeError) as e:
            Eventd(*args, insecure=False, **kwargs)
        self.assertIn(text, str(e.exception))

    def test_tcp_needs_a_token(self):
        self.assert_not_started('TCP needs --token-file')
        for everywhere in ('0.0.0.0:0', '[::]:0', ':0'):
            self.assert_not_started('needs --token-file', listen=everywhere)
            self.assert_not_started('--insecure is for loopback', '--insecure', listen=everywhere)
        with Eventd(listen='[::1]:0') as server, server.client(host='::1', token='any') as client:
            self.assertEqual(client.status, 'operational')

    def test_a_wrong_token_is_refused_counted_and_logged_with_its_address(self):
        with self.start() as server:
            began = time.monotonic()
            for bad in (None, '', self.TOKEN[:-1], self.TOKEN + 'x', self.TOKEN + '\n', self.TOKEN + '\0'):
                with self.assertRaises(eventer.Refused):
                    server.client(token=bad)
            self.assertGreater(time.monotonic() - began, 5)  # a second each: no fast guessing
            with server.client(token=self.TOKEN) as client:
                self.assertEqual(client.status, 'operational')
            log = server.logged()
            self.assertRegex(log, r'refused a client from 127\.0\.0\.1:\d+: no token \(1 refused')
            self.assertRegex(log, r'refused a client from 127\.0\.0\.1:\d+: wrong token \([2-6] refused')

    def test_many_guesses_are_few_lines_and_keep_nobody_out(self):
        with self.start() as server:
            guesses = [eventer.connect('127.0.0.1', server.port, None, WAIT_S) for _ in range(300)]
            body = eventer.put_str('x') + eventer.put_optional(eventer.put_str, 'guess') + eventer.put_list(
                eventer.put_type, ()) + eventer.put_optional(eventer.put_int, None) + eventer.put_bool(False)
            for sock in guesses:
                try:
                    eventer.Chatter(sock).send('HatEventer.MsgInitReq', body, last=False)
                except (OSError, eventer.Closed):
                    pass
            with server.client(token=self.TOKEN) as client:
                client.register(numbers('a', [1]), response=True)
                self.assertEqual(payloads(client.query_latest(['a'])[0]), [1])
            for sock in guesses:
                sock.close()
            self.assertLess(server.logged().count('refused a client'), 10)

    def test_the_token_file(self):
        self.write_token(0o602)
        self.assert_not_started('token file refused: other users can write', '--token-file', self.token)
        self.write_token(0o600, '\n')
        self.assert_not_started('expected a token', '--token-file', self.token)
        self.write_token(0o600, 1025 * 'x')
        self.assert_not_started('expected a token', '--token-file', self.token)
        self.write_token(0o644, 'short')
        with self.start() as server:
            self.assertIn('the token is short', server.logged())
            self.assertIn('the token is no secret: other users can read', server.logged())

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be another user')
    def test_another_user_needs_the_token_on_the_unix_socket(self):
        path = os.path.join(self.dir, 'socket')
        code = ("import sys; sys.path.insert(0, sys.argv[1]); import eventer\n"
                "eventer.EventerClient(path=sys.argv[2], token=sys.argv[3] or None).close()\n")

        def stranger(token):
            return subprocess.run([sys.executable, '-c', code, str(ROOT / 'tests' / 'lib'), path, token],
                                  user=65534, group=65534, extra_groups=[], capture_output=True, text=True,
                                  timeout=WAIT_S)

        with self.start('--unix', path, listen=None) as server:
            os.chmod(path, 0o666)
            with eventer.EventerClient(path=path) as client:
                self.assertEqual(client.status, 'operational')
            self.assertIn('Refused', stranger('').stderr)
            self.assertIn('Refused', stranger('guess').stderr)
            r = stranger(self.TOKEN)
            self.assertEqual(r.returncode, 0, r.stderr)
            self.assertRegex(server.logged(), r'refused a client from user id 65534, process \d+: no token')

    @unittest.skipUnless(os.geteuid() == 0, 'only root can be another user')
    def test_a_server_that_is_not_root_knows_its_own_user(self):
        os.chown(self.dir, 65534, 65534)
        path = os.path.join(self.dir, 'socket')
        ready, writer = os.pipe()
        with subprocess.Popen([PROGRAM, '--sandbox', '--unix', path, '--ready-fd', str(writer)], pass_fds=[writer],
                              user=65534, group=65534, extra_groups=[], stderr=subprocess.DEVNULL) as server:
            os.close(writer)
            with os.fdopen(ready) as f:
                self.assertEqual(f.read(), '0\n')
            try:
                code = ("import sys; sys.path.insert(0, sys.argv[1]); import eventer\n"
                        "eventer.EventerClient(path=sys.argv[2]).close()\n")
                subprocess.run([sys.executable, '-c', code, str(ROOT / 'tests' / 'lib'), path], check=True,
                               user=65534, group=65534, extra_groups=[], timeout=WAIT_S)
            finally:
                server.terminate()

    def test_a_large_frame_before_the_token(self):
        with self.start() as server:
            sock = eventer.connect('127.0.0.1', server.port, None, WAIT_S)
            sock.sendall(b'\x04' + (3 << 20).to_bytes(4, 'big'))
            self.assertEqual(sock.recv(1), b'')
            sock.close()


class TestEvents(unittest.TestCase):

    def setUp(self):
        self.server = Eventd('--timeseries', '100')
        self.addCleanup(self.server.__exit__)

    def client(self, **kwargs):
        client = self.server.client(**kwargs)
        self.addCleanup(client.close)
        return client

    def test_ids_and_timestamps(self):
        client = self.client()
        before = eventer.now()
        one = client.register(numbers('a', [1, 2]), response=True)
        two = client.register(numbers('a', [3]), response=True)
        self.assertEqual([e.id.server for e in one + two], [1, 1, 1])
        self.assertEqual([e.id.instance for e in one + two], [1, 2, 1])
        self.assertEqual(one[0].id.session, one[1].id.session)
        self.assertEqual(two[0].id.session, one[0].id.session + 1)
        self.assertEqual(one[0].timestamp, one[1].timestamp)
        self.assertTrue(before <= one[0].timestamp <= two[0].timestamp <= eventer.now())

    def test_nothing_changes_on_the_way(self):
        client = self.client(subscriptions=['*'])
        events = [RegisterEvent('a', eventer.Timestamp(-5, 999999), Binary('t/ž', bytes(range(256)))),
                  RegisterEvent((), None, None),
                  RegisterEvent(('x', '', 'ž', '/'), eventer.Timestamp(1 << 60, 0), Json([{}, 'ž', 1.5])),
                  RegisterEvent('long', None, Binary('', bytes(100000)))]
        answer = client.register(events, response=True)
        self.assertEqual([(e.type, e.source_timestamp, e.payload) for e in answer],
                         [(eventer.event_type(e.type), e.source_timestamp, e.payload) for e in events])
        self.assertEqual(client.next_events(), answer)
        self.assertEqual(client.query_timeseries(ascending=True,
                                                 types=['a', (), ('x', '*'), 'long']).events, answer)

    def test_own_events_come_back_and_answers_after_them(self):
        client = self.client(subscriptions=['a'])
        answer = client.register(numbers('a', [1]), response=True)
        self.assertEqual(client.notified.get_nowait(), answer)

    def test_subscriptions(self):
        rows = {('a',): ['a'], ('*',): ['', 'a', 'a/b', 'a/b/c'], ('a', '*'): ['a', 'a/b', 'a/b/c'],
                ('?',): ['a'], ('?', 'b'): ['a/b'], ('a', '?', '?'): ['a/b/c'],
                ('?', '*'): ['a', 'a/b', 'a/b/c'], ('b', '*'): [], (): ['']}
        clients = {p: self.client(subscriptions=[p]) for p in rows}
        self.client().register([RegisterEvent(t) for t in ('', 'a', 'a/b', 'a/b/c', 'end')],
                               response=True)
        for pattern, want in rows.items():
            clients[pattern].query_latest([])  # what was notified before has arrived
            got = []
            while not clients[pattern].notified.empty():
                got += clients[pattern].notified.get()
            got = [e.type for e in got if e.type[:1] not in [('event',), ('end',)]]
            self.assertEqual(got, [eventer.event_type(t) for t in want], pattern)

    def test_subscribers_beyond_the_slots(self):
        clients = [self.client(name=f'c{i}', subscriptions=[f'a/{i}/*']) for i in range(300)]
        everything = self.client(subscriptions=['a/*'])
        self.client().register([RegisterEvent(f'a/{i}/x', None, Json(i)) for i in range(300)],
                               response=True)
        for i, client in enumerate(clients):
            self.assertEqual(payloads(client.next_events()), [i])
        self.assertEqual(payloads(everything.next_events()), list(range(300)))

    def test_new_subscribers_are_seen_for_known_types(self):
        sender = self.client()
        for _ in range(3):
            with self.server.client(subscriptions=['t']) as client:
                sender.register(numbers('t', [1]), response=True)
                self.assertEqual(payloads(client.next_events()), [1])

    def test_server_id(self):
        mine = self.client(subscriptions=['a'], server_id=1, persisted=True)
        other = self.client(subscriptions=['a'], server_id=2)
        self.client().register(numbers('a', [1]), response=True)
        self.assertEqual(payloads(mine.next_events()), [1])
        self.assertTrue(other.notified.empty())

    def test_clients_come_and_go(self):
        watcher = self.client(subscriptions=['event/1/eventer/?'])
        with self.server.client(name='guest'):
            self.assertEqual(watcher.wait_event('event/1/eventer/guest').payload, Json('CONNECTED'))
        self.assertEqual(watcher.wait_event('event/1/eventer/guest').payload, Json('DISCONNECTED'))

    def test_query_latest(self):
        client = self.client()
        client.register(numbers('a/x', [1, 2]) + numbers('a/y', [3]) + numbers('b', [4]))
        for types, want in ((['a/x'], [2]), (['a/?'], [2, 3]), (['a/*', 'b', 'b', '?'], [2, 3, 4]),
                            (['nothing', 'c/*'], []), ([], [])):
            result = client.query_latest(types)
            self.assertEqual((sorted(payloads(result.events)), result.more), (want, False), types)
        self.assertTrue({1, 2, 3, 4} > {2, 3, 4} <= set(
            e.payload.data for e in client.query_latest().events if e.type[0] != 'event'))

    def test_latest_of_more_types_than_a_page(self):
        client = self.client()
        client.register([RegisterEvent(f'many/{i}', None, Json(i)) for i in range(20000)])
        result = client.query_latest(['many/*'])
        self.assertEqual((len(result.events), result.more), (20000, False))

    def test_query_timeseries(self):
        client = self.client()
        events = []
        for i in range(10):
            events += client.register(
                [RegisterEvent('t/a' if i % 2 else 't/b', eventer.Timestamp(100 - i, 0) if i else None,
                               Json(i))], response=True)

        def ask(**kwargs):
            result = client.query_timeseries(['t/*'], **kwargs)
            return payloads(result.events), result.more

        up = list(range(10))
        self.assertEqual(ask(), (up[::-1], False))
        self.assertEqual(ask(ascending=True), (up, False))
        self.assertEqual(ask(ascending=True, max_results=3), ([0, 1, 2], True))
        self.assertEqual(ask(ascending=True, max_results=10), (up, False))
        self.assertEqual(ask(max_results=0), ([], True))
        self.assertEqual(ask(ascending=True, max_results=3, last_event_id=events[2].id),
                         ([3, 4, 5], True))
        self.assertEqual(ask(max_results=4, last_event_id=events[3].id), ([2, 1, 0], False))
        self.assertEqual(ask(ascending=True, t_from=events[4].timestamp, t_to=events[6].timestamp),
                         ([4, 5, 6], False))
        self.assertEqual(ask(ascending=True, source_t_from=eventer.Timestamp(95, 0)),
                         ([1, 2, 3, 4, 5], False))
        self.assertEqual(ask(by_source=True), ([1, 2, 3, 4, 5, 6, 7, 8, 9], False))
        self.assertEqual(ask(by_source=True, ascending=True, max_results=2,
                             last_event_id=events[7].id), ([6, 5], True))
        self.assertEqual(payloads(client.query_timeseries(['t/a'], ascending=True).events),
                         [1, 3, 5, 7, 9])

    def test_timeseries_is_bounded(self):
        client = self.client()
        client.register(numbers('old', [0]))
        first = client.register(numbers('t', range(250)), response=True)
        client.register(numbers('u', range(30)))
        result = client.query_timeseries(ascending=True)
        self.assertEqual(payloads(result.events), list(range(180, 250)) + list(range(30)))
        # An id that has left the series still tells where to go on.
        result = client.query_timeseries(ascending=True, last_event_id=first[0].id, max_results=1)
        self.assertEqual(payloads(result.events), [180])
        # Latest events outlive it.
        self.assertEqual(payloads(client.query_latest(['old']).events), [0])

    def test_query_server(self):
        client = self.client()
        events = client.register(numbers('a', [1, 2, 3]), response=True)
        self.assertEqual(client.query_server(2).events, [])
        self.assertEqual(client.query_server(1).events[-3:], events)
        result = client.query_server(1, last_event_id=events[0].id, max_results=1)
        self.assertEqual((result.events, result.more), ([events[1]], True))

    def test_query_finds_what_was_registered_before_it(self):
        client = self.client()
        for i in range(200):
            client.register(numbers('a', [i]))
            self.assertEqual(payloads(client.query_latest(['a']).events), [i])

    def test_a_request_is_taken_whole_or_not_at_all(self):
        client = self.client(subscriptions=['a'])
        for bad in (RegisterEvent('a', None, eventer.RawJson('{"x": nan}')),
                    RegisterEvent('a', None, eventer.RawJson('1 2')),
                    RegisterEvent('a', None, eventer.RawJson('')),
                    RegisterEvent(['s'] * 33),
                    RegisterEvent('a', None, Binary('b', bytes(1 << 20)))):
            self.assertIsNone(client.register(numbers('a', [1]) + [bad], response=True))
        self.assertEqual(client.query_latest(['a']).events, [])
        self.assertTrue(client.notified.empty())
        self.assertEqual(client.register([], response=True), [])
        self.assertEqual(len(client.register(numbers('a', [1]), response=True)), 1)

    def test_what_a_client_says_before_it_leaves_counts(self):
        with tempfile.TemporaryDirectory() as d, Eventd('--unix', f'{d}/s') as server:
            for i, where in enumerate(({'port': server.port}, {'path': f'{d}/s'})):
                with eventer.EventerClient(**where, timeout=20) as client:
                    client.register([RegisterEvent(f'big/{k}', None, Binary('', bytes(100000)))
                                     for k in range(100)], response=True)
                    # The answer is not taken: writing it fails before the rest is heard.
                    unread = eventer.Chatter(eventer.connect(**where))
                    unread.send('HatEventer.MsgInitReq',
                                eventer.put_str(f'unread{i}') + b'\x80\x80\x80\x00', last=False)
                    unread.receive()
                    unread.send('HatEventer.MsgQueryReq', b'\x80\x80', last=False)
                    unread.sock.recv(1)
                    unread.send('HatEventer.MsgRegisterReq', eventer.put_list(
                        eventer.put_register_event, numbers('left', [i])))
                    unread.sock.close()
                    eventually(lambda: client.query_latest([f'event/1/eventer/unread{i}'])
                               .events[0].payload == Json('DISCONNECTED'))
                    self.assertEqual(payloads(client.query_latest(['left']).events), [i])

    def test_a_query_is_not_the_last_thing_that_counts(self):
        """The end is met with the messages, as they fill the room for a read to the last byte."""
        query = eventer.put_frame(eventer.Msg(2, 2, True, True, False, 'HatEventer.MsgQueryReq',
                                              b'\x80\x80'))
        frames = (query + eventer.put_frame(eventer.Msg(
            3, 3, True, True, True, 'HatEventer.MsgRegisterReq',
            eventer.put_list(eventer.put_register_event, numbers('left', ['x' * n]))))
            for n in range(4096))
        chatter = eventer.Chatter(eventer.connect(port=self.server.port))
        self.addCleanup(chatter.close)
        chatter.send('HatEventer.MsgInitReq', eventer.put_str('leaver') + b'\x80\x80\x80\x00',
                     last=False)
        chatter.receive()
        self.server.process.send_signal(signal.SIGSTOP)
        chatter.send_raw(next(f for f in frames if len(f) == 4096))
        chatter.sock.shutdown(socket.SHUT_WR)
        self.server.process.send_signal(signal.SIGCONT)
        with self.client() as client:
            eventually(lambda: client.query_latest(['event/1/eventer/leaver'])
                       .events[0].payload == Json('DISCONNECTED'))
            self.assertEqual(len(client.query_latest(['left']).events), 1)

    def test_batches_keep_their_order(self):
        watcher = self.client(subscriptions=['?'])
        senders = [self.client(name=f's{i}') for i in range(4)]

        def send(sender, i):
            for n in range(500):
                sender.register(numbers(f't{i}', [n]))

        threads = [threading.Thread(target=send, args=a) for a in zip(senders, range(4))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        got = []
        while len(got) < 2000:
            got += watcher.next_events()
        for i in range(4):
            self.assertEqual(payloads(e for e in got if e.type == (f't{i}',)), list(range(500)))
        self.assertEqual(got, sorted(got, key=lambda e: e.id))


class TestDurability(unittest.TestCase):

    def test_kill_loses_nothing_acknowledged(self):
        for options in ([], ['--no-sync']):
            with tempfile.TemporaryDirectory() as d:
                last = -1
                for life in range(4):
                    last = self.live_and_die(d, options, life, last)

    def live_and_die(self, folder, options, life, last):
        """Registers until the server is killed; returns the last value acknowledged."""
        with Eventd('--data', folder, *options) as server:
            watcher = server.client(subscriptions=['n'])
            client = server.client()
            found = client.query_latest(['n']).events
            if last >= 0:
                self.assertGreaterEqual(found[0].payload.data, last)
                last = found[0].payload.data
                series = payloads(client.query_timeseries(['n'], max_results=100).events)
                self.assertEqual(series, list(range(last, last - len(series), -1)))
                self.assertGreater(len(series), 50)
            acknowledged = last
            enough = threading.Event()
            killer = threading.Thread(target=lambda: (enough.wait(60), server.kill()))
            killer.start()
            try:
                while True:
                    client.register(numbers('n', [acknowledged + 1]), response=True)
                    acknowledged += 1
                    if acknowledged > last + 60 + 17 * life:
                        enough.set()
            except (eventer.Closed, TimeoutError):
                pass
            killer.join()
            watcher.closed.wait(5)
            while not watcher.notified.empty():
                acknowledged = max(acknowledged, *payloads(watcher.notified.get()))
            client.close()
            watcher.close()
            self.assertGreater(acknowledged, last + 50)
            return acknowledged

    def test_ids_go_on_after_a_restart(self):
        with tempfile.TemporaryDirectory() as d:
            with Eventd('--data', d) as server, server.client() as client:
                before = client.register(numbers('a', [1]), response=True)[0]
                server.kill()
            with Eventd('--data', d) as server, server.client() as client:
                self.assertEqual(client.query_latest(['a']).events, [before])
                after = client.register(numbers('a', [2]), response=True)[0]
                self.assertGreater(after.id, before.id)
                self.assertGreaterEqual(after.timestamp, before.timestamp)
            with self.assertRaisesRegex(RuntimeError, 'server id'):
                Eventd('--data', d, '--server-id', '2')

    def test_types_that_failed_leave_no_trace(self):
        with tempfile.TemporaryDirectory() as d:
            with Eventd('--data', d) as server, server.client() as client:
                bad = RegisterEvent('bad', None, eventer.RawJson('x'))
                self.assertIsNone(client.register([RegisterEvent('lost'), bad], response=True))
                client.register(numbers('kept', [1]), response=True)
                server.kill()
            with Eventd('--data', d) as server, server.client() as client:
                for i in range(10):
                    client.register(numbers(f'new{i}', [i]), response=True)
                server.kill()
            with Eventd('--data', d) as server, server.client() as client:
                latest = client.query_latest(['kept', 'lost', 'bad', '?']).events
                self.assertEqual({e.type[0]: e.payload.data for e in latest},
                                 {'kept': 1, **{f'new{i}': i for i in range(10)}})

    def test_series_is_bounded_on_disk_too(self):
        with tempfile.TemporaryDirectory() as d:
            with Eventd('--data', d, '--timeseries', '50') as server, server.client() as client:
                for i in range(20):
                    client.register(numbers('a', range(i * 10, i * 10 + 10)), response=True)
                server.kill()
            with Eventd('--data', d, '--timeseries', '20') as server, server.client() as client:
                client.register(numbers('a', [200]), response=True)
                server.kill()
            with Eventd('--data', d, '--timeseries', '1000') as server, server.client() as client:
                got = payloads(client.query_timeseries(['a'], ascending=True).events)
                self.assertLessEqual(len(got), 20)
                self.assertEqual(got, list(range(201 - len(got), 201)))

    def test_damaged_data_are_set_aside(self):
        with tempfile.TemporaryDirectory() as d:
            path = pathlib.Path(d, 'data.mdb')
            with Eventd('--data', d) as server, server.client() as client:
                client.register([RegisterEvent(f't{i}', None, Binary('', bytes(1000)))
                                 for i in range(100)], response=True)
            whole = path.read_bytes()
            for data in (b'garbage' * 5000, whole[:20000], whole[:100]):
                path.write_bytes(data)
                with Eventd('--data', d) as server, server.client() as client:
                    self.assertIn('data.mdb is damaged', server.logged())
                    self.assertTrue(client.register(numbers('a', [1]), response=True))
                    aside, = path.parent.glob('data.mdb.damaged-*Z')
                aside.unlink()
                with Eventd('--data', d) as server, server.client() as client:
                    self.assertEqual(payloads(client.query_latest(['a']).events), [1])
                    self.assertNotIn('damaged', server.logged())
            path.write_bytes(whole)
            with Eventd('--data', d) as server, server.client() as client:
                self.assertEqual(len(client.query_latest(['t1', 't99']).events), 2)

    def test_any_damage_lets_it_start(self):
        rand = random.Random(13)
        with tempfile.TemporaryDirectory() as d:
            path = pathlib.Path(d, 'data.mdb')
            with Eventd('--data', d) as server, server.client() as client:
                for i in range(20):
                    client.register([RegisterEvent(f't{i}/{k}', None, Json('x' * 200))
                                     for k in range(50)], response=True)
            whole = path.read_bytes()
            for _ in range(40):
                data = bytearray(whole)
                page = rand.randrange(len(data) // 4096) * 4096
                for _ in range(rand.choice((1, 8, 64))):
                    data[page + rand.choice((rand.randrange(64), rand.randrange(4096)))] = \
                        rand.randrange(256)
                path.write_bytes(data)
                with Eventd('--data', d) as server, server.client() as client:
                    client.query_latest(['*'])
                    self.assertIsNone(server.process.poll())
                for aside in path.parent.glob('data.mdb.damaged-*'):
                    aside.unlink()

    def test_one_process_a_folder(self):
        with tempfile.TemporaryDirectory() as d, Eventd('--data', d):
            with self.assertRaisesRegex(RuntimeError, 'in use'):
                Eventd('--data', d)

    def test_a_device_that_invents_types(self):
        """It keeps what its quota is, and goes on with that; the others notice nothing."""
        inventor, other = 'gateway/g/t/inventor/gateway', 'gateway/g/t/other/gateway'
        with Eventd('--device-types', '100') as d, eventer.EventerClient(port=d.port) as client:
            for first in range(0, 1000, 50):
                client.register([RegisterEvent(f'{inventor}/{n}', None, Json(n)) for n in range(first, first + 50)])
            self.assertIsNone(client.register([RegisterEvent(f'{inventor}/x', None, Json(1))], response=True))
            # Those of them that are known, though others in the message are not.
            client.register([RegisterEvent(f'{inventor}/{n}', None, Json(-1)) for n in (0, 500, 99)])
            for kind in (f'{other}/1', f'{inventor}/running', 'gateway/g/t/inventor/system/enable'):
                self.assertTrue(client.register([RegisterEvent(kind, None, Json(True))], response=True), kind)
            kept = {e.type[-1]: e.payload.data for e in client.query_latest([f'{inventor}/*']).events}
            del kept['running']
            self.assertEqual(kept, {str(n): -1 if n in (0, 99) else n for n in range(100)})
            self.assertEqual(d.logged().count('gateway/g/t/inventor has 100 event types'), 1)

    @unittest.skipUnless(os.environ.get('LONG'), 'writes 0.4 GB: LONG=1')
    def test_a_full_store_is_recovered_at_start(self):
        """Three devices fill it to the last event: after a crash all of it is there, what is known goes on, and what
        the gateway itself needs to know of a device has room. On a full disk it starts as well."""
        with tempfile.TemporaryDirectory() as d:
            kept = {}
            with Eventd('--data', d, '--no-sync') as server, server.client() as client:
                for device in 'abcd':
                    for n in range(100):
                        kind = f'gateway/g/t/{device}/gateway/{n}'
                        if not client.register([RegisterEvent(kind, None, Binary('', bytes([n]) * 1000000))], response=True):
                            break
                        kept[tuple(kind.split('/'))] = n
                self.assertRegex(server.logged(), 'the store is full')
                self.assertIn('gateway/g/t/a has ', server.logged())
                server.kill()

            def full_disk():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                size = os.stat(os.path.join(d, 'data.mdb')).st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

            for limits in (None, full_disk):
                with Eventd('--data', d, '--no-sync', limits=limits) as server, server.client() as client:
                    for (*_, device, _, n) in list(kept)[1::20]:
                        (event,) = client.query_latest([f'gateway/g/t/{device}/gateway/{n}']).events
                        self.assertEqual(event.payload.data[:1], bytes([kept[event.type] % 256]))
                    for kind in ('gateway/g/t/z/system/enable', 'gateway/g/t/a/gateway/running'):
                        self.assertTrue(client.register([RegisterEvent(kind, None, Json(True))], response=True), kind)
                    first = RegisterEvent('gateway/g/t/a/gateway/0', None, Json(1))
                    self.assertTrue(client.register([first], response=True))
                    server.kill()
                with Eventd('--data', d, '--no-sync') as server, server.client() as client:
                    self.assertEqual(payloads(client.query_latest(['gateway/g/t/a/gateway/0']).events), [1])
                    self.assertEqual(payloads(client.query_latest(['gateway/g/t/z/system/enable']).events), [True])

    def test_its_numbers_count_what_was_refused(self):
        fd = os.memfd_create('numbers', os.MFD_ALLOW_SEALING)
        self.addCleanup(os.close, fd)
        with self.assertRaisesRegex(RuntimeError, '--numbers-fd [0-9]+: Invalid argument'):
            Eventd('--numbers-fd', str(fd), fds=[fd])
        os.truncate(fd, 4096)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        with Eventd('--device-types', '10', '--numbers-fd', str(fd), fds=[fd]) as d, \
                eventer.EventerClient(port=d.port) as client:
            client.register([RegisterEvent(f'gateway/g/t/d/gateway/{n}', None, Json(n)) for n in range(15)])
            client.query_latest(['gateway/*'])

            def shown():
                types, _, held, _, series, most, clients, events, commits, queries, quota, full, unsaved = \
                    struct.unpack('=13Q', os.pread(fd, 104, 0))
                # The server registers that it runs, and that a client came.
                return (held > 0 and commits > 0 and types >= 10, series == events, most, clients, queries, quota,
                        full, unsaved)
            eventually(lambda: shown() == (True, True, 65536, 1, 1, 5, 0, 0))

    def test_a_full_disk(self):
        """Requests that want an answer fail; subscribers and queries have the events all the same, and so has the
        disk when it has room again."""
        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))

        with tempfile.TemporaryDirectory() as d:
            with Eventd('--data', d, limits=small_files) as server, \
                    server.client(subscriptions=['a', 'b']) as client:
                put = 1
                while client.register([RegisterEvent('b', None, Binary('', bytes(50000)))], response=True):
                    put += 1
                    client.next_events()
                self.assertGreater(put, 3)
                self.assertEqual([e.type for e in client.next_events()], [('b',)])
                self.assertIn('cannot write to the store: File too large', server.logged())
                for i in range(50):
                    self.assertIsNone(client.register(numbers('a', [i]), response=True))
                    self.assertEqual(payloads(client.next_events()), [i])
                self.assertEqual(len(client.query_timeseries(['b']).events), put)
                self.assertEqual(payloads(client.query_latest(['a']).events), [49])
                resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE,
                                 (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                eventually(lambda: 'the store is written again' in server.logged())
                self.assertTrue(client.register(numbers('a', [50]), response=True))
                server.kill()
            with Eventd('--data', d) as server, server.client() as client:
                self.assertEqual(len(client.query_timeseries(['b']).events), put)
                self.assertEqual(payloads(client.query_timeseries(['a'], ascending=True).events), list(range(51)))

    @unittest.skipUnless(MOUNTS, 'a mount namespace is not available')
    def test_a_disk_that_stays_full(self):
        """The latest events come before the series: its oldest give way to them."""
        with tempfile.TemporaryDirectory() as d:
            wrap = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs -o size=1m none "$0" && exec "$@"', d]
            with Eventd('--data', d, wrap=wrap) as server, server.client(subscriptions=['*']) as client:
                while client.register([RegisterEvent('fill', None, Binary('', bytes(9000)))], response=True):
                    pass
                self.assertIn('No space left on device', server.logged())
                for i in range(20):
                    client.register(numbers(f'new/{i}', [i]))
                # The latest events are on the disk when it is written again, without any more room.
                eventually(lambda: 'the store is written again' in server.logged())
                self.assertLess(len(client.query_timeseries(['fill']).events), 100)
                enter = ['nsenter', '-m', '-t', str(server.process.pid)]
                with tempfile.TemporaryDirectory() as outside:
                    data = subprocess.run([*enter, 'cat', os.path.join(d, 'data.mdb')], capture_output=True,
                                          check=True).stdout
                    pathlib.Path(outside, 'data.mdb').write_bytes(data)
                    with Eventd('--data', outside) as again, again.client() as reader:
                        kept = {e.type: e.payload.data for e in reader.query_latest([('new', '*')]).events}
                self.assertEqual(kept, {('new', str(i)): i for i in range(20)})

    def test_a_folder_that_cannot_be_written(self):
        with self.assertRaisesRegex(RuntimeError, 'No such file or directory'):
            Eventd('--data', '/proc/none/data')

    def test_its_memory_is_hidden(self):
        with Eventd() as server:
            limits = pathlib.Path(f'/proc/{server.process.pid}/limits').read_text()
            core = next(line for line in limits.splitlines() if 'core file' in line)
            self.assertEqual(core.split()[4:6], ['0', '0'])


class TestBadClients(unittest.TestCase):

    def setUp(self):
        self.server = Eventd()
        self.addCleanup(self.server.__exit__)

    def raw(self):
        chatter = eventer.Chatter(eventer.connect(port=self.server.port))
        chatter.sock.settimeout(5)
        self.addCleanup(chatter.close)
        return chatter

    def ready(self):
        client = self.server.client(name='bad')
        self.addCleanup(client.close)
        return client

    def assert_cut(self, chatter):
        with self.assertRaises(eventer.Closed):
            while True:
                chatter.receive()

    def test_malformed_frames(self):
        for data in (b'\x00', b'\xff' * 300, b'\x09' + bytes(20), b'\x04\xff\xff\xff\xff',
                     b'\x01\x03abc', b'\x01\x00', b'GET / HTTP/1.1\r\n\r\n'):
            chatter = self.raw()
            chatter.send_raw(data)
            self.assert_cut(chatter)

    def test_messages_out_of_place(self):
        for kind in ('HatEventer.MsgRegisterReq', 'HatEventer.MsgQueryReq', 'HatEventer.MsgInitRes',
                     'HatEventer.MsgEventsAck', 'HatObserver.MsgClient', ''):
            chatter = self.raw()
            chatter.send(kind, b'\x80')
            self.assert_cut(chatter)
        client = self.ready()
        client.chatter.send('HatEventer.MsgInitReq', b'\x80')
        eventually(client.closed.is_set)

    def test_malformed_messages(self):
        good = eventer.put_list(eventer.put_register_event, numbers('a', [1, 2]))
        for kind, data in (('HatEventer.MsgRegisterReq', good[:-1]),
                           ('HatEventer.MsgRegisterReq', good + b'\x00'),
                           ('HatEventer.MsgRegisterReq', eventer.put_int(1 << 40)),
                           ('HatEventer.MsgRegisterReq', eventer.put_int(-1)),
                           ('HatEventer.MsgQueryReq', b'\x83'),
                           ('HatEventer.MsgQueryReq', b'\x80'),
                           ('HatEventer.MsgQueryReq', b'\x80\x80\x80'),
                           ('HatEventer.MsgEventsAck', b'\x80')):
            client = self.ready()
            client.chatter.send(kind, data)
            eventually(client.closed.is_set)
        with self.server.client() as client:
            self.assertEqual(client.query_latest(['a']).events, [])

    def test_too_much_of_everything(self):
        with self.assertRaises(eventer.Refused):
            self.server.client(subscriptions=['a'] * 16385)
        with self.assertRaises(eventer.Refused):
            self.server.client(subscriptions=[['s'] * 33])
        with self.assertRaises(eventer.Refused):
            self.server.client(name='n' * 1025)
        with self.assertRaises(eventer.Refused):
            self.server.client(name='n\0n')
        with self.server.client() as client:
            self.assertIsNone(client.register([RegisterEvent('a')] * ((1 << 17) + 1), response=True))
            self.assertEqual(client.query_latest(['a']).events, [])

    def test_too_many_subscriptions_of_all_clients(self):
        clients = [self.server.client(subscriptions=['a'] * 16384) for _ in range(8)]
        with self.assertRaises(eventer.Refused):
            self.server.client(subscriptions=['a'])
        clients[0].close()

        def accepted():
            try:
                clients[0] = self.server.client(subscriptions=['a'])
                return True
            except eventer.Refused:
                return False

        eventually(accepted)
        clients[1].register(numbers('a', [1]), response=True)
        for c in clients:
            self.assertEqual(payloads(c.next_events()), [1])
            c.close()

    def test_costly_queries(self):
        with self.server.client(timeout=30) as client:
            client.register([RegisterEvent(f'many/{i}') for i in range(100000)], response=True)
            answer = client.query_latest(['many/?/?'] * 501)
            self.assertEqual((answer.events, answer.more), ([], True))
            self.assertIn('too many patterns', self.server.logged())
            self.assertEqual(client.query_latest(['many/7']).events[0].type, ('many', '7'))

    def test_slow_client_is_cut_off_and_nobody_waits(self):
        chatter = self.raw()
        chatter.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        chatter.send('HatEventer.MsgInitReq',
                     eventer.put_str('slow') + eventer.put_optional(eventer.put_str, None) +
                     eventer.put_list(eventer.put_type, ['*']) + eventer.put_optional(eventer.put_int, None) +
                     b'\x00', last=False)
        chatter.receive()
        payload = Binary('', bytes(100000))
        with self.server.client(subscriptions=['big']) as quick:
            worst = 0
            for i in range(600):  # 60 MB, more than a client may leave
                start = time.monotonic()
                quick.register([RegisterEvent('big', None, payload)], response=True)
                worst = max(worst, time.monotonic() - start)
                quick.next_events()
            self.assertLess(worst, 5)
            eventually(lambda: quick.query_latest(['event/1/eventer/slow'])
                       .events[0].payload == Json('DISCONNECTED'))
        self.assertIn('does not read what is sent to it', self.server.logged())

    def test_a_client_that_asks_and_does_not_read(self):
        with self.server.client(timeout=30) as client:
            client.register([RegisterEvent(f'many/{i}') for i in range(50000)], response=True)
        chatter = self.raw()
        chatter.send('HatEventer.MsgInitReq', eventer.put_str('deaf') + b'\x80\x80\x80\x00', last=False)
        chatter.receive()
        chatter.sock.settimeout(1)
        with self.assertRaises(OSError):
            for _ in range(100000):
                chatter.send_raw(eventer.put_frame(eventer.Msg(2, 2, True, True, False,
                                                       'HatEventer.MsgQueryReq', b'\x80\x80')))
        with self.server.client() as client:
            self.assertEqual(client.query_latest(['many/1']).events[0].type, ('many', '1'))
        self.assertLess(self.server.memory_kib(), 200 << 10)

    def test_many_clients_and_one_too_many(self):
        before = self.server.descriptors()
        socks = [eventer.connect(port=self.server.port) for _ in range(1024)]
        eventually(lambda: self.server.descriptors() == before + 1024)
        extra = eventer.connect(port=self.server.port)
        extra.settimeout(5)
        self.assertEqual(extra.recv(1), b'')
        for s in socks + [extra]:
            s.close()
        eventually(lambda: self.server.descriptors() == before)
        with self.server.client() as client:
            self.assertEqual(client.status, 'operational')

    def test_hundreds_of_subscribers(self):
        clients = [self.server.client(name=f'c{i}', subscriptions=['a/*', f'b/{i}'])
                   for i in range(300)]
        try:
            with self.server.client() as sender:
                sender.register(numbers('a/1', range(10)), response=True)
                sender.register(numbers('b/299', [99]), response=True)
            for c in clients:
                self.assertEqual(payloads(c.next_events()), list(range(10)))
            self.assertEqual(payloads(clients[299].next_events()), [99])
        finally:
            for c in clients:
                c.close()

    def test_out_of_descriptors(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

        with Eventd(limits=few) as server:
            socks = [eventer.connect(port=server.port) for _ in range(40)]
            eventually(lambda: 'cannot accept connections' in server.logged())
            for s in socks:
                s.close()
            with server.client() as client:
                self.assertEqual(client.status, 'operational')

    def test_random_bytes_never_hurt(self):
        rng = random.Random(1)
        frame = eventer.put_frame(eventer.Msg(2, 2, True, True, False, 'HatEventer.MsgRegisterReq',
                                      eventer.put_list(eventer.put_register_event, numbers('a/b', [1, 2]))))
        for _ in range(300):
            client = eventer.EventerClient(port=self.server.port, name='fuzz')
            data = bytearray(frame)
            for _ in range(rng.randrange(1, 6)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            try:
                client.chatter.send_raw(bytes(data))
            except OSError:
                pass
            client.chatter.close()
        with self.server.client() as client:
            self.assertEqual(client.status, 'operational')


if __name__ == '__main__':
    unittest.main()
