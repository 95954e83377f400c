"""Older kernels: gatewayd runs what it can, and says once at its start what the kernel lacks. Other C libraries and
OpenSSL 1.1: make says so in one sentence, before it compiles anything."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]

import old_kernel  # noqa: E402
import test_gatewayd  # noqa: E402
from gatewayd import BUILD, ROOT, Gateway  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402

LANDLOCK, OPENAT2, CLOSE_RANGE = "no Landlock", "no openat2", "no close_range"
KERNELS = {
    "5.4": {OPENAT2, CLOSE_RANGE, LANDLOCK},
    "5.6": {CLOSE_RANGE, LANDLOCK},
    "5.8": {CLOSE_RANGE, LANDLOCK},
    "5.9": {LANDLOCK},
    "5.10": {LANDLOCK},
    "5.13": set(),
}
LACKS = re.compile("this kernel (has no|does not|cannot) .*")


def on_kernel(version):
    return [sys.executable, os.path.join(ROOT, "tests", "lib", "old_kernel.py"), version]


@unittest.skipIf("san" in os.path.basename(BUILD), "a sanitized program is not locked")
class Kernels(unittest.TestCase):
    def gateway(self, version, conf):
        g = Gateway(conf, wrap=on_kernel(version), start=False)
        self.addCleanup(g.close)
        return g

    def test_it_runs_and_says_what_lacks(self):
        slave = Slave(device=Registers({7: 1234}))
        self.addCleanup(slave.stop)
        conf = {"module": "hat.gateway.devices.modbus.master", **master_conf(slave.port, [(1, [register("temperature", 7)], {"enabled": True})])}
        for version, lacks in KERNELS.items():
            with self.subTest(version):
                g = self.gateway(version, {"devices": [{**conf, "name": "plc1", "enabled": True}]})
                g.start()
                self.assertEqual(self.said(g), {name: 1 for name in self.real(lacks)}, "\n".join(g.log()))
                g.ctl.text("enable", "--wait", "plc1")
                self.runs(g)
                first = g.status("plc1")["pid"]
                os.kill(first, signal.SIGKILL)
                g.wait(lambda: g.status("plc1")["pid"] not in (None, first), "another runner")
                self.runs(g)
                self.assertEqual(g.stop(), 0)
                self.assertEqual(len([line for line in g.log() if LACKS.search(line)]), len(self.real(lacks)))

    def real(self, lacks):
        """With what the kernel below lacks itself."""
        return lacks if test_gatewayd.LANDLOCK else lacks | {LANDLOCK}

    def said(self, g):
        lines = [line for line in g.log() if LACKS.search(line)]
        return {name: sum(name in line for line in lines)
                for name in (OPENAT2, CLOSE_RANGE, LANDLOCK) if any(name in line for line in lines)}

    def runs(self, g):
        g.ctl.text("wait", "plc1", "connected")
        g.wait(lambda: "1234" in g.ctl.text("read", "plc1"), "the value")
        sandbox = g.ctl("show", "plc1")[0]["sandbox"]
        self.assertEqual((sandbox["seccomp"], sandbox["no_new_privs"]), ("filter", True), sandbox)

    def test_before_5_4_it_refuses(self):
        g = self.gateway("5.3", {"devices": []})
        g.start(wait=False)
        self.assertEqual(g.process.wait(30), 1)
        g.wait_log("this kernel cannot wait for a process by a pidfd (Linux 5.4): gatewayd does not run on it")

    def test_the_table_of_calls(self):
        """No call stands in two versions, and none between the first and the last is left out."""
        numbers = sorted(n for calls in old_kernel.CAME.values() for n in calls)
        self.assertEqual(numbers, list(range(424, old_kernel.LAST + 1)))


class Systems(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def make(self, **variables):
        """What make says, in a build folder of its own: there it would compile everything."""
        words = [f"{key}={value}" for key, value in {"B": os.path.join(self.dir, "build"), **variables}.items()]
        return subprocess.run(["make", "-C", ROOT, *words, "all"], capture_output=True, text=True, timeout=60, check=False)

    def program(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="ascii") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def refused(self, sentence, **variables):
        r = self.make(**variables)
        self.assertEqual(r.returncode, 2)
        self.assertRegex(r.stderr, rf"^Makefile:\d+: \*\*\* [^\n]*{sentence}[^\n]*\.  Stop\.\n$")
        self.assertNotRegex(r.stdout, r"\b(cc|link) ")
        self.assertEqual(os.path.exists(os.path.join(self.dir, "build")), False)

    @unittest.skipUnless(shutil.which("musl-gcc"), "musl-tools is not installed")
    def test_musl(self):
        self.refused("musl is not supported", CC="musl-gcc")

    def test_an_older_c_library(self):
        cc = self.program("cc", 'case $* in *-E*) echo "#define __GLIBC__ 2"; echo "#define __GLIBC_MINOR__ 31";; *) exec cc "$@";; esac\n')
        self.refused("the GNU C library of '[^']*' is 2.31: gatewayd needs 2.36", CC=cc)

    def test_an_older_openssl(self):
        config = self.program("pkg-config", 'case $* in *--modversion*) echo 1.1.1n;; *--atleast*) exit 1;; *) exit 0;; esac\n')
        self.refused("OpenSSL is 1.1.1n: gatewayd needs 3.0", PKG_CONFIG=config)

    def test_what_is_not_installed_yet_is_no_reason(self):
        """The first command of a bare machine installs it."""
        for missing in ({"CC": "no-such-compiler"}, {"PKG_CONFIG": "no-such-pkg-config"}):
            r = subprocess.run([os.path.join(ROOT, "etc", "unsupported")], capture_output=True, text=True, check=False,
                               env={**os.environ, "CC": "cc", "PKG_CONFIG": "pkg-config", **missing})
            self.assertEqual((r.returncode, r.stdout), (0, ""))


if __name__ == "__main__":
    unittest.main()
