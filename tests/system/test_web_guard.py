#!/usr/bin/env python3
"""gateway-web is locked, and clients that dawdle, flood or lie cost it little, and the gateway nothing. Slow by
nature: a connection has 10 s for its request."""
import os
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from gatewayd import BUILD, WAIT_S, Gateway, probe, wait_until  # noqa: E402
from web import Web  # noqa: E402


class Guard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.g = Gateway({'devices': [probe('p1', interval_ms=10, values=3), probe('loud', interval_ms=20, values=20, payload=2000)]})
        cls.addClassCleanup(cls.g.close)
        cls.g.wait_connected()
        cls.g.enable('p1', 'loud')
        cls.g.wait_state(['p1', 'loud'], 'running')

    def setUp(self):
        self.web = Web(self.g)
        self.addCleanup(self.web.close)

    def connect(self):
        s = socket.create_connection(('127.0.0.1', self.web.port), timeout=3 * WAIT_S)
        self.addCleanup(s.close)
        return s

    @unittest.skipIf('san' in os.path.basename(BUILD), 'sanitizers report by what the lock denies')
    def test_locked(self):
        with open(f'/proc/{self.web.process.pid}/status', encoding='ascii') as f:
            status = dict(line.rstrip('\n').split(':\t', 1) for line in f if ':\t' in line)
        for key, value in (('CapEff', '0' * 16), ('CapPrm', '0' * 16), ('NoNewPrivs', '1'), ('Seccomp', '2')):
            self.assertEqual(status[key], value, key)
        # Not dumpable: what is in its folder of /proc is root's.
        self.assertEqual(os.stat(f'/proc/{self.web.process.pid}/environ').st_uid, 0)

    def test_a_request_that_does_not_end(self):
        silent, drip = self.connect(), self.connect()
        drip.sendall(b'GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nX: ')
        start = time.monotonic()
        drip.settimeout(0.5)
        ended = False
        while not ended:
            self.assertLess(time.monotonic() - start, WAIT_S + 15, 'a byte now and then keeps it for ever')
            try:
                drip.sendall(b'x')
                ended = drip.recv(1) == b''
            except TimeoutError:
                pass
            except OSError:
                ended = True
        self.assertEqual(silent.recv(1), b'')
        self.assertEqual(self.web.get('/api/v1/info')[0], 200)

    def test_more_connections_than_there_are(self):
        held = [self.connect() for _ in range(100)]
        for s in held[::3]:
            s.close()
        self.assertEqual(self.web.get('/healthz')[0], 200)

    def test_large_headers(self):
        s = self.connect()
        try:
            s.sendall(b'GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + b'x' * 100000)
            answer = s.recv(4096)
        except OSError:
            answer = b''
        self.assertTrue(answer == b'' or answer.split()[1] in (b'431', b'413', b'400'), answer[:100])
        self.assertEqual(self.web.get('/healthz')[0], 200)

    def test_a_flood_is_refused_here(self):
        before = int(self.metric('gatewayd_control_requests_total'))
        codes = [self.web.ask('/api/v1/info')[0] for _ in range(300)]
        self.assertIn(503, codes)
        self.assertIn(200, codes)
        self.assertEqual(self.web.get('/healthz')[0], 200, 'probes are counted apart')
        self.assertLess(int(self.metric('gatewayd_control_requests_total')) - before, 300)

    def metric(self, name):
        text = self.web.ask('/metrics')[2].decode()
        return next(line.split()[1] for line in text.splitlines() if line.startswith(name + ' '))

    def test_a_stream_that_is_not_read(self):
        s = self.connect()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.sendall(b'GET /api/v1/watch/probe/loud HTTP/1.1\r\nHost: localhost\r\n\r\n')
        wait_until(lambda: self.g.ctl('info')[0]['clients'] > 1, 'it is watched')
        wait_until(lambda: self.g.ctl('info')[0]['clients'] == 1, 'it is dropped', seconds=WAIT_S + 60)
        self.assertFalse([x for x in self.g.log() if 'reads too slowly' in x], 'gatewayd did not have to')

    def test_names(self):
        for host, status in (('localhost', 200), ('127.0.0.1', 200), ('evil.example', 403), ('', 403)):
            self.assertEqual(self.web.ask('/healthz', headers={'Host': host})[0], status, host)
        named = Web(self.g, '--host', 'gw.example')
        self.addCleanup(named.close)
        self.assertEqual(named.ask('/healthz', headers={'Host': 'gw.example'})[0], 200)

    def test_it_does_not_listen_for_everybody_unasked(self):
        with self.assertRaises(AssertionError):
            Web(self.g, listen='0.0.0.0:0')
        web = Web(self.g, '--insecure', listen='0.0.0.0:0')
        web.close()

    def test_unix_socket(self):
        path = os.path.join(self.g.dir, 'web.sock')
        for _ in range(2):  # The second one replaces the socket of the first, which is dead.
            web = Web(self.g, '--unix', path, listen=None)
            s = socket.socket(socket.AF_UNIX)
            s.connect(path)
            s.sendall(b'GET /healthz HTTP/1.0\r\n\r\n')
            self.assertIn(b'200', s.recv(100))
            s.close()
            web.close()


if __name__ == '__main__':
    unittest.main()
