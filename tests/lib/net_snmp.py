"""net-snmp for tests: an agent of its own configuration, and its senders of traps and informs."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import snmp
from patience import WAIT_S

AUTHS = {'MD5': 'MD5', 'SHA': 'SHA', 'SHA224': 'SHA-224', 'SHA256': 'SHA-256', 'SHA384': 'SHA-384',
         'SHA512': 'SHA-512'}
PRIVS = {'DES': 'DES', 'AES': 'AES', 'AES192': 'AES-192', 'AES256': 'AES-256'}
AUTH_PASSWORD, PRIV_PASSWORD = 'authpassword', 'privpassword'


def pairs():
    """Every (authentication, privacy) that net-snmp 5.9 has, by the names of our configuration; None: without."""
    yield None, None
    for auth in AUTHS:
        for priv in [None, *PRIVS]:
            yield auth, priv


def user_name(auth, priv):
    return f'u-{auth or "none"}-{priv or "none"}'


def user_conf(auth, priv):
    """The keys of a user in our configuration, without its name."""
    return {'authentication': auth and {'type': auth, 'password': AUTH_PASSWORD},
            'privacy': priv and {'type': priv, 'password': PRIV_PASSWORD}}


def user_options(auth, priv):
    """Options of net-snmp's programs."""
    level = 'authPriv' if priv else 'authNoPriv' if auth else 'noAuthNoPriv'
    return ['-v3', '-l', level, '-u', user_name(auth, priv),
            *(['-a', AUTHS[auth], '-A', AUTH_PASSWORD] if auth else []),
            *(['-x', PRIVS[priv], '-X', PRIV_PASSWORD] if priv else [])]


def unprivileged(command):
    return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', *command] if os.geteuid() == 0 else command


class Snmpd:
    """Runs unprivileged on a port of the loopback; community public reads, private writes."""

    def __init__(self):
        if not shutil.which('snmpd', path=os.environ['PATH'] + ':/usr/sbin'):
            raise unittest.SkipTest('snmpd is not installed')
        self.folder = tempfile.mkdtemp(prefix='gatewayd-snmpd-')
        with snmp.bound() as s:
            self.port = s.getsockname()[1]
        lines = ['rocommunity public', 'rwcommunity private', 'sysDescr a test', 'sysServices 72']
        for auth, priv in pairs():
            name = user_name(auth, priv)
            if auth:
                keys = f'{AUTHS[auth]} "{AUTH_PASSWORD}"' + (f' {PRIVS[priv]} "{PRIV_PASSWORD}"' if priv else '')
            lines.append(f'createUser {name} {keys if auth else ""}')
            lines.append(f'rwuser {name} {"priv" if priv else "auth" if auth else "noauth"}')
        self.conf = os.path.join(self.folder, 'snmpd.conf')
        with open(self.conf, 'w', encoding='utf-8') as f:
            f.write('\n'.join(lines) + '\n')
        os.chmod(self.conf, 0o644)
        os.chmod(self.folder, 0o755)
        self.state = os.path.join(self.folder, 'state')
        os.mkdir(self.state)
        if os.geteuid() == 0:
            os.chown(self.state, 65534, 65534)
        self.start()

    def start(self):
        env = {**os.environ, 'SNMP_PERSISTENT_DIR': self.state, 'PATH': os.environ['PATH'] + ':/usr/sbin'}
        self.log = open(os.path.join(self.folder, 'log'), 'ab')
        self.process = subprocess.Popen(
            unprivileged(['snmpd', '-f', '-Lo', '-C', '-c', self.conf, '-p', os.path.join(self.state, 'pid'),
                          f'udp:127.0.0.1:{self.port}']),
            env=env, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.state)
        deadline = time.monotonic() + WAIT_S
        with snmp.bound() as s:
            s.settimeout(0.1)
            ask = snmp.v12(snmp.V2C, snmp.pdu(snmp.GET, 1, [snmp.binding(snmp.UPTIME, snmp.tlv(snmp.NULL))]))
            while time.monotonic() < deadline:
                s.sendto(ask, ('127.0.0.1', self.port))
                try:
                    s.recv(1000)
                    return
                except socket.timeout:
                    assert self.process.poll() is None, 'snmpd ended'
        raise AssertionError('snmpd does not answer')

    def end(self):
        self.process.terminate()
        self.process.wait(WAIT_S)
        self.log.close()

    def stop(self):
        if self.process.poll() is None:
            self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(program, *args):
    """One of net-snmp's programs, without anybody's configuration; its output."""
    with tempfile.TemporaryDirectory(prefix='gatewayd-snmp-') as state:
        env = {**os.environ, 'SNMP_PERSISTENT_DIR': state, 'SNMPCONFPATH': state, 'MIBS': '', 'HOME': state}
        r = subprocess.run([program, *args], env=env, capture_output=True, text=True, timeout=2 * WAIT_S)
    if r.returncode:
        raise AssertionError(f'{program} {args}: {r.returncode}: {r.stderr}')
    return r.stdout
