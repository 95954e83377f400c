"""TLS of IEC 104 devices against OpenSSL's own s_server and s_client: versions, ciphers, purposes, names, keys,
revocation at each level of the chain, and what runs out while a session stands. One gateway has a device for each
row of the table; its log says how each handshake ended."""

import datetime
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import pki  # noqa: E402
from gatewayd import Gateway, wait_until  # noqa: E402
from iec104 import UNDER_SANITIZERS, master_conf, slave_conf  # noqa: E402
from patience import WAIT_S  # noqa: E402
from ports import free_ports  # noqa: E402

PASSES = None  # what is expected of the handshake: that it succeeds
WEAK = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
NO_CIPHER = "handshake failure|no shared cipher"
EC = ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384")
RSA = ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES128-GCM-SHA256",
       "DHE-RSA-AES256-GCM-SHA384", "AES128-SHA256")
REFUSED_CIPHERS = ("AES128-SHA", "AES256-SHA256", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA", "NULL-SHA256",
                   "ECDHE-RSA-CHACHA20-POLY1305", "ADH-AES128-GCM-SHA256", "DHE-RSA-AES256-SHA256")
# Below the 35 s after which a slave gives up a master that answers no test frame.
SOON_S = 15 if not UNDER_SANITIZERS else 25


def stamp(seconds):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.strftime("%Y%m%d%H%M%SZ")


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Row:
    """leaf: the peer's certificate and key. options: of the openssl program. security: of the device. expected: PASSES,
    or what the log says. later: what the log says once the session stands. warning: what it says of the files."""

    def __init__(self, leaf, expected, options=(), later=None, warning=None, **security):
        self.leaf, self.expected, self.options, self.security = leaf, expected, list(options), security
        self.later, self.warning = later, warning


@unittest.skipUnless(pki.available(), "the openssl program is not there")
class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="gatewayd-pki-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.root = pki.Authority(cls.dir, "root")
        cls.middle = pki.Authority(cls.dir, "middle", cls.root)
        cls.bad_middle = pki.Authority(cls.dir, "bad-middle", cls.root)
        cls.root.revoke(cls.bad_middle.cert)
        cls.own, cls.own_rsa = cls.root.issue("own"), cls.root.issue("own-rsa", rsa=2048)
        cls.ec, cls.rsa = cls.middle.issue("ec"), cls.middle.issue("rsa", rsa=2048)
        cls.revoked = cls.middle.issue("revoked")
        cls.middle.revoke(cls.revoked[0])
        cls.below = cls.bad_middle.issue("below")
        cls.direct, cls.direct_revoked = cls.root.issue("direct"), cls.root.issue("direct-revoked")
        cls.root.revoke(cls.direct_revoked[0])
        past = dict(start="20200101000000Z", end="20210101000000Z")
        cls.old = cls.middle.issue("old", **past)
        cls.lists = {"root": cls.root.crl(), "middle": cls.middle.crl(), "bad": cls.bad_middle.crl(),
                     "old-root": cls.root.crl("crl-old.pem", **past), "old-middle": cls.middle.crl("crl-old.pem", **past),
                     "future": cls.middle.crl("crl-future.pem", start="20900101000000Z", end="20910101000000Z")}
        imposter = pki.Authority(cls.dir, "imposter")
        imposter_folder = os.path.join(cls.dir, "other")
        os.mkdir(imposter_folder)
        cls.same_name = pki.Authority(imposter_folder, "middle")
        cls.lists["imposter"] = imposter.crl()
        cls.lists["same-name"] = cls.same_name.crl()

    def ca(self, *lists):
        """A file of the root and those revocation lists."""
        path = os.path.join(self.dir, "-".join(("ca", *lists)) + ".pem")
        with open(path, "w", encoding="ascii") as out:
            for part in (self.root.cert, *(self.lists[name] for name in lists)):
                with open(part, encoding="ascii") as f:
                    out.write(f.read())
        return path

    def rows_of_both(self):
        """What a peer may be, whichever side it is."""
        every = self.ca("root", "middle", "bad")
        strict = {"ca": every, "strict_mode": True}
        version = "unsupported protocol|alert protocol version|no protocols available|internal error"
        yield "tls1.1", Row(self.rsa, version, ["-tls1_1", *WEAK])
        yield "tls1.2", Row(self.ec, PASSES, ["-tls1_2"])
        yield "tls1.3", Row(self.ec, PASSES, ["-tls1_3"])
        for cipher in EC + RSA:
            yield cipher, Row(self.ec if cipher in EC else self.rsa, PASSES, ["-tls1_2", "-cipher", cipher])
        for cipher in REFUSED_CIPHERS:
            yield "refused-" + cipher, Row(self.rsa, NO_CIPHER, ["-tls1_2", "-cipher", cipher + ":@SECLEVEL=0"])
        yield "any-purpose", Row(self.middle.issue("both", usage="serverAuth,clientAuth"), PASSES)
        yield "expired", Row(self.old, "certificate has expired")
        yield "not-yet", Row(self.middle.issue("young", start="20900101000000Z", end="20910101000000Z"), "not yet valid")
        yield "short-key", Row(self.middle.issue("short", rsa=1024), "key too weak", WEAK)
        yield "sha1", Row(self.middle.issue("sha1", digest="sha1"), "digest algorithm too weak", WEAK)
        yield "unknown-authority", Row(self.same_name.issue("stranger"), "unable to get local issuer|signature failure"
                                       "|self.signed")
        # revocation: what is in the file, and whether it is enough
        yield "no-list", Row(self.ec, PASSES)
        yield "no-list-strict", Row(self.ec, "unable to get certificate CRL", strict_mode=True)
        yield "leaf-revoked", Row(self.revoked, "certificate revoked", ca=self.ca("middle"))
        yield "leaf-revoked-strict", Row(self.revoked, "certificate revoked", **strict)
        yield "leaf-revoked-unlisted", Row(self.revoked, PASSES, ca=self.ca("root"))
        yield "direct-revoked", Row(self.direct_revoked, "certificate revoked", ca=self.ca("root"))
        yield "direct-strict", Row(self.direct, PASSES, ca=self.ca("root"), strict_mode=True)
        yield "middle-revoked", Row(self.below, "certificate revoked", ca=self.ca("root"))
        yield "middle-revoked-strict", Row(self.below, "certificate revoked", **strict)
        yield "all-good", Row(self.ec, PASSES, ca=every)
        yield "all-good-strict", Row(self.ec, PASSES, **strict)
        yield "root-list-only-strict", Row(self.ec, "unable to get certificate CRL", ca=self.ca("root"), strict_mode=True)
        yield "leaf-list-only-strict", Row(self.ec, "unable to get certificate CRL", ca=self.ca("middle"),
                                           strict_mode=True)
        old = dict(warning="the revocation list of /CN=middle is not valid today")
        yield "old-list", Row(self.ec, PASSES, ca=self.ca("root", "old-middle"), **old)
        yield "old-list-strict", Row(self.ec, "CRL has expired", ca=self.ca("root", "old-middle"), strict_mode=True, **old)
        yield "old-list-revokes", Row(self.revoked, "certificate revoked", ca=self.ca("root", "old-middle"), **old)
        yield "old-root-list-revokes", Row(self.below, "certificate revoked", ca=self.ca("old-root"))
        yield "future-list", Row(self.ec, PASSES, ca=self.ca("root", "future"), **old)
        yield "future-list-strict", Row(self.ec, "CRL is not yet valid", ca=self.ca("root", "future"), strict_mode=True)
        yield "list-of-another", Row(self.ec, PASSES, ca=self.ca("imposter"))
        yield "list-of-another-strict", Row(self.ec, "unable to get certificate CRL", ca=self.ca("root", "imposter"),
                                            strict_mode=True)
        yield "forged-list", Row(self.ec, "CRL signature failure", ca=self.ca("root", "same-name"))

    def rows_that_run_out(self):
        every = self.ca("root", "middle")
        self.lists["brief"] = self.middle.crl("crl-brief.pem", start=stamp(-60), end=stamp(SOON_S))
        more = dict(strict_mode=True, renegotiate_delay=0.5)
        yield "expires", Row(self.middle.issue("brief", start=stamp(-60), end=stamp(SOON_S)), PASSES, ["-tls1_3"],
                             later="certificate has expired", ca=every, **more)
        yield "list-expires", Row(self.ec, PASSES, ["-tls1_3"], later="CRL has expired", ca=self.ca("root", "brief"),
                                  **more)

    def rows_of_stations(self):
        yield from self.rows_of_both()
        yield "purpose", Row(self.middle.issue("server", usage="serverAuth"), PASSES)
        yield "wrong-purpose", Row(self.middle.issue("client", usage="clientAuth"), "certificate purpose")
        yield "name-of-address", Row(self.ec, PASSES, verify_host=True)
        other = self.middle.issue("elsewhere", host="DNS:elsewhere.example,IP:127.0.0.9")
        yield "wrong-name", Row(other, "IP address mismatch", verify_host=True)
        yield "wrong-name-strict", Row(other, "IP address mismatch", verify_host=True, strict_mode=True,
                                       ca=self.ca("root", "middle"))
        yield "any-name", Row(other, PASSES, verify_host=False)

    def rows_of_masters(self):
        yield from self.rows_of_both()
        yield "purpose", Row(self.middle.issue("client2", usage="clientAuth"), PASSES)
        yield "wrong-purpose", Row(self.middle.issue("server2", usage="serverAuth"), "certificate purpose")
        yield "no-certificate", Row(None, "peer did not return a certificate")

    def security(self, row):
        own = self.own_rsa if row.leaf is self.rsa else self.own
        return pki.security(*own, **{"ca": self.root.cert, **row.security})

    def gateway(self, devices):
        g = Gateway({"devices": devices, **UNDER_SANITIZERS})
        self.addCleanup(g.close)
        g.wait_connected()
        g.enable(*[d["name"] for d in devices])
        return g

    def start(self, command, row, port):
        leaf = []
        if row.leaf:
            leaf = ["-cert", row.leaf[0], "-key", row.leaf[1]]
            chain = self.bad_middle if row.leaf is self.below else self.middle
            leaf += ["-cert_chain", chain.cert]
        p = subprocess.Popen(["openssl", *command, f"127.0.0.1:{port}", *leaf, *row.options],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (p.kill(), p.wait(), p.stdin.close(), p.stdout.close()))
        return p

    def said(self, g, name, text):
        said = re.compile(rf"\b{re.escape(name)}\b.*({text})")
        return any(said.search(line) for line in g.log())

    def judge(self, g, rows):
        for name, row in rows:
            with self.subTest(name):
                wait_until(lambda: self.said(g, name, row.expected or "peer /CN="), row.expected or "handshake",
                           2 * WAIT_S, lambda: [x for x in g.log() if name in x])
                if row.expected:
                    self.assertFalse(self.said(g, name, "peer /CN="))
                if row.warning:
                    self.assertTrue(self.said(g, name, row.warning))
                if row.later:
                    wait_until(lambda: self.said(g, name, row.later), row.later, SOON_S + WAIT_S)

    def against_s_server(self, rows):
        rows = [(f"m-{n}-{name}", row) for n, (name, row) in enumerate(rows)]
        ports = free_ports(len(rows))
        for (_, row), port in zip(rows, ports):
            p = self.start(["s_server", "-naccept", "1000", "-accept"], row, port)
            while b"ACCEPT" not in (line := p.stdout.readline()):
                self.assertTrue(line, row.options)
        g = self.gateway([master_conf(port, security=self.security(row), **{"name": name})
                          for (name, row), port in zip(rows, ports)])
        self.judge(g, rows)

    def against_s_client(self, rows):
        rows = [(f"s-{n}-{name}", row) for n, (name, row) in enumerate(rows)]
        ports = free_ports(len(rows))
        g = self.gateway([slave_conf(port, security=self.security(row), **{"name": name})
                          for (name, row), port in zip(rows, ports)])
        for (name, row), port in zip(rows, ports):
            wait_until(lambda: listens(port), f"{name} listens", log=g.log)
            self.start(["s_client", "-connect"], row, port)
        self.judge(g, rows)

    def test_masters_and_s_server(self):
        self.against_s_server(self.rows_of_stations())

    def test_slaves_and_s_client(self):
        self.against_s_client(self.rows_of_masters())

    def test_what_runs_out_while_a_master_is_connected(self):
        self.against_s_server(self.rows_that_run_out())

    def test_what_runs_out_while_a_slave_is_connected(self):
        self.against_s_client(self.rows_that_run_out())


if __name__ == "__main__":
    unittest.main()
