#!/usr/bin/env python3
"""The observers' socket: who comes from there may look and not do."""
import grp
import json
import os
import select
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from gatewayd import WAIT_S, Gateway, probe, program, wait_until  # noqa: E402

# Every verb of the control socket, and what it asks with.
LOOKS = {'status': {}, 'top': {}, 'show': {'names': ['p1']}, 'info': {}, 'metrics': {}, 'health': {}, 'describe': {'name': 'p1'},
         'watch': {}, 'events': {}, 'wait': {'names': ['p1'], 'states': ['running']}, 'trace': {'names': ['p1']}}
DOES = {'send': {'name': 'p1', 'type': 'x'}, 'enable': {'names': ['p1']}, 'disable': {'names': ['p1']},
        'restart': {'names': ['p1']}, 'log': {'level': 'info'}, 'reload': {}}


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(WAIT_S)
        self.socket.connect(path)

    def ask(self, command, **fields):
        """The first packet of the answer."""
        self.socket.send(json.dumps({'command': command, **fields}).encode())
        return json.loads(self.socket.recv(1 << 18))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Observe(unittest.TestCase):
    def serve(self, group=None, devices=1):
        group = group or grp.getgrgid(os.getgid()).gr_name
        g = Gateway({'devices': [probe(f'p{n}', interval_ms=20) for n in range(1, devices + 1)],
                     'control': {'observe_group': group}})
        self.addCleanup(g.close)
        g.wait_connected()
        g.enable('p1')
        g.wait_state('p1', 'running')
        return g, os.path.join(g.runtime, 'observe')

    def test_every_verb(self):
        g, path = self.serve()
        pid = g.ctl('status')[0]['pid']
        for verb, fields in {**LOOKS, **DOES}.items():
            with self.subTest(verb=verb), Client(path) as c:
                answer = c.ask(verb, **fields)
                refused = 'may look and not do' in str(answer.get('error'))
                self.assertEqual(refused, verb in DOES, answer)
                if refused:
                    self.assertEqual((answer['code'], answer['end'], answer['reason']), (1, True, 'denied'))
                    self.assertTrue(c.ask('info')['rows'], 'a refusal does not end the connection')
        row = g.ctl('status')[0]
        self.assertEqual((row['pid'], row['state']), (pid, 'running'))

    def test_gatewayctl_at_the_observers_socket(self):
        g, path = self.serve()
        status = subprocess.run([program('gatewayctl'), '--socket', path, 'status'], capture_output=True, text=True)
        self.assertEqual(status.returncode, 0, status.stderr)
        restart = subprocess.run([program('gatewayctl'), '--socket', path, 'restart', 'p1'], capture_output=True,
                                 text=True)
        self.assertEqual((restart.returncode, restart.stdout), (1, ''))
        self.assertIn('restart is refused: this client may look and not do (role observe)', restart.stderr)

    @unittest.skipUnless(os.getuid() == 0, 'needs root, to be another user')
    def test_groups_decide(self):
        g, path = self.serve('daemon')
        os.chmod(g.dir, 0o755)
        self.assertEqual(os.stat(g.runtime).st_mode & 0o777 | 0o111, 0o755)
        os.chmod(g.runtime, 0o751)
        # A copy that any user may run, wherever this tree lies.
        ctl = os.path.join(g.dir, 'ctl')
        with open(program('gatewayctl'), 'rb') as f, open(ctl, 'wb') as to:
            to.write(f.read())
        os.chmod(ctl, 0o755)
        for groups, socket_path, code in (([], path, 3), (['daemon'], path, 0), (['daemon'], g.socket, 3)):
            with self.subTest(groups=groups, socket=socket_path):
                r = subprocess.run([ctl, '--socket', socket_path, 'status'], capture_output=True, text=True,
                                   user=65534, group=65534, extra_groups=[grp.getgrnam(n).gr_gid for n in groups])
                self.assertEqual(r.returncode, code, r.stderr)

    def test_observers_leave_room_for_others(self):
        g, path = self.serve()
        crowd = []
        self.addCleanup(lambda: [c.socket.close() for c in crowd])
        for _ in range(32):
            c = Client(path)
            crowd.append(c)
            c.ask('watch')
        with Client(path) as late:
            self.assertIn('too many clients', json.loads(late.socket.recv(1 << 18))['error'])
        self.assertEqual(g.ctl('info')[0]['clients'], 33)

    def test_a_flood_of_observers_requests_delays_nobody_else(self):
        g, path = self.serve()
        with Client(path) as flood, Client(g.socket) as other:
            def is_held_back():
                flood.socket.send(b'{"command":"info"}')
                if not select.select([flood.socket], [], [], 0.05)[0]:
                    return True
                flood.socket.recv(1 << 18)
                return False
            self.assertTrue(any(is_held_back() for _ in range(20000)), 'nothing holds observers back')
            self.assertTrue(other.ask('info')['rows'])
            self.assertTrue(json.loads(flood.socket.recv(1 << 18))['rows'], 'it is answered in the next second')

    def test_watch_without_events(self):
        g, path = self.serve()
        with Client(path) as all_events, Client(path) as none:
            none.ask('watch', events=False)
            all_events.ask('watch')
            wait_until(lambda: b'"event"' in all_events.socket.recv(1 << 18), 'events are seen')
            g.ctl('restart', 'p1')
            seen = []
            while not any(r.get('state') == 'running' for r in seen):
                seen += json.loads(none.socket.recv(1 << 18))['rows']
            self.assertEqual({r['kind'] for r in seen}, {'state'})

    def test_a_group_that_is_none(self):
        g = Gateway({'devices': [], 'control': {'observe_group': 'no-such-group'}}, start=False)
        self.addCleanup(g.close)
        r = subprocess.run([program('gatewayd'), '--config', g.config, '--check'], capture_output=True, text=True,
                           env=g.env)
        self.assertIn('control.observe_group: expected a group of this machine', r.stdout + r.stderr)


if __name__ == '__main__':
    unittest.main()
