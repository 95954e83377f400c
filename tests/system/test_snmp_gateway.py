#!/usr/bin/env python3
"""SNMP and ping through all of gatewayd: the manuals' examples load, values and requests pass, what each runner may
reach is shown, and a runner that is killed is back at once."""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
sys.path.insert(0, os.path.dirname(__file__))
import snmp  # noqa: E402
from gatewayd import BUILD, Gateway, probe, program, wait_until  # noqa: E402
from manual import commands, displays  # noqa: E402
from test_snmp_manager import A, B, conf as manager_conf  # noqa: E402

NAMESPACE = ['unshare', '-n', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"']


def namespaces():
    return subprocess.run([*NAMESPACE, 'true'], capture_output=True).returncode == 0


class Texts(unittest.TestCase):
    def test_examples_of_the_manuals(self):
        for page in 'gateway-snmp.7', 'gateway-ping.7':
            with tempfile.NamedTemporaryFile('w', suffix='.yaml') as f:
                f.write(displays(page)[0] + '\n')
                f.flush()
                p = subprocess.run([program('gatewayd'), '--check', '--config', f.name], capture_output=True, text=True)
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertNotIn('warning', p.stderr)


class Snmp(unittest.TestCase):
    def start(self, *devices, **more):
        g = self.enterContext(Gateway({'devices': list(devices)}, **more))
        names = [d['name'] for d in devices]
        g.enable(*names)
        g.wait_state(names, 'running')
        return g

    def latest(self, g, *end):
        for e in g.ctl('events', '*'):
            if tuple(e['type'][-len(end):]) == end and 'gateway' in e['type'][1:]:
                return e['payload']

    def manager(self):
        agent = snmp.Agent({A: (snmp.INTEGER, b'\1'), '1.3.6.1.2.1.1.5.0': (snmp.STRING, b'ups7')})
        self.addCleanup(agent.stop)
        conf = manager_conf(agent.port)
        conf.update(name='ups', module='hat.gateway.devices.snmp.manager')
        return self.start(conf), agent

    def test_manager(self):
        g, agent = self.manager()
        g.wait(lambda: self.latest(g, 'gateway', 'read', A), 'the value')
        self.assertEqual(self.latest(g, 'gateway', 'read', A), {
            'session_id': None, 'cause': 'INTERROGATE', 'data': {'type': 'INTEGER', 'value': 1}})
        g.ctl('send', 'ups', 'write/' + B, json.dumps({'session_id': 1, 'data': {'type': 'INTEGER', 'value': 9}}))
        g.wait(lambda: self.latest(g, 'gateway', 'write', B) == {'session_id': 1, 'success': True}, 'the result')
        self.assertEqual(agent.values[B], (snmp.INTEGER, b'\x09'))
        (row,) = g.ctl('show', 'ups')
        self.assertEqual(row['plan'], [{'kind': 'udp', 'target': '127.0.0.1', 'port': agent.port, 'opened': True,
                                        'any_address': False}])
        g.wait(lambda: g.ctl('show', 'ups')[0]['runner_counters'].get('requests', 0) > 3, 'counters')
        self.assertEqual(g.status('ups')['link'], 'connected')
        # As the manual says it; "watch" does not end by itself.
        send, _ = commands('gateway-snmp.7')
        g.ctl(*[a.strip("'") for a in send.split()[1:4]], send.split("'")[1])
        g.wait(lambda: (self.latest(g, 'gateway', 'read', '1.3.6.1.2.1.1.5.0') or {}).get('data') == {
            'type': 'STRING', 'value': 'ups7'}, 'the answer')

    def test_trace_shows_datagrams(self):
        g, agent = self.manager()
        with g.ctl.start('--json', 'trace', 'ups') as p:
            lines = [json.loads(p.stdout.readline()) for _ in range(4)]
            p.terminate()
        frames = [bytes.fromhex(line['hex']) for line in lines if 'hex' in line]
        self.assertTrue(frames)
        self.assertTrue(all(f[0] == 0x30 for f in frames), lines)

    def test_killed_runner_polls_again(self):
        g, agent = self.manager()
        g.wait(lambda: self.latest(g, 'gateway', 'read', A), 'the value')
        begin, n = time.monotonic(), len(agent.messages)
        os.kill(g.status('ups')['pid'], signal.SIGKILL)
        wait_until(lambda: len(agent.messages) > n + 2, 'polls')
        self.assertLess(time.monotonic() - begin, 1.0)

    def test_trap_listener(self):
        with snmp.bound() as s:
            port = s.getsockname()[1]
        g = self.start({'name': 'traps', 'module': 'hat.gateway.devices.snmp.trap_listener', 'local_host': '127.0.0.1',
                        'local_port': port, 'users': [], 'remote_devices': [
                            {'version': 'V2C', 'community': None, 'name': 'd', 'oids': [A], 'string_hex_oids': []}]})
        (row,) = g.ctl('show', 'traps')
        self.assertEqual(row['plan'], [{'kind': 'udp-listen', 'target': '127.0.0.1', 'port': port, 'opened': True,
                                        'any_address': True}])
        with snmp.bound() as s:
            s.settimeout(30)
            s.sendto(snmp.trap_v2c([(A, snmp.INTEGER, b'\5')], kind=snmp.INFORM), ('127.0.0.1', port))
            self.assertEqual(snmp.Message(s.recv(2000)).kind, snmp.RESPONSE)
        g.wait(lambda: self.latest(g, 'gateway', 'data', 'd', A) == {'type': 'INTEGER', 'value': 5}, 'the event')
        self.assertEqual(g.status('traps')['link'], 'listening')

    def test_port_that_is_taken_is_tried_again(self):
        with snmp.bound() as s:
            port = s.getsockname()[1]
            g = self.enterContext(Gateway({'devices': [{
                'name': 'traps', 'module': 'hat.gateway.devices.snmp.trap_listener', 'local_host': '127.0.0.1',
                'local_port': port, 'users': [], 'remote_devices': []}]}))
            g.enable('traps')
            g.wait_log('Address already in use')
            g.wait(lambda: g.status('traps')['restarts'] > 0, 'a restart')
        g.wait_state('traps', 'running')


@unittest.skipUnless(namespaces(), 'no network namespaces')
class Ping(unittest.TestCase):
    HOSTS = [{'name': n, 'host': h, 'ping_delay': 0.1, 'ping_timeout': 1, 'retry_count': 0, 'retry_delay': 0}
             for n, h in (('four', '127.0.0.1'), ('six', '::1'), ('far', '192.0.2.1'))]

    def start(self, before='', after=()):
        wrap = NAMESPACE[:-1] + [f'ip link set lo up && {before or "true"} && exec "$0" "$@"', *after]
        g = self.enterContext(Gateway({'devices': [{
            'name': 'net', 'module': 'hat.gateway.devices.ping', 'remote_devices': self.HOSTS}]}, wrap=wrap))
        g.enable('net')
        return g

    def reach(self, g):
        def states():
            return {e['type'][-1]: e['payload'] for e in g.ctl('events', '*') if 'status' in e['type']}
        g.wait(lambda: states() == {'four': 'AVAILABLE', 'six': 'AVAILABLE', 'far': 'NOT_AVAILABLE'}, 'the states')
        (row,) = g.ctl('show', 'net')
        self.assertEqual([(p['kind'], p['target'], p['any_address']) for p in row['plan']], [
            ('icmp', h['host'], False) for h in self.HOSTS])
        g.wait(lambda: g.ctl('show', 'net')[0]['runner_counters'].get('replies', 0) > 5, 'counters')
        self.assertEqual(g.status('net')['link'], 'some_available')

    def test_by_the_group_range(self):
        self.reach(self.start('sysctl -qw net.ipv4.ping_group_range="0 2147483647"',
                              ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-all']))

    @unittest.skipIf(os.geteuid() != 0, 'needs CAP_NET_RAW')
    def test_by_raw_sockets(self):
        self.reach(self.start('sysctl -qw net.ipv4.ping_group_range="1 0"'))

    def test_thousand_hosts(self):
        """Half of them answer; the others are looked up again and again."""
        hosts = [{**self.HOSTS[0], 'name': f'h{i}', 'host': f'{net}.0.{i // 250}.{i % 250 + 1}', 'ping_delay': 0.5}
                 for i in range(500) for net in (('127' if i % 2 else '192'),)]
        hosts += [{**h, 'name': h['name'] + 'b'} for h in hosts]
        self.HOSTS = hosts
        g = self.start('sysctl -qw net.ipv4.ping_group_range="0 2147483647"')
        g.wait(lambda: g.ctl('show', 'net')[0]['runner_counters'].get('hosts_available', 0) == 500, 'those that are there')
        n = g.ctl('show', 'net')[0]['runner_counters']['replies']
        g.wait(lambda: g.ctl('show', 'net')[0]['runner_counters']['replies'] > n + 3000, 'replies')
        self.assertEqual(g.ctl('show', 'net')[0]['obituaries'], [])

    @unittest.skipIf('san' in os.path.basename(BUILD), 'no filter in a sanitized build')
    @unittest.skipIf(os.geteuid() != 0, 'needs CAP_NET_RAW')
    def test_runner_with_an_echo_socket_reaches_nobody_else(self):
        """A runner that is taken over, with the plan of a ping device or of a manager."""
        for plan in {'icmp': [{'host': '127.0.0.1', 'port': 0}]}, {'udp': [{'host': '127.0.0.1', 'port': 9}]}:
            for how in 'sendto', 'sendmsg':
                with self.subTest(plan, how=how):
                    g = self.enterContext(Gateway({'devices': [probe('p1', **plan)]}))
                    g.enable('p1')
                    g.wait_state('p1', 'running')
                    g.wait(lambda g=g: g.ctl('show', 'p1')[0]['plan'][0]['opened'], 'the socket')
                    g.ctl('send', 'p1', 'do', json.dumps(('send_to' if how == 'sendto' else 'sendmsg') + ' 7777'))
                    g.wait(lambda g=g: g.ctl('show', 'p1')[0]['obituaries'], 'the runner is dead')
                    self.assertIn(f'denied system call {how}', g.ctl('show', 'p1')[0]['obituaries'][0]['cause'])

    def test_neither(self):
        g = self.start('sysctl -qw net.ipv4.ping_group_range="1 0"',
                       ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-all'])
        g.wait_log('net.ipv4.ping_group_range (sysctl) has to include a group of gatewayd, or it needs CAP_NET_RAW')
        g.wait(lambda: g.ctl('show', 'net')[0]['obituaries'], 'an obituary')


if __name__ == '__main__':
    unittest.main()
