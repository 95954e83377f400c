#!/usr/bin/env python3
"""Debian's Prometheus and promtool: our metrics, alerts and the dashboard's expressions. nginx and
systemd-socket-proxyd before gateway-web, as its manual page says."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'web'))
from gatewayd import ROOT, WAIT_S, Gateway, probe, wait_until  # noqa: E402
from ports import free_port  # noqa: E402
from site_web import modbus, modbus_device  # noqa: E402
from web import Web  # noqa: E402

RULES = os.path.join(ROOT, 'etc', 'prometheus')
CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ['{rules}/gatewayd.rules.yaml']
scrape_configs:
  - job_name: gatewayd
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""


# What is to be seen of each thing: samples that a gateway with a Modbus device has, without their labels.
SHOWN = {
    'build': ['gatewayd_build_info'],
    'link': ['gatewayd_link_up', 'gatewayd_link_state_age_seconds', 'gatewayd_link_events_sent_total',
             'gatewayd_link_events_received_total', 'gatewayd_link_sent_bytes_total', 'gatewayd_link_received_bytes_total',
             'gatewayd_link_pending_bytes', 'gatewayd_link_idle_seconds'],
    'supervisor': ['gatewayd_longest_turn_seconds', 'gatewayd_longest_turn_minute_seconds', 'gatewayd_memory_bytes',
                   'gatewayd_open_fds'],
    'device': ['gatewayd_device_state', 'gatewayd_device_deaths_total', 'gatewayd_device_restarts_total',
               'gatewayd_device_uptime_seconds', 'gatewayd_device_cpu_seconds_total', 'gatewayd_device_memory_bytes',
               'gatewayd_device_credit_used_bytes', 'gatewayd_device_events_registered_total',
               'gatewayd_device_events_delivered_total', 'gatewayd_device_reported_total',
               'gatewayd_device_round_trip_seconds_bucket'],
    'remote end': ['gatewayd_remote_up', 'gatewayd_remote_errors_total', 'gatewayd_remote_timeouts_total',
                   'gatewayd_remote_requests_total', 'gatewayd_remote_last_success_timestamp_seconds'],
    'store': ['gatewayd_store_types', 'gatewayd_store_bytes', 'gatewayd_store_queries_total', 'gatewayd_store_commits_total',
              'gatewayd_store_refused_quota_total'],
}


def promtool(*args, text=None, cwd=None):
    return subprocess.run(['promtool', *args], input=text, capture_output=True, text=True, cwd=cwd)


@unittest.skipUnless(shutil.which('prometheus') and shutil.which('promtool'), "Debian's prometheus is not installed")
class Prometheus(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        port = cls.enterClassContext(modbus_device())
        devices = [probe('p1', interval_ms=20), probe('odd "\\ name', interval_ms=20), probe('off')]
        cls.g = Gateway({'devices': [*devices, modbus('plc', port)]})
        cls.addClassCleanup(cls.g.close)
        cls.g.wait_connected()
        cls.g.enable('p1', 'odd "\\ name', 'plc')
        cls.g.wait_state(['p1', 'odd "\\ name', 'plc'], 'running')
        cls.g.ctl('send', 'plc', 'remote_device/1/enable', 'true')
        cls.web = Web(cls.g)
        cls.addClassCleanup(cls.web.close)

    def test_promtool_finds_nothing_to_say(self):
        r = promtool('check', 'metrics', text=self.web.ask('/metrics')[2].decode())
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, '', ''))

    def test_each_thing_has_its_numbers(self):
        text = wait_until(lambda: (t := self.web.ask('/metrics')[2].decode()).count('gatewayd_device_round_trip') and t,
                          'round trips', seconds=3 * WAIT_S)
        there = {re.match(r'\w+', line)[0] for line in text.splitlines() if not line.startswith('#')}
        self.assertEqual({thing: missing for thing, names in SHOWN.items() if (missing := set(names) - there)}, {})
        for name in ('requests', 'connects'):
            self.assertIn(f'gatewayd_device_reported_total{{device="plc",type="modbus_master",name="{name}"}}', text)

    def test_rules(self):
        r = promtool('check', 'rules', 'gatewayd.rules.yaml', cwd=RULES)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)
        r = promtool('test', 'rules', 'gatewayd.rules.test.yaml', cwd=RULES)
        self.assertEqual(r.returncode, 0, r.stdout + r.stderr)

    def start(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        port = free_port()
        with open(os.path.join(folder, 'prometheus.yml'), 'w', encoding='utf-8') as f:
            f.write(CONFIG.format(rules=RULES, port=self.web.port))
        with open(os.path.join(folder, 'log'), 'wb') as log:
            p = subprocess.Popen(['prometheus', f'--config.file={folder}/prometheus.yml', '--log.level=warn',
                                  f'--storage.tsdb.path={folder}/data', f'--web.listen-address=127.0.0.1:{port}'],
                                 stdout=log, stderr=log)
        self.addCleanup(p.wait, WAIT_S)
        self.addCleanup(p.send_signal, signal.SIGTERM)
        self.api = f'http://127.0.0.1:{port}/api/v1/'

    def ask(self, path, **arguments):
        try:
            with urllib.request.urlopen(self.api + path + '?' + urllib.parse.urlencode(arguments), timeout=WAIT_S) as r:
                return json.load(r)['data']
        except OSError:
            return None

    def query(self, text):
        found = self.ask('query', query=text)
        return found['result'] if found else []

    def test_a_real_prometheus_scrapes_it(self):
        self.start()
        wait_until(lambda: self.query('up{job="gatewayd"} == 1'), 'it is scraped', seconds=3 * WAIT_S)
        target = self.ask('targets')['activeTargets'][0]
        self.assertEqual((target['lastError'], target['health']), ('', 'up'))
        running = self.query('gatewayd_device_state{state="running"} == 1')
        self.assertEqual({r['metric']['device'] for r in running}, {'p1', 'odd "\\ name', 'plc'})
        wait_until(lambda: any(float(r['value'][1]) > 0 for r in
                               self.query('rate(gatewayd_device_events_registered_total{device="p1"}[10s])')),
                   'a rate', seconds=3 * WAIT_S)
        kinds = self.ask('metadata')
        self.assertEqual(kinds['gatewayd_device_state'][0]['type'], 'gauge')
        self.assertEqual({x['name'] for g in self.ask('rules')['groups'] for x in g['rules'] if x['health'] == 'err'}, set())
        self.dashboard()

    def dashboard(self):
        """Each expression of the dashboard brings data: of a Modbus device, of probes and of the built-in Event Server."""
        with open(os.path.join(ROOT, 'etc', 'grafana', 'gatewayd.json'), encoding='utf-8') as f:
            dashboard = json.load(f)
        count = 0
        for panel in dashboard['panels']:
            for target in panel['targets']:
                text = target['expr'].replace('$instance', '.*').replace('$__rate_interval', '10s')
                self.assertIsNotNone(self.ask('query', query=text), text)
                found = wait_until(lambda t=text: self.query(t), f'data of {panel["title"]}: {text}', seconds=3 * WAIT_S)
                self.assertTrue(all(r['value'][1] != 'NaN' for r in found) or 'quantile' in text, (text, found))
                count += 1
        self.assertGreater(count, 20)

    def test_a_round_trip_from_the_runner_to_its_histogram(self):
        def buckets():
            text = self.web.ask('/metrics')[2].decode()
            found = re.findall(r'^gatewayd_device_round_trip_seconds_bucket\{device="plc",type="modbus_master",le="([^"]+)"\} (\S+)$',
                               text, re.M)
            count = re.search(r'^gatewayd_device_round_trip_seconds_count\{device="plc",type="modbus_master"\} (\S+)$', text, re.M)
            took = re.search(r'^gatewayd_device_round_trip_seconds_sum\{device="plc",type="modbus_master"\} (\S+)$', text, re.M)
            return count and int(count[1]) > 5 and (text, found, int(count[1]), float(took[1]))
        text, found, count, took = wait_until(buckets, 'round trips', seconds=3 * WAIT_S)
        self.assertEqual([le for le, _ in found], ['0.001', '0.005', '0.02', '0.1', '0.5', '2.0', '+Inf'])
        self.assertEqual([int(n) for _, n in found], sorted(int(n) for _, n in found))
        self.assertEqual(int(found[-1][1]), count)
        self.assertTrue(0 < took < count * 2, (took, count))
        requests = re.search(r'^gatewayd_remote_requests_total\{device="plc"[^}]*\} (\S+)$', text, re.M)
        self.assertGreaterEqual(int(requests[1]), count)
        r = promtool('check', 'metrics', text=text)
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, '', ''))


def displays(section):
    """The examples of gateway-web(8), by what the words before them say."""
    with open(os.path.join(ROOT, 'man', 'gateway-web.8'), encoding='utf-8') as f:
        text = f.read()
    found = re.search(section + r'.*?\.Bd -literal[^\n]*\n(.*?)\.Ed', text, re.S)
    return found[1].replace('\\e', '\\')


@unittest.skipUnless(shutil.which('nginx'), "Debian's nginx is not installed")
class Proxies(unittest.TestCase):
    def setUp(self):
        self.g = Gateway({'devices': [probe('p1', interval_ms=50)]})
        self.addCleanup(self.g.close)
        self.g.wait_connected()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.chmod(self.folder, 0o755)

    def fetch(self, port, path, scheme='http', **headers):
        r = subprocess.run(['curl', '-sk', '-m', str(WAIT_S), '-w', '\n%{http_code}',
                            *(x for k, v in headers.items() for x in ('-H', f'{k}: {v}')),
                            *(['-u', 'op:secret'] if scheme == 'https' else []),
                            f'{scheme}://127.0.0.1:{port}{path}'], capture_output=True, text=True)
        body, _, code = r.stdout.rpartition('\n')
        return int(code or 0), body

    def test_nginx_of_the_manual(self):
        web, port = Web(self.g), free_port()
        self.addCleanup(web.close)
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
                        '-keyout', f'{self.folder}/key', '-out', f'{self.folder}/cert', '-subj', '/CN=gw'], check=True,
                       capture_output=True)
        password = subprocess.run(['openssl', 'passwd', '-apr1', 'secret'], capture_output=True, text=True, check=True)
        with open(f'{self.folder}/users', 'w', encoding='ascii') as f:
            f.write('op:' + password.stdout)
        server = displays('nginx')
        for was, now in (('443', f'127.0.0.1:{port}'), ('9404', str(web.port)), ('/etc/nginx/gw.crt', f'{self.folder}/cert'),
                         ('/etc/nginx/gw.key', f'{self.folder}/key'), ('/etc/nginx/gw.users', f'{self.folder}/users')):
            self.assertIn(was, server)
            server = server.replace(was, now)
        temp = ''.join(f'{x}_temp_path {self.folder}/{x};' for x in ('client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'))
        with open(f'{self.folder}/nginx.conf', 'w', encoding='ascii') as f:
            f.write(f'daemon off; user root; pid {self.folder}/pid; error_log {self.folder}/log; events {{}}\n'
                    f'http {{ access_log off; {temp}\n{server}\n}}\n')
        p = subprocess.Popen(['nginx', '-c', f'{self.folder}/nginx.conf', '-e', f'{self.folder}/log'])
        self.addCleanup(p.wait, WAIT_S)
        self.addCleanup(p.terminate)
        wait_until(lambda: self.fetch(port, '/healthz', 'https')[0] == 200, 'nginx answers')
        self.assertEqual(self.fetch(port, '/api/v1/status', 'https')[0], 200)
        nobody = subprocess.run(['curl', '-sk', '-o', '/dev/null', '-w', '%{http_code}', f'https://127.0.0.1:{port}/'],
                                capture_output=True, text=True)
        self.assertEqual(nobody.stdout, '401')
        stream = subprocess.Popen(['curl', '-skN', '-u', 'op:secret', f'https://127.0.0.1:{port}/api/v1/watch'],
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(stream.stdout.close)
        self.addCleanup(stream.wait)
        self.addCleanup(stream.kill)
        self.assertTrue(any('"kind":"rows"' in line for line in iter(stream.stdout.readline, '')))

    @unittest.skipUnless(os.path.exists('/lib/systemd/systemd-socket-proxyd'), 'systemd-socket-proxyd is not installed')
    def test_socket_proxyd_of_the_manual(self):
        path = os.path.join(self.g.dir, 'web.sock')
        web = Web(self.g, '--unix', path, listen=None)
        self.addCleanup(web.close)
        command = re.search(r'^ExecStart=(\S+) (\S+)$', displays('gateway-web-proxy.service'), re.M)
        self.assertEqual(command[2], '/run/gateway-web.sock')
        with socket.create_server(('127.0.0.1', 0)) as listener:
            fd = listener.fileno()

            def hand_over():
                os.dup2(fd, 3)
                os.environ['LISTEN_PID'] = str(os.getpid())
            p = subprocess.Popen(['/bin/sh', '-c', f'LISTEN_PID=$$ LISTEN_FDS=1 exec {command[1]} {path}'],
                                 preexec_fn=hand_over, pass_fds=(3,))
            self.addCleanup(p.wait, WAIT_S)
            self.addCleanup(p.terminate)
            port = listener.getsockname()[1]
            wait_until(lambda: self.fetch(port, '/healthz')[0] == 200, 'the proxy answers')


if __name__ == '__main__':
    unittest.main()
