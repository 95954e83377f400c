"""TLS of the IEC 104 devices: what must connect, what must not and why, peers that stall."""

import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))

import pki  # noqa: E402
from iec104 import (  # noqa: E402
    STARTDT_ACT, STARTDT_CON, UNDER_SANITIZERS, WAIT_S, Gate, Peer, Station, asdu, free_port, i, master_conf, slave_conf, u)


class TlsStation(Station):
    """Accepts with a context; accept() gives None where the handshake fails."""

    def __init__(self, context):
        super().__init__()
        self.context = context

    def accept(self, timeout=WAIT_S, start=True):
        self.sock.settimeout(timeout)
        sock = self.sock.accept()[0]
        sock.settimeout(timeout)
        try:
            peer = Peer(self.context.wrap_socket(sock, server_side=True))
        except (ssl.SSLError, OSError):
            sock.close()
            return None
        if start:
            peer.expect_u(STARTDT_ACT)
            peer.raw(u(STARTDT_CON))
        return peer


ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION, which Python does not name


def server_context(cert, key, ca=None, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    c.load_cert_chain(cert, key)
    if ca:
        c.load_verify_locations(ca)
        c.verify_mode = ssl.CERT_REQUIRED
    if version:
        c.maximum_version = version
        c.options |= ALLOW_CLIENT_RENEGOTIATION
    return c


def client_context(cert=None, key=None, ca=None, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca)
    if cert:
        c.load_cert_chain(cert, key)
    if version:
        c.maximum_version = version
    return c


@unittest.skipUnless(pki.available(), 'the openssl program is not there')
class Tls(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix='gatewayd-pki-')
        cls.ca = pki.Authority(cls.dir)
        cls.station = cls.ca.issue('station')
        cls.control = cls.ca.issue('control')

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def master(self, station, **security):
        return Gate(master_conf(station.port, security=pki.security(
            *self.control, **{'ca': self.ca.cert, **security})))

    def exchange(self, gate, peer):
        gate.wait('status', 'CONNECTED')
        peer.send(asdu(1, 3, 1, [(5, b'\1')]))
        gate.wait('data/single/1/5')

    def test_master_both_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = server_context(*self.station, self.ca.cert, version)
            with self.subTest(version), TlsStation(context) as station, self.master(station) as gate:
                peer = station.accept()
                self.exchange(gate, peer)
                self.assertEqual(peer.sock.version(), version.name.replace('_', '.'))
                gate.wait_log('peer /CN=station')
                peer.close()
                peer = station.accept()
                self.exchange(gate, peer)
                peer.close()

    def test_a_burst_of_full_records(self):
        """It is taken as fast as its events leave."""
        frames, objects = 400, 127
        with TlsStation(server_context(*self.station)) as station, self.master(station) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            gate.server.counting, counted = True, gate.server.count
            peer.raw(b''.join(i(n, 0, asdu(1, 20, 1, [(n * objects, bytes(objects))], sq=True, count=objects))
                              for n in range(frames)))
            gate.server.wait(lambda: gate.server.count - counted >= frames * objects, 3 * WAIT_S)
            gate.server.counting = False
            self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
            peer.close()

    def refused(self, cert, key, text, **security):
        with TlsStation(server_context(cert, key)) as station, self.master(station, **security) as gate:
            for _ in range(2):
                peer = station.accept(start=False)
                if peer:
                    peer.expect_end()
                    peer.close()
            gate.wait_log(text)
            self.assertIn('DISCONNECTED', gate.statuses())
            self.assertNotIn('CONNECTED', gate.statuses())

    def test_master_refuses_other_authority(self):
        other = pki.Authority(self.dir, 'other')
        self.refused(*other.issue('station'), "the peer's certificate: ")

    def test_master_refuses_expired(self):
        self.refused(*self.ca.issue('old', start='20200101000000Z', end='20210101000000Z'),
                     'certificate has expired')

    def test_master_refuses_wrong_host(self):
        self.refused(*self.ca.issue('elsewhere', host='DNS:elsewhere.example'), 'IP address mismatch',
                     verify_host=True)

    def test_master_warns_of_wrong_host_where_nobody_asked(self):
        """hat-gateway looks at no names: its stations' certificates may name nobody."""
        warning = "the peer's certificate does not name 127.0.0.1"
        for name, host in (('right', 'IP:127.0.0.1'), ('wrong', 'DNS:elsewhere.example')):
            context = server_context(*self.ca.issue(name, host=host))
            with self.subTest(name), TlsStation(context) as station, self.master(station) as gate:
                peer = station.accept()
                self.exchange(gate, peer)
                peer.close()
                self.assertEqual(warning in gate.text(), name == 'wrong')

    def test_master_takes_any_host_when_told_to(self):
        context = server_context(*self.ca.issue('anywhere', host='DNS:elsewhere.example'))
        with TlsStation(context) as station, self.master(station, verify_host=False) as gate:
            peer = station.accept()
            self.exchange(gate, peer)
            peer.close()
            self.assertNotIn('does not name', gate.text())

    def test_master_refuses_revoked_in_strict_mode(self):
        bad = self.ca.issue('revoked')
        self.ca.revoke(bad[0])
        self.refused(*bad, 'certificate revoked', ca=self.ca.with_crl(), strict_mode=True)

    def test_master_refuses_short_keys_in_strict_mode(self):
        weak = self.ca.issue('weak', rsa=1024)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers('DEFAULT@SECLEVEL=0')
        context.load_cert_chain(*weak)
        with TlsStation(context) as station, self.master(
                station, ca=self.ca.with_crl(), strict_mode=True) as gate:
            peer = station.accept(start=False)
            if peer:
                peer.expect_end()
                peer.close()
            gate.wait_log('EE certificate key too weak')
            self.assertNotIn('CONNECTED', gate.statuses())

    def test_master_and_plain_station(self):
        with Station() as station, self.master(station) as gate:
            peer = station.accept(start=False)
            peer.raw(u(STARTDT_CON) * 3)
            peer.sock.settimeout(WAIT_S)
            gate.wait_log('wrong version number')
            self.assertNotIn('CONNECTED', gate.statuses())
            peer.close()

    def renewals(self, gate, least):
        gate.server.wait(lambda: gate.text().count('TLS: new keys') >= least, WAIT_S)

    def exchange_for(self, seconds, peer, send):
        """Calls send() without a pause, and takes and confirms what comes between."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            peer.sock.settimeout(WAIT_S)
            send()
            while select.select([peer.sock], [], [], 0.001)[0]:
                try:
                    if peer.event(0.01)[0] == 'I':
                        peer.acknowledge()
                except TimeoutError:
                    break  # what came was the handshake's

    def test_renewal_amid_data(self):
        """Data of the peer that meet the handshake of a renegotiation are data (RFC 5246 7.4.1.1)."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = server_context(*self.station, self.ca.cert, version)
            with self.subTest(version), TlsStation(context) as station, \
                    self.master(station, renegotiate_delay=0.02, ca=self.ca.with_crl(),
                                strict_mode=True) as gate:
                peer = station.accept()
                sent = 0

                def send():
                    nonlocal sent
                    peer.send(asdu(1, 3, 1, [(sent, b'\1')]))
                    sent += 1
                    if sent % 50 == 0:
                        gate.system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION',
                                                        'request': 20})

                self.exchange_for(1, peer, send)
                gate.wait(f'data/single/1/{sent - 1}')
                self.renewals(gate, 5)
                self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])
                self.assertEqual(len(gate.find('data/single/1/?')), sent)
                peer.close()

    def test_renewal_that_the_station_begins(self):
        cert, key = self.station
        port = free_port()
        with subprocess.Popen(
                ['openssl', 's_server', '-accept', f'127.0.0.1:{port}', '-cert', cert, '-key', key, '-tls1_2',
                 '-CAfile', self.ca.cert], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as station:
            try:
                self.begin_renewals(station, port)
            finally:
                station.kill()

    def begin_renewals(self, station, port):
        def say(data):
            station.stdin.write(data)
            station.stdin.flush()

        def expect(text, found=b''):
            while text not in found:
                self.assertTrue(select.select([station.stdout], [], [], WAIT_S)[0], found)
                piece = os.read(station.stdout.fileno(), 4096)
                self.assertTrue(piece, found)
                found += piece

        expect(b'ACCEPT')
        with Gate(master_conf(port, security=pki.security(*self.control, ca=self.ca.cert))) as gate:
            expect(u(STARTDT_ACT))
            say(u(STARTDT_CON))
            gate.wait('status', 'CONNECTED')
            for n in range(3):
                say(b'R\n')  # its command for a renegotiation
                expect(b'SSL_do_handshake -> 1')
                say(i(n, 0, asdu(1, 3, 1, [(n, b'\1')])))
                gate.wait(f'data/single/1/{n}')
                gate.system('interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': n + 20})
                expect(asdu(100, 6, 1, [(0, bytes([n + 20]))]))
            self.assertEqual(gate.statuses(), ['CONNECTING', 'CONNECTED'])

    def test_renewal_that_the_station_refuses(self):
        """The connection is lost, and the next one has new keys."""
        context = server_context(*self.station, self.ca.cert, ssl.TLSVersion.TLSv1_2)
        context.options &= ~ALLOW_CLIENT_RENEGOTIATION
        with TlsStation(context) as station, self.master(station, renegotiate_delay=0.1) as gate:
            peer = station.accept()
            self.exchange(gate, peer)
            with self.assertRaises((ssl.SSLError, EOFError)):
                while True:
                    peer.event()
            peer.close()
            gate.wait_log('lost: no renegotiation')
            station.accept().close()

    def test_renewal_with_another_certificate(self):
        weak = self.ca.issue('weaker', rsa=1024)
        after = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        after.set_ciphers('DEFAULT@SECLEVEL=0')
        after.load_cert_chain(*weak)
        context = server_context(*self.station, self.ca.cert, ssl.TLSVersion.TLSv1_2)
        context.set_ciphers('DEFAULT@SECLEVEL=0')
        with TlsStation(context) as station, self.master(
                station, renegotiate_delay=0.5, ca=self.ca.with_crl(), strict_mode=True) as gate:
            peer = station.accept()
            peer.sock.context = after  # what it shows from now on
            with self.assertRaises((ssl.SSLError, EOFError)):
                while True:
                    peer.event()
            peer.close()
            gate.wait_log("lost: the peer's certificate: EE certificate key too weak")

    def test_revocation_and_new_certificates_while_connected(self):
        ca = pki.Authority(self.dir, 'revoking')
        cert, key = ca.issue('doomed')
        lists = ca.with_crl()
        with TlsStation(server_context(cert, key)) as station, Gate(master_conf(
                station.port, security=pki.security(*self.control, ca=lists, strict_mode=True,
                                                    renegotiate_delay=0.2))) as gate:
            peer = station.accept()
            gate.wait('status', 'CONNECTED')
            with open(lists, 'a', encoding='ascii') as f:  # what cannot be used changes nothing
                f.truncate(10)
            gate.wait_log('the files that were read before stay in use')
            peer.send(asdu(1, 3, 1, [(5, b'\1')]))
            gate.wait('data/single/1/5')
            ca.revoke(cert)
            ca.with_crl()
            peer.expect_end()
            gate.wait_log('certificate revoked')
            peer.close()

    def slave(self, **security):
        port = free_port()
        return port, Gate(slave_conf(port, [
            {'data_type': 'SINGLE', 'asdu_address': 1, 'io_address': 1, 'buffer': None}],
            security=pki.security(*self.station, **{'ca': self.ca.cert, **security})))

    def connect(self, port, context):
        sock = socket.create_connection(('127.0.0.1', port), WAIT_S)
        return Peer(context.wrap_socket(sock))

    def test_slave(self):
        port, gate = self.slave()
        with gate:
            peer = self.connect(port, client_context(*self.control, self.ca.cert))
            peer.startdt()
            peer.send(asdu(100, 6, 1, [(0, b'\x14')]))
            peer.expect(100, 7)
            gate.server.wait(lambda: any(e.payload.data for e in gate.find('connections')))
            peer.close()

    def test_slave_renews_amid_data(self):
        quality = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            port, gate = self.slave(renegotiate_delay=0.02)
            with self.subTest(version), gate:
                peer = self.connect(port, client_context(*self.control, self.ca.cert, version))
                peer.startdt()
                end = time.monotonic() + 1
                sent = 0
                # This peer may write in a handshake only when nothing is under way to it.
                while time.monotonic() < end:
                    for n in range(8):
                        gate.system('data/single/1/1', {
                            'is_test': False, 'cause': 'SPONTANEOUS',
                            'data': {'value': 'OFF' if n % 2 else 'ON', 'quality': quality}})
                    for n in range(8):
                        self.assertEqual(peer.expect(1, 3).element[0], 1 - n % 2)
                    peer.acknowledge()
                    sent += 8
                self.assertGreater(sent, 20)
                self.renewals(gate, 5)
                peer.close()

    def test_a_frame_is_a_record(self):
        """Peers that poll the socket alone find one frame in a record, not several."""
        port, gate = self.slave()
        with gate:
            peer = self.connect(port, client_context(*self.control, self.ca.cert))
            peer.startdt()
            peer.send(asdu(100, 6, 1, [(0, b'\x14')]))
            for cause in (7, 10):
                record = peer.sock.recv(4096)  # never more than a record
                self.assertEqual((record[1] + 2, record[6], record[8]), (len(record), 100, cause))
            peer.close()

    def test_slave_refuses_masters_without_certificate(self):
        port, gate = self.slave()
        with gate:
            with self.assertRaises((ssl.SSLError, EOFError, OSError)):
                peer = self.connect(port, client_context())
                peer.startdt()
            gate.wait_log('peer did not return a certificate')
            self.assertFalse(any(e.payload.data for e in gate.find('connections')))

    def test_slave_and_plain_master(self):
        port, gate = self.slave()
        with gate:
            peer = Peer(socket.create_connection(('127.0.0.1', port), WAIT_S))
            peer.raw(u(STARTDT_ACT) * 4)
            gate.wait_log('TLS handshake: ')
            peer.close()

    @unittest.skipIf(UNDER_SANITIZERS, 'sanitizers keep freed memory')
    @unittest.skipUnless(os.geteuid() == 0, 'only root sees the memory of a process that is not dumpable')
    def test_connections_leave_nothing(self):
        def resident(gate):
            with open(f'/proc/{gate.runners()[0]}/smaps_rollup', encoding='ascii') as f:
                return next(int(line.split()[1]) for line in f if line.startswith('Pss_Anon'))

        port, gate = self.slave()
        with gate:
            context = client_context(*self.control, self.ca.cert)
            sizes = []
            for n in range(300):
                peer = self.connect(port, context)
                peer.startdt()
                peer.close()
                if n % 2:  # and some that break off
                    sock = socket.create_connection(('127.0.0.1', port), WAIT_S)
                    sock.sendall(b'\x16\x03\x01\x02')
                    sock.close()
                if n in (100, 299):
                    gate.server.wait(lambda: gate.find('connections')[-1].payload.data == [])
                    sizes.append(resident(gate))
            self.assertLess(sizes[1], sizes[0] + 200, sizes)
            fds = len(os.listdir(f'/proc/{gate.runners()[0]}/fd'))
            self.assertLess(fds, 20)

    def test_stalled_handshakes_cost_nobody_else(self):
        port, gate = self.slave()
        with gate:
            stalled = [socket.create_connection(('127.0.0.1', port), WAIT_S) for _ in range(20)]
            for sock in stalled[::2]:
                sock.sendall(b'\x16\x03\x01')
            peer = self.connect(port, client_context(*self.control, self.ca.cert))
            peer.startdt()
            for sock in stalled:
                sock.settimeout(15)
                self.assertEqual(sock.recv(100)[:0], b'')
                sock.close()
            gate.wait_log('no TLS handshake in time')
            peer.close()

    def test_bad_files_are_named(self):
        empty = os.path.join(self.dir, 'empty.pem')
        with open(empty, 'w', encoding='ascii'):
            pass
        for key, text in (('cert_path', 'cert_path: no usable certificate'),
                          ('key_path', 'key_path: no private key'), ('ca_path', 'ca_path: no certificate')):
            conf = {**pki.security(*self.control, ca=self.ca.cert), key: empty}
            with self.subTest(key), Gate(master_conf(1, security=conf)) as gate:
                gate.wait_log(text)
        conf = {**pki.security(*self.control, ca=self.ca.cert), 'key_path': self.dir + '/none'}
        with Gate(master_conf(1, security=conf)) as gate:
            gate.wait_log('none')


if __name__ == '__main__':
    unittest.main()
