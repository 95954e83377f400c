#!/usr/bin/env python3
"""gateway-web: the JSON of gatewayctl over HTTP, streams, what is refused."""
import json
import os
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from event_server import EventServer  # noqa: E402
from gatewayd import Gateway, probe, program, wait_until  # noqa: E402
from web import Web  # noqa: E402

# What passes between two questions.
MOVES = {'since', 'uptime', 'link_since', 'events_per_s', 'clients', 'longest_turn_us', 'longest_turn_minute_us',
         'longest_turn_cpu_us', 'longest_turn_cpu_minute_us',
         'events_out', 'messages_out', 'rss_kib', 'anonymous_kib', 'pss_kib', 'event_server_bytes', 'store_bytes',
         'store_types', 'store_series', 'store_events', 'store_commits', 'store_queries'}


def still(value):
    if isinstance(value, dict):
        return {k: still(v) for k, v in value.items() if k not in MOVES}
    return [still(v) for v in value] if isinstance(value, list) else value


class WebApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.g = Gateway({'devices': [probe('p1', interval_ms=50, values=3), probe('a b%c', interval_ms=0)]})
        cls.addClassCleanup(cls.g.close)
        cls.g.wait_connected()
        cls.g.enable('p1', 'a b%c')
        cls.g.wait_state(['p1', 'a b%c'], 'running')
        cls.web = Web(cls.g)
        cls.addClassCleanup(cls.web.close)

    def test_answers_are_those_of_gatewayctl(self):
        for path, args in (('info', ['info']), ('status', ['status']), ('status/probe/p1', ['status', 'p1']),
                           ('health?all=true', ['health', '--all']), ('health', ['health']),
                           ('show/probe/a%20b%25c', ['show', 'a b%c']), ('show/a%20b%25c', ['show', 'a b%c'])):
            with self.subTest(path=path):
                status, headers, rows = self.web.get('/api/v1/' + path)
                self.assertEqual((status, headers['Content-Type']), (200, 'application/json; charset=utf-8'))
                self.assertEqual(still(rows), still(self.g.ctl(*args)))

    def test_top_takes_two_looks(self):
        rows, ours = self.web.rows('/api/v1/top'), self.g.ctl('top')
        self.assertEqual([list(r) for r in rows], [list(r) for r in ours])
        by_name = {r['name']: r for r in rows}
        self.assertEqual(set(by_name), {'p1', 'a b%c'})
        for r in ours:
            self.assertEqual([by_name[r['name']][k] for k in ('type', 'state', 'link', 'pid', 'errors', 'remotes')],
                             [r[k] for k in ('type', 'state', 'link', 'pid', 'errors', 'remotes')])
        self.assertGreater(by_name['p1']['cpu'], 0)
        self.assertEqual(by_name['p1']['errors_per_s'], 0)
        self.assertEqual([r['name'] for r in self.web.rows('/api/v1/top/probe/p1')], ['p1'])

    def test_events_of_a_device(self):
        wait_until(lambda: len(self.web.rows('/api/v1/events/probe/p1')) > 2, 'its events are kept')
        rows = self.web.rows('/api/v1/events/probe/p1')
        self.assertTrue(all(r['type'][:3] == ['gateway', 'probe', 'p1'] for r in rows), rows)
        self.assertEqual(len(self.web.rows('/api/v1/events/probe/p1?limit=2')), 2)

    def test_watch_streams(self):
        stream = self.web.stream('/api/v1/watch/probe/p1')
        self.addCleanup(stream.close)
        self.assertEqual(stream.answer.headers['Content-Type'], 'text/event-stream; charset=utf-8')
        event = stream.wait(lambda m: m['kind'] == 'event', 'an event')
        self.assertEqual((event['device'], event['direction']), ('p1', 'out'))
        self.g.ctl('restart', 'p1')
        stream.wait(lambda m: m['kind'] == 'state' and m['state'] == 'stopping', 'it stops')

    def test_refusals(self):
        for path, method, headers, body, status in (
                ('/nothing', 'GET', {}, None, 404), ('/api/v1/nothing', 'GET', {}, None, 404),
                ('/api/v1/send', 'GET', {}, None, 404), ('/api/v1/infos', 'GET', {}, None, 404),
                ('/api/v1/info', 'POST', {}, b'{}', 405), ('/api/v1/info', 'DELETE', {}, None, 405),
                ('/api/v1/info', 'GET', {}, b'{}', 400), ('/api/v1/show/%', 'GET', {}, None, 400),
                ('/api/v1/show/%00', 'GET', {}, None, 400), ('/api/v1/show/%ff', 'GET', {}, None, 400),
                ('/api/v1/events?limit=0', 'GET', {}, None, 400), ('/api/v1/show/nobody', 'GET', {}, None, 404),
                ('/api/v1/status/probe/nobody', 'GET', {}, None, 404), ('/api/v1/health/nobody', 'GET', {}, None, 404),
                ('/api/v1/watch/nobody', 'GET', {}, None, 404), ('/api/v1/describe/probe/nobody', 'GET', {}, None, 404)):
            with self.subTest(path=path, method=method):
                got, headers, text = self.web.ask(path, method, headers, body)
                self.assertEqual(got, status, text)
                self.assertIn(b'"error":', text)
                self.assertEqual(json.loads(text).get('reason'), 'no_device' if 'nobody' in path else None)
                self.assertEqual(headers.get('Allow'), 'GET, HEAD' if status == 405 else None)

    def test_openapi_says_what_is_served(self):
        status, headers, text = self.web.ask('/openapi.yaml')
        self.assertEqual((status, headers['Content-Type']), (200, 'application/yaml'))
        r = subprocess.run([program('tests/lib/tree-json'), 'yaml'], input=len(text).to_bytes(4, 'little') + text,
                           capture_output=True, check=True)
        faults, _, tree = r.stdout.decode().rstrip('\n').partition('\t')
        self.assertEqual(faults, '')
        document = json.loads(tree)
        schemas = document['components']['schemas']
        for path, item in document['paths'].items():
            content = item['get']['responses']['200']['content']
            ours = path.replace('{type}', 'probe').replace('{name}', 'p1')
            with self.subTest(path=path):
                if 'text/event-stream' in content:
                    stream = self.web.stream(ours)
                    self.addCleanup(stream.close)
                    self.assertEqual(stream.answer.status, 200)
                    self.assertTrue(stream.answer.headers['Content-Type'].startswith('text/event-stream'))
                    continue
                status, headers, body = self.web.ask(ours)
                if 'describe' in path:  # The probe has no description of its data, and says so.
                    self.assertIn(status, (200, 409))
                    continue
                self.assertEqual(status, 200, body)
                self.assertTrue(headers['Content-Type'].startswith(next(iter(content))))
                schema = next(iter(content.values()))['schema']
                for row in json.loads(body) if schema['type'] == 'array' else ():
                    self.fits(row, schemas[schema['items']['$ref'].rsplit('/', 1)[1]])

    def fits(self, row, schema):
        kinds = {'string': str, 'integer': int, 'number': (int, float), 'boolean': bool, 'object': dict, 'array': list,
                 'null': type(None)}
        self.assertEqual(set(row), set(schema['properties']))
        self.assertEqual(set(schema['required']), set(schema['properties']))
        for key, value in row.items():
            types = schema['properties'][key].get('type')
            types = [types] if isinstance(types, str) else types
            self.assertTrue(types is None or any(isinstance(value, kinds[t]) for t in types), (key, value))

    def test_metrics(self):
        status, headers, body = self.web.ask('/metrics')
        text = body.decode()
        self.assertEqual((status, headers['Content-Type']), (200, 'text/plain; version=0.0.4; charset=utf-8'))
        values = dict(line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#'))
        self.assertEqual(values['gatewayd_link_up'], '1')
        self.assertEqual(values['gatewayd_devices'], '2')
        self.assertEqual(values['gatewayd_device_state{device="p1",type="probe",state="running"}'], '1')
        self.assertGreater(int(values['gatewayd_device_events_registered_total{device="p1",type="probe"}']), 0)
        self.assertGreater(int(values['gatewayd_link_sent_bytes_total']), 100)
        self.assertGreater(int(values['gatewayd_device_memory_bytes{device="a b%c",type="probe"}']), 100000)
        self.assertEqual(len(values), len([x for x in text.splitlines() if not x.startswith('#')]), 'no series twice')
        _, headers, body = self.web.ask('/metrics', headers={'Accept': 'application/openmetrics-text;version=1.0.0'})
        self.assertEqual(headers['Content-Type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8')
        self.assertTrue(body.endswith(b'# EOF\n'))

    def test_health_and_readiness(self):
        for path in ('/healthz', '/readyz'):
            self.assertEqual(self.web.get(path)[::2], (200, {'status': 'ok'}), path)

    def test_head_has_the_headers_alone(self):
        status, headers, body = self.web.ask('/api/v1/info', 'HEAD')
        self.assertEqual((status, body), (200, b''))
        self.assertGreater(int(headers['Content-Length']), 100)

    def test_page_and_its_policy(self):
        status, headers, body = self.web.ask('/')
        self.assertEqual((status, headers['Content-Type']), (200, 'text/html; charset=utf-8'))
        self.assertIn("default-src 'none'; script-src 'self'", headers['Content-Security-Policy'])
        again = self.web.ask('/', headers={'If-None-Match': headers['ETag']})
        self.assertEqual((again[0], again[2]), (304, b''))


class ManyDevices(unittest.TestCase):
    def test_metrics_and_health_of_more_devices_than_a_slice(self):
        names = [f'd{n}' for n in range(70)]
        g = Gateway({'devices': [probe(n, enabled=True, interval_ms=0, remotes=4) for n in names]})
        self.addCleanup(g.close)
        g.wait(lambda: g.ctl('info')[0]['running'] == len(names), 'all run')
        g.wait(lambda: len(g.ctl('health', '--all')) == 1 + 5 * len(names), 'all remote ends are told of')
        web = Web(g)
        self.addCleanup(web.close)
        for _ in range(5):
            text = web.ask('/metrics')[2].decode()
            values = dict(line.rsplit(' ', 1) for line in text.splitlines() if not line.startswith('#'))
            for n in names:
                labels = f'device="{n}",type="probe"'
                self.assertGreater(int(values[f'gatewayd_device_memory_bytes{{{labels}}}']), 100000)
                self.assertEqual(values[f'gatewayd_remote_up{{{labels},remote="remote 3"}}'], '1')
                self.assertEqual(values[f'gatewayd_remote_round_trip_seconds{{{labels},remote="remote 0"}}'], '0.002')
        self.assertGreater(int(values['gatewayd_open_fds']), 3 * len(names))
        os.kill(g.ctl('status', 'd5')[0]['pid'], 9)
        died = g.wait(lambda: (r := g.ctl('status', 'd5')[0])['restarts'] and r['pid'] and r, 'it is back')
        self.assertEqual(died['last_exit'], 'SIGKILL')
        self.assertIn('gatewayd_device_memory_bytes{device="d5"', web.ask('/metrics')[2].decode())


class Board(unittest.TestCase):
    """/api/v1/watch: what the page shows of all devices."""

    def test_what_changes_is_told(self):
        g = Gateway({'devices': [probe('p1', interval_ms=0), probe('p2', interval_ms=0), probe('p3')]})
        self.addCleanup(g.close)
        g.wait_connected()
        g.enable('p1', 'p2')
        g.wait_state(['p1', 'p2'], 'running')
        web = Web(g)
        self.addCleanup(web.close)
        stream = web.stream('/api/v1/watch')
        self.addCleanup(stream.close)
        first = stream.wait(lambda m: m['kind'] == 'rows', 'all rows')
        self.assertTrue(first['all'])
        self.assertEqual([r['name'] for r in first['rows']], ['p1', 'p2', 'p3'])
        self.assertEqual(stream.wait(lambda m: m['kind'] == 'link', 'the link')['state'], 'connected')
        self.assertEqual(stream.wait(lambda m: m['kind'] == 'health', 'health')['rows'], [])
        os.kill(g.ctl('status', 'p2')[0]['pid'], 9)
        stream.wait(lambda m: m['kind'] == 'state' and m['device'] == 'p2' and m['last_exit'], 'its death')
        row = stream.wait(lambda m: m['kind'] == 'rows' and any(r['restarts'] for r in m['rows']), 'its row')
        self.assertNotIn('all', row)
        self.assertNotIn('p3', [r['name'] for r in row['rows']])
        late = web.stream('/api/v1/watch')
        self.addCleanup(late.close)
        late.wait(lambda m: m.get('all') and len(m['rows']) == 3, 'all rows, of one poll for all pages')
        # Two of gatewayctl's, one watch and at most one poll.
        self.assertLessEqual(g.ctl('info')[0]['clients'], 3)
        g.stop()
        stream.wait(lambda m: m['kind'] == 'down' and m['error'], 'it is gone')
        stream.messages.clear()
        g.start()
        stream.wait(lambda m: m.get('all'), 'it is back')

    def test_nobody_looks_nothing_is_asked(self):
        with Gateway() as g:
            web = Web(g)
            self.addCleanup(web.close)
            stream = web.stream('/api/v1/watch')
            stream.wait(lambda m: m['kind'] == 'rows', 'it has begun')
            self.assertGreater(g.ctl('info')[0]['clients'], 1)
            stream.close()
            wait_until(lambda: g.ctl('info')[0]['clients'] == 1, 'its connections to gatewayd are closed')


class Unready(unittest.TestCase):
    def test_without_its_event_server(self):
        server = EventServer()
        self.addCleanup(server.close)
        g = Gateway({'event_server': server.conf, 'devices': [probe('p1')]})
        self.addCleanup(g.close)
        g.wait_connected()
        web = Web(g)
        self.addCleanup(web.close)
        self.assertEqual(web.get('/readyz')[0], 200)
        server.close()
        wait_until(lambda: web.get('/readyz')[0] == 503, 'it is not ready')
        self.assertIn('devices do not run', web.get('/readyz')[2]['error'])
        self.assertEqual(web.get('/healthz')[0], 200)
        self.assertIn('\ngatewayd_link_up 0\n', web.ask('/metrics')[2].decode())


class WithoutGateway(unittest.TestCase):
    def test_it_says_so(self):
        with Gateway() as g:
            g.wait_connected()
            web = Web(g)
            self.addCleanup(web.close)
            self.assertEqual(web.get('/api/v1/info')[0], 200)
        for path in ('/metrics', '/healthz', '/readyz', '/api/v1/status'):
            self.assertEqual(web.get(path)[0], 503, path)
        status, headers, answer = web.get('/api/v1/info')
        self.assertEqual((status, headers['Retry-After']), (503, '1'))
        self.assertIn('gatewayd is not reachable', answer['error'])


if __name__ == '__main__':
    unittest.main()
