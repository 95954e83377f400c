"""Certificates for tests, made by the openssl program: an authority, stations, revocation lists."""

import os
import shutil
import subprocess


def available():
    return shutil.which('openssl') is not None


class Authority:
    """An authority in a folder of its own, by its own word or that of a parent; issue() gives paths of a certificate
    and its key."""

    def __init__(self, folder, name='authority', parent=None):
        self.folder = os.path.join(folder, name)
        os.mkdir(self.folder)
        self.cert, self.key = self._path('ca.pem'), self._path('ca.key')
        key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={name}',
               '-keyout', self.key]
        if parent:
            self._run('req', *key, '-out', self._path('ca.csr'), '-addext', 'basicConstraints=critical,CA:TRUE',
                      '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
            self._run('ca', '-batch', '-config', parent._path('ca.cnf'), '-in', self._path('ca.csr'),
                      '-out', self.cert, '-notext', '-days', '30')
        else:
            self._run('req', '-x509', *key, '-days', '30', '-out', self.cert)
        with open(self._path('index.txt'), 'w', encoding='ascii'):
            pass
        with open(self._path('ca.cnf'), 'w', encoding='ascii') as f:
            f.write('[ca]\ndefault_ca=d\n[d]\n'
                    f'database={self._path("index.txt")}\nserial={self._path("serial")}\n'
                    f'new_certs_dir={self.folder}\ncertificate={self.cert}\nprivate_key={self.key}\n'
                    'default_md=sha256\npolicy=p\ndefault_crl_days=30\ncopy_extensions=copy\n'
                    'unique_subject=no\n[p]\ncommonName=supplied\n')
        with open(self._path('serial'), 'w', encoding='ascii') as f:
            f.write('1000\n')

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _run(self, *args):
        subprocess.run(['openssl', *args], check=True, capture_output=True)

    def issue(self, name, host='IP:127.0.0.1', start=None, end=None, rsa=None, usage=None,
              digest='sha256'):
        cert, key, req = self._path(name + '.pem'), self._path(name + '.key'), self._path(name + '.csr')
        kind = ['rsa:%d' % rsa] if rsa else ['ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
        self._run('req', '-newkey', *kind, '-nodes', '-subj', f'/CN={name}', '-keyout', key,
                  '-out', req, '-addext', f'subjectAltName={host}',
                  *(['-addext', f'extendedKeyUsage={usage}'] if usage else []))
        when = ['-startdate', start, '-enddate', end] if start else ['-days', '30']
        self._run('ca', '-batch', '-config', self._path('ca.cnf'), '-in', req, '-out', cert, '-notext', '-md', digest, *when)
        return cert, key

    def revoke(self, cert):
        self._run('ca', '-config', self._path('ca.cnf'), '-revoke', cert)

    def crl(self, name='crl.pem', start=None, end=None):
        """The path of its current revocation list."""
        path = self._path(name)
        when = ['-crl_lastupdate', start, '-crl_nextupdate', end] if start else []
        self._run('ca', '-config', self._path('ca.cnf'), '-gencrl', '-out', path, *when)
        return path

    def with_crl(self):
        """A file of the authority's certificate and its current revocation list."""
        crl, both = self.crl(), self._path('both.pem')
        with open(both, 'w', encoding='ascii') as out:
            for path in (self.cert, crl):
                with open(path, encoding='ascii') as f:
                    out.write(f.read())
        return both


def security(cert, key, ca=None, verify=True, **more):
    return {'cert_path': cert, 'key_path': key, 'verify_cert': verify, 'ca_path': ca, **more}
