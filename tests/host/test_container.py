"""The image of etc/container: its Containerfile is carried out line by line in a chroot, and what it says is run as a
container's runtime would run it: read-only, as its user, without a capability, behind the runtime's filter of system
calls, with a volume and a tmpfs, and without systemd. The base is this host, and the objects are those that are built;
with LONG=1 a Debian 12 of its own and nothing else."""

import json
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]

import container  # noqa: E402
import namespaces as ns  # noqa: E402
from gatewayd import BUILD, ROOT, WAIT_S, wait_until  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402

CONTAINERFILE = os.path.join(ROOT, "etc", "container", "Containerfile")
CACHE = os.path.join(ROOT, "build", "container")
LONG = "LONG" in os.environ
ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
OPERATORS = {"SCMP_CMP_NE": 1, "SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
# What the runtime must leave to us, besides what each program of Linux needs.
OURS = ("seccomp", "prctl", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "pidfd_open",
        "pidfd_send_signal", "waitid", "vfork", "execve", "execveat", "memfd_create", "close_range", "openat2", "socketpair",
        "setrlimit", "prlimit64", "setsid", "capset", "statfs", "timerfd_create", "signalfd4", "eventfd2", "clone3")


def overlays():
    script = 'mount -t tmpfs none "$0" && mkdir "$0/u" "$0/w" "$0/r" && mount -t overlay none -o "lowerdir=/,upperdir=$0/u,workdir=$0/w" "$0/r"'
    return ns.MOUNTS and os.geteuid() == 0 and subprocess.run(
        ["unshare", "-m", "sh", "-c", script, tempfile.gettempdir()], capture_output=True, check=False).returncode == 0


def profile():
    """The filter of system calls that Debian's podman has for a container, or None where it cannot be had."""
    path = os.path.join(CACHE, "seccomp.json")
    if not os.path.exists(path):
        with tempfile.TemporaryDirectory() as folder:
            script = "apt-get -q download golang-github-containers-common && dpkg-deb -x *.deb ."
            if subprocess.run(script, shell=True, cwd=folder, capture_output=True, check=False).returncode:
                return None
            os.makedirs(CACHE, exist_ok=True)
            shutil.copy(os.path.join(folder, "usr/share/containers/seccomp.json"), path)
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def calls(of):
    """Its rules for a container without capabilities: [errno or None, name, conditions] each."""
    arch = ARCHES.get(platform.machine(), platform.machine())
    for rule in of["syscalls"]:
        includes = rule.get("includes") or {}
        if includes.get("caps") or (includes.get("arches") and arch not in includes["arches"]):
            continue
        error = None if rule["action"] == "SCMP_ACT_ALLOW" else rule["errnoRet"]
        conditions = [[a["index"], OPERATORS[a["op"]], a["value"], a["valueTwo"]] for a in rule.get("args") or []]
        for name in rule["names"]:
            yield [error, name, conditions]


def debian(folder):
    """A Debian 12 for LONG=1, kept."""
    if not os.path.exists(os.path.join(folder, "usr/bin/apt-get")):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        r = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", folder], capture_output=True, text=True, check=False)
        if r.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise unittest.SkipTest("debootstrap: " + r.stdout[-300:])
    for name in ("resolv.conf", "apt/sources.list", "apt/sources.list.d", "apt/apt.conf.d"):
        source = os.path.join("/etc", name)
        if os.path.isdir(source):
            shutil.copytree(source, os.path.join(folder, "etc", name), dirs_exist_ok=True)
        elif os.path.exists(source):
            shutil.copy(source, os.path.join(folder, "etc", name))
    return folder


@unittest.skipIf("san" in os.path.basename(BUILD), "the image has programs that are not sanitized")
@unittest.skipUnless(overlays(), "this machine gives no overlay in a mount namespace")
class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if LONG and not shutil.which("debootstrap"):
            raise unittest.SkipTest("LONG=1 needs debootstrap")
        base = debian(os.path.join(CACHE, "bookworm")) if LONG else "/"
        cls.dir = tempfile.mkdtemp(prefix="gatewayd-container-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        files = container.context(ROOT, os.path.join(cls.dir, "context"))
        if not LONG:
            os.mkdir(os.path.join(cls.dir, "built"))
            files.append(shutil.copytree(BUILD, os.path.join(cls.dir, "built", "build"), symlinks=True, ignore=shutil.ignore_patterns(
                "tests", "container", "venv", "*.deb")))
        cls.build = container.Build(CONTAINERFILE, files, base, os.path.join(cls.dir, "layers"))
        cls.image = cls.build.stage
        shutil.rmtree(os.path.join(cls.dir, "context"))
        cls.profile = profile()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.user, self.group = self.ids()
        self.slave = Slave(device=Registers({7: 1234}))
        self.addCleanup(self.slave.stop)
        self.config = os.path.join(self.folder, "gatewayd.yaml")
        self.volume = os.path.join(self.folder, "volume")
        # A new volume gets what the image has at its place, and its owner.
        (place,) = self.image.volumes
        shutil.copytree(self.image.folder + "/upper" + place, self.volume)
        shutil.copystat(self.image.folder + "/upper" + place, self.volume)
        os.chown(self.volume, self.user, self.group)
        device = master_conf(self.slave.port, [(1, [register("temperature", 7)], {"enabled": True})])
        with open(self.config, "w", encoding="utf-8") as f:
            json.dump({"type": "gateway", "name": "gw", "devices": [
                {"module": "hat.gateway.devices.modbus.master", **device, "name": "plc1"}]}, f)
        os.chmod(self.config, 0o644)

    def ids(self):
        """The numbers of the image's user, by its own table."""
        with open(self.image.folder + "/upper/etc/passwd", encoding="utf-8") as f:
            row = next(fields for fields in map(lambda line: line.split(":"), f) if fields[0] == self.image.user)
        return int(row[2]), int(row[3])

    def run_image(self):
        settings = os.path.join(self.folder, "settings.json")
        with open(settings, "w", encoding="utf-8") as f:
            json.dump({"user": self.user, "group": self.group, "environment": self.image.environment,
                       "words": self.image.entrypoint + self.image.command,
                       "calls": list(calls(self.profile)) if self.profile else [],
                       "otherwise": self.profile and self.profile["defaultErrnoRet"]}, f)
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.image.in_root(container.RUN, self.volume, self.config, os.path.join(HERE, "contained.py"), settings),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.addCleanup(self.end)
        self.first = wait_until(self.started, "process 1", log=self.lines)
        wait_until(lambda: self.ctl("status").returncode == 0, "the control socket", log=self.lines)

    def started(self):
        if self.process.poll() is not None:
            raise AssertionError("\n".join(self.lines()))
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            pids = f.read().split()
        return pids and os.readlink(f"/proc/{pids[0]}/exe").endswith("/gatewayd") and int(pids[0])

    def lines(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()

    def end(self):
        self.process.kill()
        self.process.wait()

    def inside(self, *words):
        """As podman exec does."""
        return subprocess.run(["nsenter", "--mount", "--pid", "--root", "--wd=/", "-t", str(self.first), "env", "-i",
                               *[f"{k}={v}" for k, v in self.image.environment.items()], *words],
                              capture_output=True, text=True, timeout=3 * WAIT_S, check=False)

    def ctl(self, *words):
        return self.inside("gatewayctl", *words)

    def status_of(self, pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def works(self):
        r = self.ctl("wait", "plc1", "connected")
        self.assertEqual(r.returncode, 0, r.stderr + "\n".join(self.lines()))
        wait_until(lambda: "1234" in self.ctl("read", "plc1").stdout, "the value", log=self.lines)

    def stop(self):
        os.kill(self.first, signal.SIGTERM)
        self.assertEqual(self.process.wait(WAIT_S), 0, "\n".join(self.lines()))

    def test_it_runs_and_keeps(self):
        self.run_image()
        r = self.ctl("enable", "--wait", "plc1")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.works()
        self.is_locked()
        self.stop()
        self.assertEqual([line for line in self.lines() if re.search(r" (warning|error|critical) ", line)
                          and "this kernel has no Landlock" not in line], [])
        # The next container of the same volume knows what was enabled.
        self.run_image()
        self.works()
        self.stop()

    def is_locked(self):
        status = self.status_of(self.first)
        self.assertEqual([set(status[name]) for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")], [{"0"}] * 5)
        self.assertEqual((status["Uid"].split()[0], status["NoNewPrivs"]), (str(self.user), "1"))
        if self.profile:
            self.assertEqual(status["Seccomp"], "2")
        for path in ("/usr/bin/x", "/etc/x", "/var/x"):
            self.assertIn("Read-only", self.inside("touch", path).stderr)
        shown = json.loads(self.ctl("--json", "show", "plc1").stdout)[0]["sandbox"]
        self.assertEqual((shown["seccomp"], shown["no_new_privs"]), ("filter", True), shown)

    def test_the_image_is_small_and_has_no_tools(self):
        """The last stage alone is the image: no compiler, no sources, no lists of packages."""
        upper = self.image.folder + "/upper"
        for path in ("/src", "/usr/bin/gcc") if LONG else ("/src",):
            self.assertFalse(os.path.lexists(upper + path), path)
        self.assertEqual([n for n in os.listdir(upper + "/tmp") if n.endswith(".deb")], [])
        # What is gone from the base has a device in its place.
        self.assertEqual([e.name for e in os.scandir(upper + "/var/lib/apt/lists")
                          if not stat.S_ISCHR(e.stat(follow_symlinks=False).st_mode)], [])

    def test_what_the_manual_says(self):
        """The volume and the files in its commands are those of the image."""
        with open(os.path.join(ROOT, "man", "gatewayd.8"), encoding="utf-8") as f:
            text = f.read().split(".Sh CONTAINERS")[1].split(".Sh ")[0]
        for word in (*self.image.volumes, self.image.command[1], "--read-only", "--cap-drop all", "--tmpfs /run:mode=1777",
                     "-f etc/container/Containerfile", str(self.user)):
            self.assertIn(word, text)


class Profile(unittest.TestCase):
    def test_our_calls_are_allowed(self):
        of = profile()
        if not of:
            self.skipTest("no profile of podman: Debian's mirror is out of reach")
        rows = list(calls(of))
        whole = {name for error, name, conditions in rows if error is None and not conditions}
        with open(os.path.join(ROOT, "device-runners/runtime/filter/mkfilter.c"), encoding="utf-8") as f:
            plain = re.findall(r'^\t\t?"(\w+)",', f.read().split("\nallow_plain(")[0], re.M)
        self.assertGreater(len(plain), 50)
        narrow = re.compile("64$|32$|^_|time64")  # of machines of 32 bits
        self.assertEqual([name for name in (*OURS, *plain) if name not in whole and not narrow.search(name)], [])


class Wrong(unittest.TestCase):
    """A Containerfile that does not do what it says is a failure, at its line."""

    def build(self, text):
        folder = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "Containerfile")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        with self.assertRaises(container.Fault) as caught:
            container.Build(path, [], "/", os.path.join(folder, "layers"))
        return str(caught.exception)

    def test_lines(self):
        for text, said in (
                ("FROM debian:12\nRUN_ x\n", ":2: no instruction"),
                ("RUN x\n", ":1: no FROM"),
                ("FROM $BASE\n", ":1: no image"),
                ("FROM debian:12\nCOPY --from=build /x /\n", ":2: no such stage"),
                ("FROM debian:12 AS build\nFROM debian:12\n# why\nCOPY --from=build \\\n    /x /\n", ":4: nothing to copy"),
                ("FROM debian:12\nENTRYPOINT /usr/sbin/gatewayd\n", ":2: not a list"),
                ("FROM debian:12\nENV A\n", ":2: no value of A"),
                ("FROM debian:12\nRUN x \\\n", "line 2: it goes on")):
            self.assertIn(said, self.build(text))

    @unittest.skipUnless(overlays(), "this machine gives no overlay in a mount namespace")
    def test_a_command_that_fails(self):
        self.assertIn(":2: exit 3: ", self.build("FROM debian:12\nRUN exit 3\n"))


if __name__ == "__main__":
    unittest.main()
