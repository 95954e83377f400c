#!/usr/bin/env python3
"""ping: the real runner process and real echo requests, in a network namespace of the test's own."""
import os
import socket
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from runner_host import Runner  # noqa: E402

RUNNER = os.path.join(os.environ.get('BUILD', 'build'), 'libexec/icmp')
INSIDE = 'GATEWAYD_TEST_NAMESPACE'


def sh(command):
    subprocess.run(command, shell=True, check=True, capture_output=True)


def host(name, address='127.0.0.1', **more):
    return {'name': name, 'host': address, 'ping_delay': 0.1, 'ping_timeout': 0.2, 'retry_count': 1,
            'retry_delay': 0.05, **more}


def status(name):
    return 'gateway/status/' + name


class Case(unittest.TestCase):
    def start(self, hosts, **more):
        r = Runner(RUNNER, 'ping', {'name': 'p', 'remote_devices': hosts}, **more)
        self.addCleanup(r.stop)
        return r

    def states(self, r, name):
        return [e.payload for e in r.events if e.type == status(name)]


class Echo(Case):
    def setUp(self):
        sh('sysctl -qw net.ipv4.ping_group_range="0 2147483647"')

    def test_no_hosts(self):
        r = self.start([])
        r.wait(lambda: r.ready)
        self.assertEqual(r.stop(), 0)
        self.assertEqual(r.events, [])

    def test_both_families_become_available_and_nothing_more(self):
        r = self.start([host('four'), host('six', '::1'), host('name', 'localhost')])
        for name in 'four', 'six', 'name':
            r.wait_event(status(name), 'AVAILABLE')
        r.wait_counters(lambda c: c.get('replies', 0) > 20)
        self.assertEqual(r.links[-1], 'available')
        self.assertEqual(r.counters['hosts_available'], 3)
        self.assertEqual(r.stop(), 0)
        for name in 'four', 'six', 'name':
            self.assertEqual(self.states(r, name), ['NOT_AVAILABLE', 'AVAILABLE', 'NOT_AVAILABLE'])
        self.assertEqual([e.type for e in r.events[:3]], [status('four'), status('six'), status('name')])
        self.assertLessEqual(r.counters['round_trip_min_us'], r.counters['round_trip_avg_us'])
        self.assertLessEqual(r.counters['round_trip_avg_us'], r.counters['round_trip_max_us'])

    def test_host_that_goes_and_comes(self):
        sh('ip addr add 10.77.0.1/32 dev lo')
        self.addCleanup(sh, 'ip addr del 10.77.0.1/32 dev lo 2>/dev/null || true')
        r = self.start([host('there', '10.77.0.1'), host('always')])
        at = r.wait_event(status('there'), 'AVAILABLE')
        sh('ip addr del 10.77.0.1/32 dev lo')
        gone = time.monotonic()
        at = r.wait_event(status('there'), 'NOT_AVAILABLE', after=at)
        # Two tries, each with its pause, behind the delay.
        self.assertLess(r.events[at - 1].time - gone, 0.1 + 2 * 0.25 + 3)
        sh('ip addr add 10.77.0.1/32 dev lo')
        r.wait_event(status('there'), 'AVAILABLE', after=at)
        self.assertEqual(self.states(r, 'always'), ['NOT_AVAILABLE', 'AVAILABLE'])

    def test_host_without_a_way(self):
        """ENETUNREACH ends a try at once; the pause between two stays."""
        r = self.start([host('far', '192.0.2.1', retry_count=1000, ping_timeout=30)])
        r.wait(lambda: r.ready)
        r.wait(lambda: len(r.opens) > 3)
        self.assertEqual(self.states(r, 'far'), ['NOT_AVAILABLE'])

    def test_silent_host(self):
        sh('sysctl -qw net.ipv4.icmp_echo_ignore_all=1')
        self.addCleanup(sh, 'sysctl -qw net.ipv4.icmp_echo_ignore_all=0')
        r = self.start([host('silent', '127.0.0.2'), host('here', '::1')])
        r.wait_event(status('here'), 'AVAILABLE')
        r.wait_counters(lambda c: c.get('lost', 0) >= 6)
        self.assertEqual(self.states(r, 'silent'), ['NOT_AVAILABLE'])
        self.assertEqual(r.links[-1], 'some_available')
        self.assertGreater(len(r.opens), 3, 'the name is looked up again after each failed series')

    def test_names_that_do_not_exist_hold_nobody_up(self):
        hosts = [host(f'no{i}', 'no.such.name.invalid') for i in range(100)]
        r = self.start([*hosts, host('here')], refuse=range(100))
        r.wait_event(status('here'), 'AVAILABLE')

    def test_thousand_hosts(self):
        r = self.start([host(f'h{i}', f'127.0.{i // 250}.{i % 250 + 1}', ping_delay=1, ping_timeout=5)
                        for i in range(1000)], memory=1 << 28)
        r.wait(lambda: sum(e.payload == 'AVAILABLE' for e in r.events) == 1000)
        r.wait_counters(lambda c: c.get('replies', 0) >= 2000)
        begin, ticks, n = time.monotonic(), self.ticks(r), r.counters['replies']
        r.wait_counters(lambda c: c['replies'] >= n + 5000)
        seconds = time.monotonic() - begin
        cpu = (self.ticks(r) - ticks) / os.sysconf('SC_CLK_TCK') / seconds
        print(f'1,000 hosts each second: {100 * cpu:.1f} % of a core')
        self.assertLess(cpu, 0.15)
        self.assertEqual(len(r.events), 2000)
        self.assertEqual(r.counters.get('lost', 0), 0)

    def ticks(self, r):
        with open(f'/proc/{r.process.pid}/stat') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return int(fields[11]) + int(fields[12])

    def test_raw_sockets(self):
        """The supervisor opens raw ones, if the group range lets nobody in."""
        class Raw(Runner):
            def _opened(self, kind, target, port):
                v6 = ':' in target
                s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW,
                                  socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
                s.connect((target, 0))
                return s.detach()
        r = Raw(RUNNER, 'ping', {'name': 'p', 'remote_devices': [host('four'), host('six', '::1'), host('two')]})
        self.addCleanup(r.stop)
        for name in 'four', 'six', 'two':
            r.wait_event(status(name), 'AVAILABLE')
        r.wait_counters(lambda c: c.get('replies', 0) > 20)
        self.assertEqual(len(r.events), 6)

    def test_not_allowed(self):
        class Refused(Runner):
            def _opened(self, kind, target, port):
                raise PermissionError(13, 'connect to h: Permission denied: needs net.ipv4.ping_group_range')
        r = Refused(RUNNER, 'ping', {'name': 'p', 'remote_devices': [host('a'), host('b')]})
        self.addCleanup(r.stop)
        r.wait(lambda: r.closed)
        self.assertIn('ping_group_range', r.closed)


class Namespace(unittest.TestCase):
    def test_echo(self):
        """Runs the cases above where they may change the network."""
        script = ('ip link set lo up && exec "$0" -m unittest -v test_ping.Echo')
        out = subprocess.run(['unshare', '-n', 'sh', '-c', script, sys.executable], capture_output=True, text=True,
                             env={**os.environ, INSIDE: '1', 'PYTHONPATH': os.path.dirname(os.path.abspath(__file__))})
        if 'unshare failed' in out.stderr:
            self.skipTest('no network namespaces: ' + out.stderr.strip())
        print(out.stdout, end='')
        self.assertEqual(out.returncode, 0, out.stderr[-6000:])


class Configuration(Case):
    def errors(self, *hosts):
        r = Runner(RUNNER, 'ping', {'name': 'p', 'remote_devices': list(hosts)}, check_only=True)
        r.wait(lambda: r.closed)
        r.process.wait(10)
        return [path for kind, path, _ in r.config_errors if kind == 1], r

    def test_errors_with_their_places(self):
        self.assertEqual(self.errors(host('a'), host('b'))[0], [])
        for change, path in (({'retry_count': 1.5}, 'retry_count'), ({'ping_timeout': 0}, 'ping_timeout'),
                             ({'retry_delay': -1}, 'retry_delay'), ({'host': 1}, 'host')):
            self.assertEqual(self.errors(host('a'), host('b', **change))[0], ['remote_devices[1].' + path])
        self.assertEqual(self.errors(host('a'), host('a'))[0], ['remote_devices'])

    def test_plan(self):
        _, r = self.errors(host('a', 'one.example'), host('b', '::1'))
        self.assertEqual(r.plan, [[6, 'one.example', 0], [6, '::1', 0]])


def load_tests(loader, _tests, _pattern):
    """Those of Echo by Namespace alone."""
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, [Namespace, Configuration]))


if __name__ == '__main__':
    unittest.main()
