"""Each kind of file that is read, executed or used with authority, with each fault of owner and mode: refused where a
stranger can change it; a warning where it is a secret and a stranger can read it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import pki  # noqa: E402
from gatewayd import BUILD, WAIT_S, program  # noqa: E402

STRANGER = 4711
REFUSED = "other users can (write to|change)|belongs to user id 4711"

# How a stranger can change it: PATH stands in FOLDER, and LINK leads to PATH.
CHANGES = {
    "anybody may write": lambda path, folder, link: os.chmod(path, 0o777 if os.path.isdir(path) else 0o646),
    "a group may write": lambda path, folder, link: (os.chown(path, -1, STRANGER), os.chmod(path, 0o770)),
    "it is a stranger's": lambda path, folder, link: os.chown(path, STRANGER, -1),
    "anybody may write to its folder": lambda path, folder, link: os.chmod(folder, 0o777),
    "its folder is a stranger's": lambda path, folder, link: os.chown(folder, STRANGER, -1),
    "a link of an open folder leads there": lambda path, folder, link: os.chmod(os.path.dirname(link), 0o777),
}
READS = {
    "anybody may read": lambda path: os.chmod(path, 0o604),
    "a group may read": lambda path: (os.chown(path, -1, STRANGER), os.chmod(path, 0o640)),
}


class Site:
    """A file or folder of one kind in folders of its own, and how gatewayd comes to use it."""

    def __init__(self, base):
        self.dir = tempfile.mkdtemp(dir=base)
        os.chmod(self.dir, 0o755)
        self.folder, self.links = os.path.join(self.dir, "folder"), os.path.join(self.dir, "links")
        os.mkdir(self.folder, 0o755)
        os.mkdir(self.links, 0o755)
        self.path, self.link = os.path.join(self.folder, "it"), os.path.join(self.links, "it")
        os.symlink("../folder/it", self.link)
        self.config = os.path.join(self.dir, "site.yaml")

    def write(self, text="", mode=0o600):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path, mode)

    def configure(self, path=None, **more):
        with open(path or self.config, "w", encoding="utf-8") as f:
            json.dump({"type": "gateway", "name": "gw", "devices": [], **more}, f)
        os.chmod(path or self.config, 0o600)

    def run(self, *args, config=None, env=()):
        return subprocess.run([program("gatewayd"), "--config", config or self.config, *args], capture_output=True, text=True,
                              env={**os.environ, **dict(env)}, timeout=WAIT_S)

    def run_until(self, text, env):
        """A gateway that goes on: until it says so."""
        p = subprocess.Popen([program("gatewayd"), "--config", self.config], stderr=subprocess.PIPE, text=True,
                             env={**os.environ, **env})
        late = threading.Timer(WAIT_S, p.kill)
        late.start()
        said = ""
        with p:
            for line in p.stderr:
                said += line
                if re.search(text, line):
                    break
            p.terminate()
            p.stderr.read()
        late.cancel()
        return subprocess.CompletedProcess(p.args, 1, "", said)


class Kinds:
    """Each makes the file at s.path, and returns a function that has gatewayd use it by a path."""

    certificates = None

    @staticmethod
    def configuration(s):
        s.configure(s.path)
        return lambda path: s.run("--check", config=path)

    @staticmethod
    def configuration_with_a_token(s):
        server = {"eventer_server": {"host": "127.0.0.1", "port": 1, "token": "a secret token"}}
        s.configure(s.path, event_server=server)
        return lambda path: s.run("--check", config=path)

    @staticmethod
    def token(s):
        s.write("a token that is a secret\n")

        def use(path):
            s.configure(event_server={"built_in": {"listen": {"host": "127.0.0.1", "port": 1, "token_file": path}}})
            return s.run("--check")
        return use

    @staticmethod
    def _tls(s, key):
        def use(path):
            security = {"cert_path": Kinds.certificates[0], "key_path": Kinds.certificates[1], "verify_cert": True,
                        "ca_path": Kinds.certificates[2], "strict_mode": False, "renegotiate_delay": None, **{key: path}}
            s.configure(devices=[{
                "module": "hat.gateway.devices.iec104.master", "name": "m", "remote_addresses": [
                    {"host": "127.0.0.1", "port": 1}], "response_timeout": 15, "supervisory_timeout": 10, "test_timeout": 20,
                "send_window_size": 12, "receive_window_size": 8, "reconnect_delay": 1, "time_sync_delay": None,
                "security": security}])
            return s.run("--check")
        return use

    @staticmethod
    def certificate(s):
        shutil.copy(Kinds.certificates[0], s.path)
        return Kinds._tls(s, "cert_path")

    @staticmethod
    def key(s):
        shutil.copy(Kinds.certificates[1], s.path)
        os.chmod(s.path, 0o600)
        return Kinds._tls(s, "key_path")

    @staticmethod
    def authorities(s):
        shutil.copy(Kinds.certificates[2], s.path)
        return Kinds._tls(s, "ca_path")

    @staticmethod
    def runner(s):
        shutil.copy(os.path.join(BUILD, "tests/lib/probe-runner"), s.path)

        def use(path):
            s.configure(devices=[{"name": "a", "type": "probe", "runner": path}])
            return s.run("--check")
        return use

    @staticmethod
    def own_runner(s):
        """The folder is the one of programs."""
        shutil.copy(os.path.join(BUILD, "libexec/icmp"), s.path)
        os.rename(s.path, os.path.join(s.folder, "icmp"))
        s.path = os.path.join(s.folder, "icmp")
        os.symlink("../folder", os.path.join(s.links, "programs"))
        s.link = os.path.join(s.links, "programs", "icmp")

        def use(path):
            s.configure(devices=[{"module": "hat.gateway.devices.ping", "name": "p", "remote_devices": []}])
            return s.run("--check", "--libexec", os.path.dirname(path))
        return use

    @staticmethod
    def runtime_folder(s):
        os.mkdir(s.path, 0o700)
        s.configure()
        return lambda path: s.run(env={"RUNTIME_DIRECTORY": path, "STATE_DIRECTORY": s.dir})

    @staticmethod
    def state_folder(s):
        os.mkdir(s.path, 0o700)
        s.configure()
        return lambda path: s.run_until(REFUSED, {"RUNTIME_DIRECTORY": s.dir, "STATE_DIRECTORY": path})

    @staticmethod
    def programs_folder(s):
        os.mkdir(s.path, 0o755)
        s.configure()
        env = {"RUNTIME_DIRECTORY": s.dir, "STATE_DIRECTORY": s.dir}
        return lambda path: s.run("--libexec", path, env=env)


SECRETS = ("configuration_with_a_token", "token", "key")
FOLDERS = ("runtime_folder", "state_folder", "programs_folder")
ALL = tuple(name for name in vars(Kinds) if not name.startswith("_") and name != "certificates")


@unittest.skipUnless(os.geteuid() == 0, "gives files to other users")
class Trust(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = tempfile.mkdtemp(prefix="trust-")
        cls.addClassCleanup(shutil.rmtree, cls.base)
        os.chmod(cls.base, 0o755)
        authority = pki.Authority(cls.base)
        Kinds.certificates = (*authority.issue("station"), authority.cert)

    def site(self, kind):
        s = Site(self.base)
        return s, getattr(Kinds, kind)(s)

    def test_what_a_stranger_can_change_is_refused(self):
        for kind in ALL:
            for change, make in CHANGES.items():
                s, use = self.site(kind)
                make(s.path, s.folder, s.link)
                r = use(s.link if "link" in change else s.path)
                with self.subTest(kind=kind, change=change):
                    self.assertNotEqual(r.returncode, 0)
                    self.assertRegex(r.stderr, REFUSED)

    def test_what_nobody_else_can_change_is_used(self):
        for kind in ALL:
            if kind in FOLDERS:  # a gateway that starts: other tests have many
                continue
            s, use = self.site(kind)
            for path in (s.path, s.link):
                r = use(path)
                with self.subTest(kind=kind, path=path):
                    self.assertEqual((r.returncode, r.stderr), (0, ""))

    def test_a_secret_that_others_can_read_is_warned_of(self):
        for kind in SECRETS:
            for read, make in READS.items():
                s, use = self.site(kind)
                make(s.path)
                r = use(s.path)
                with self.subTest(kind=kind, read=read):
                    self.assertEqual(r.returncode, 0, r.stderr)
                    self.assertRegex(r.stderr, f"warning.*other users can read {s.path} ")

    def test_what_is_no_secret_may_be_read(self):
        for kind in set(ALL) - set(SECRETS) - set(FOLDERS):
            s, use = self.site(kind)
            os.chmod(s.path, 0o755)
            r = use(s.path)
            with self.subTest(kind=kind):
                self.assertEqual((r.returncode, r.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
