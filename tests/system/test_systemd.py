"""The unit file as people use it: a systemd as process 1 starts, watches, reloads and stops the installed
gateway. Slow by nature: the watchdog waits 15 s."""

import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import pki  # noqa: E402
from gatewayd import BUILD, ROOT, wait_until  # noqa: E402
from systemd_box import Box  # noqa: E402

CONFIG = "/etc/gatewayd/gatewayd.yaml"
DEADLINE_S = 30
with open(os.path.join(ROOT, "etc", "samples", "minimal.yaml"), encoding="utf-8") as sample:
    SAMPLE = sample.read()
with open(os.path.join(ROOT, "etc", "samples", "hat-gateway-0.6-full.yaml"), encoding="utf-8") as sample:
    EVERY_KIND = sample.read()
# Serial ports as Debian has them; nobody is at their other ends.
SERIAL_PORTS = """
import grp, os, pty, signal, tty
for i in range(3):
    leader, follower = pty.openpty()
    tty.setraw(follower)
    os.chown(os.ttyname(follower), 0, grp.getgrnam("dialout").gr_gid)
    os.chmod(os.ttyname(follower), 0o660)
    os.symlink(os.ttyname(follower), f"/dev/ttyS{i}")
os.close(os.open("/run/ports", os.O_CREAT))
signal.pause()
"""
WITH_MONITOR = SAMPLE + """
event_server:
    monitor_component: {host: 127.0.0.1, port: 9, gateway_group: gateway, event_server_group: event}
"""


@unittest.skipIf("san" in os.path.basename(BUILD), "sanitizers need more than the unit file allows")
class Service(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        layer = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, layer)
        os.chmod(layer, 0o755)
        subprocess.run(["make", "-s", "install", f"DESTDIR={layer}", "PREFIX=/usr"], cwd=ROOT, check=True,
                       capture_output=True)
        shutil.copy(os.path.join(BUILD, "tests", "lib", "modbus-sim"), os.path.join(layer, "usr", "sbin"))
        try:
            cls.box = Box(layer)
        except OSError as e:
            raise unittest.SkipTest(str(e)) from e
        cls.addClassCleanup(cls.box.close)
        cls.tell("systemd-sysusers")
        cls.tell("systemd-run", "-q", "--unit=sim", "modbus-sim", "--host", "127.0.0.1", "--port", "502", "--unit",
                 "0")
        cls.box.write(CONFIG, SAMPLE)
        cls.tell("systemctl", "start", "gatewayd")
        cls.tell("gatewayctl", "enable", "plc1", "--wait")
        cls.tell("gatewayctl", "send", "plc1", "remote_device/1/enable", "true")

    @classmethod
    def tell(cls, *command):
        r = cls.box.run(*command)
        assert r.returncode == 0, (command, r.stdout, r.stderr)
        return r.stdout

    def setUp(self):
        self.box.write(CONFIG, SAMPLE)
        self.tell("systemctl", "restart", "gatewayd")
        self.wait_polls()

    def show(self, key):
        return self.tell("systemctl", "show", "-p", key, "--value", "gatewayd").strip()

    def device(self):
        r = self.box.run("gatewayctl", "--json", "status")
        return json.loads(r.stdout)[0] if r.returncode == 0 else None

    def wait_polls(self, pid=None):
        """The device is connected, in another runner than pid."""
        def polls():
            d = self.device()
            return d and d["state"] == "running" and d["link"] == "connected" and d["pid"] != pid and d
        return wait_until(polls, "plc1 polls", DEADLINE_S)

    def wait_logged(self, text):
        def lines():
            out = self.tell("journalctl", "-u", "gatewayd", "-o", "cat", "--no-pager")
            return text in out
        wait_until(lines, text, DEADLINE_S)

    def test_the_view_over_http(self):
        """gateway-web: off at first, then by its socket, confined, in the role observe."""
        self.assertNotEqual(self.box.run("systemctl", "is-active", "gateway-web.socket").returncode, 0)
        self.box.write(CONFIG, SAMPLE + "\ncontrol: {observe_group: gateway-web}\n")
        self.tell("systemctl", "restart", "gatewayd")
        self.wait_polls()
        self.tell("systemctl", "start", "gateway-web.socket")
        fetch = ("import urllib.request as u, sys; "
                 "sys.stdout.write(u.urlopen('http://127.0.0.1:9404' + sys.argv[1]).read().decode())")
        self.assertEqual(json.loads(self.tell("python3", "-c", fetch, "/healthz")), {"status": "ok"})
        self.assertIn('gatewayd_remote_up{device="plc1"', self.tell("python3", "-c", fetch, "/metrics"))
        self.assertIn("<title>", self.tell("python3", "-c", fetch, "/"))
        pid = self.tell("systemctl", "show", "-p", "MainPID", "--value", "gateway-web").strip()
        status = self.tell("cat", f"/proc/{pid}/status")
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("Seccomp:\t2", status)
        self.assertEqual(self.tell("id", "-u", "gateway-web").strip(), status.split("Uid:\t")[1].split()[0])
        out = self.tell("systemd-analyze", "security", "--no-pager", "gateway-web")
        self.assertLessEqual(float(re.search(r"exposure level for gateway-web.service: ([\d.]+)", out)[1]), 1.2)
        as_web = ("setpriv", "--reuid=gateway-web", "--regid=gateway-web", "--clear-groups", "gatewayctl", "--socket")
        self.assertEqual(self.box.run(*as_web, "/run/gatewayd/observe", "status").returncode, 0)
        r = self.box.run(*as_web, "/run/gatewayd/observe", "restart", "plc1")
        self.assertIn("may look and not do", r.stderr)
        self.assertEqual(self.box.run(*as_web, "/run/gatewayd/control", "status").returncode, 3)
        self.tell("systemctl", "stop", "gateway-web.socket", "gateway-web")
        self.through_a_proxy()

    def through_a_proxy(self):
        """gateway-web on a Unix socket, and systemd-socket-proxyd before it with the units of gateway-web(8)."""
        with open(os.path.join(ROOT, "man", "gateway-web.8"), encoding="utf-8") as f:
            blocks = re.findall(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", f.read(), re.S)
        dropin, port, service = (next(b for b in blocks if b.startswith(start)) for start in
                                 ("[Socket]\nListenStream=\n", "[Socket]\nListenStream=127", "[Service]"))
        self.tell("mkdir", "-p", "/etc/systemd/system/gateway-web.socket.d")
        self.box.write("/etc/systemd/system/gateway-web.socket.d/override.conf", dropin)
        self.box.write("/etc/systemd/system/gateway-web-proxy.socket", port)
        self.box.write("/etc/systemd/system/gateway-web-proxy.service", service)
        self.tell("systemctl", "daemon-reload")
        self.tell("systemctl", "start", "gateway-web.socket", "gateway-web-proxy.socket")
        self.assertEqual(self.box.run("ss", "-Htln", "sport = :9404").stdout, "")
        address = re.search(r"ListenStream=(\S+)", port)[1]
        fetch = f"import urllib.request as u; print(u.urlopen('http://{address}/api/v1/status').read().decode())"
        self.assertEqual(json.loads(self.tell("python3", "-c", fetch))[0]["name"], "plc1")
        self.assertEqual(self.tell("stat", "-c", "%U:%G %a", "/run/gateway-web.sock").strip(), "root:gateway-web 660")
        self.tell("systemctl", "stop", "gateway-web-proxy.socket", "gateway-web-proxy", "gateway-web.socket",
                  "gateway-web")
        self.tell("rm", "-r", "/etc/systemd/system/gateway-web.socket.d")
        self.tell("systemctl", "daemon-reload")

    def test_it_is_confined_and_says_so_in_the_journal(self):
        pid = self.show("MainPID")
        status = self.tell("cat", f"/proc/{pid}/status")
        self.assertIn("CapEff:\t0000000000000000", status)
        self.assertIn("Seccomp:\t2", status)
        uid = status.split("Uid:\t")[1].split()[0]
        self.assertEqual(self.tell("id", "-u", "gatewayd").strip(), uid)
        runner = self.device()["pid"]
        self.assertIn("/system.slice/gatewayd.service", self.tell("cat", f"/proc/{runner}/cgroup"))
        out = self.tell("journalctl", "-u", "gatewayd", "-o", "json", "--no-pager", "DEVICE=plc1")
        lines = [json.loads(line) for line in out.splitlines()]
        self.assertIn(("state", "plc1: starting -> running", "6"),
                      [(x["EVENT"], x["MESSAGE"], x["PRIORITY"]) for x in lines])

    @unittest.skipUnless(pki.available(), "the openssl program is not there")
    def test_every_kind_of_device_runs(self):
        """With what the unit file lets a runner do: serial ports, TLS, listeners."""
        self.tell("systemd-run", "-q", "--unit=ports", "python3", "-c", SERIAL_PORTS)
        wait_until(lambda: self.box.run("test", "-e", "/run/ports").returncode == 0, "serial ports", DEADLINE_S)
        with tempfile.TemporaryDirectory() as folder:
            ca = pki.Authority(folder)
            cert, key = ca.issue("control")
            for path, name in ((cert, "rtu1.crt"), (key, "rtu1.key"), (ca.cert, "ca.crt")):
                with open(path, encoding="ascii") as f:
                    self.box.write(f"/etc/gatewayd/{name}", f.read())
        self.tell("chown", "gatewayd", "/etc/gatewayd/rtu1.key")
        # The same on the built-in Event Server.
        head, devices = EVERY_KIND.split("\ndevices:\n")
        self.assertIn("eventer_server", head)
        self.box.write(CONFIG, "name: gateway1\ndevices:\n" + devices.replace("192.0.2.10", "127.0.0.1"))
        self.tell("systemctl", "reload", "gatewayd")
        names = [d["name"] for d in json.loads(self.tell("gatewayctl", "--json", "status"))]
        self.assertEqual(len(names), 6)
        self.tell("gatewayctl", "enable", "--wait", *names)
        for d in json.loads(self.tell("gatewayctl", "--json", "status")):
            self.assertEqual((d["state"], d["restarts"], d["last_exit"]), ("running", 0, None), d)

    def test_killed_it_comes_back_with_what_was_enabled(self):
        pid, runner, restarts = self.show("MainPID"), self.device()["pid"], int(self.show("NRestarts"))
        self.tell("kill", "-9", pid)
        self.wait_polls(runner)
        self.assertNotEqual(self.show("MainPID"), pid)
        self.assertEqual(int(self.show("NRestarts")), restarts + 1)

    def test_frozen_the_watchdog_ends_it(self):
        pid, runner = self.show("MainPID"), self.device()["pid"]
        start = time.monotonic()
        self.tell("kill", "-STOP", pid)
        self.wait_polls(runner)
        self.assertGreater(time.monotonic() - start, 7)  # of 15 s, a ping each 7.5
        self.assertNotEqual(self.show("MainPID"), pid)
        self.assertEqual(self.box.run("kill", "-0", pid).returncode, 1)
        self.assertEqual(self.box.run("kill", "-0", str(runner)).returncode, 1)

    def test_reload(self):
        pid, runner = self.show("MainPID"), self.device()["pid"]
        self.tell("systemctl", "reload", "gatewayd")  # the same again
        self.box.write(CONFIG, SAMPLE.replace("interval: 0.5", "interval: 0.25"))
        self.assertEqual(self.device()["pid"], runner)
        self.tell("systemctl", "reload", "gatewayd")
        changed = self.wait_polls(runner)["pid"]
        self.box.write(CONFIG, SAMPLE + "bad: [\n")
        r = self.box.run("systemctl", "reload", "gatewayd")
        self.assertEqual(r.returncode, 1)
        self.wait_logged(f"{CONFIG}:37:1: not YAML")
        self.assertEqual((self.show("MainPID"), self.show("ActiveState")), (pid, "active"))
        self.assertEqual(self.device()["pid"], changed)

    def test_each_runner_has_a_control_group(self):
        """After a reload that starts everything again too."""
        def own_group():
            d = self.device()
            if not d or d["state"] != "running":
                return None
            group = self.box.run("cat", f"/proc/{d['pid']}/cgroup").stdout
            return re.search(r"/gatewayd\.service/runner-\d+\n", group) and d["pid"]
        before = wait_until(own_group, "a group of its own", DEADLINE_S)
        self.box.write(CONFIG, SAMPLE.replace("name: gateway1", "name: gateway2"))
        self.tell("systemctl", "reload", "gatewayd")
        self.wait_polls(before)
        wait_until(own_group, "a group of its own again", DEADLINE_S)

    def test_stop(self):
        runner = self.device()["pid"]
        self.tell("systemctl", "stop", "gatewayd")
        self.assertEqual((self.show("ActiveState"), self.show("Result"), self.show("ExecMainStatus")),
                         ("inactive", "success", "0"))
        self.assertEqual(self.box.run("kill", "-0", str(runner)).returncode, 1)
        self.wait_logged("plc1: stopping -> disabled")

    def test_a_faulty_configuration_waits_for_people(self):
        self.tell("systemctl", "stop", "gatewayd")
        self.box.write(CONFIG, SAMPLE.replace("name: gateway1", "name: [gateway1]"))
        self.assertEqual(self.box.run("systemctl", "start", "gatewayd").returncode, 1)
        self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus"), self.show("NRestarts")),
                         ("failed", "78", "0"))
        self.wait_logged(f"{CONFIG}:3:7: name: ")

    def test_without_its_monitor_server_it_is_started_again_for_ever(self):
        self.tell("systemctl", "stop", "gatewayd")
        self.box.write(CONFIG, WITH_MONITOR)
        self.tell("systemctl", "start", "gatewayd", "--no-block")
        # systemd's own limit is five starts in 10 s.
        wait_until(lambda: int(self.show("NRestarts")) >= 7, "seven starts", DEADLINE_S)
        self.box.write(CONFIG, SAMPLE)
        self.wait_polls()


@unittest.skipIf("san" in os.path.basename(BUILD), "sanitizers need more than the unit file allows")
class Package(unittest.TestCase):
    """The package from its installation to its purge, as on a new host."""

    def setUp(self):
        subprocess.run(["make", "-s", "deb"], cwd=ROOT, check=True, capture_output=True)
        (package,) = glob.glob(os.path.join(glob.escape(BUILD), "gatewayd_*.deb"))
        layer = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, layer)
        os.chmod(layer, 0o755)
        shutil.copy(package, os.path.join(layer, "gatewayd.deb"))
        try:
            self.box = Box(layer)
        except OSError as e:
            self.skipTest(str(e))
        self.addCleanup(self.box.close)

    def tell(self, *command):
        r = self.box.run(*command)
        self.assertEqual(r.returncode, 0, (command, r.stdout, r.stderr))
        return r.stdout

    def asks(self, *groups):
        """gatewayctl as a user of these groups."""
        return self.box.run("setpriv", "--reuid=nobody", "--regid=nogroup", f"--groups={','.join(groups) or 'nogroup'}",
                            "gatewayctl", "info")

    def is_there(self, path):
        return self.box.run("test", "-e", path).returncode == 0

    def test_from_installation_to_purge(self):
        out = self.tell("dpkg", "-i", "/gatewayd.deb")
        self.assertIn("/etc/gatewayd/gatewayd.yaml is there to be filled in", out)
        self.assertEqual(self.tell("stat", "-c", "%a %U %G", CONFIG).strip(), "640 root gatewayd")
        self.tell("systemctl", "enable", "-q", "--now", "gatewayd")
        self.assertIn("has no devices yet: 'gatewayctl new TYPE NAME'",
                      self.tell("journalctl", "-u", "gatewayd", "-o", "cat", "--no-pager"))
        out = self.tell("systemd-analyze", "security", "--no-pager", "gatewayd")
        self.assertLessEqual(float(re.search(r"exposure level for gatewayd.service: ([\d.]+)", out)[1]), 1.5)

        # The users of gatewayctl: by default the group of the process, else one that the process is not in.
        self.assertEqual(self.asks("gatewayd").returncode, 0)
        self.assertEqual(self.asks().returncode, 3)
        self.tell("sed", "-i", "s/^#control:/control:/", CONFIG)
        self.tell("systemctl", "reload", "gatewayd")
        self.tell("systemctl", "restart", "gatewayd")
        r = self.asks("adm")
        self.assertEqual(r.returncode, 0, r.stderr)
        for groups in ((), ("daemon",)):
            r = self.asks(*groups)
            self.assertEqual(r.returncode, 3)
            self.assertIn("Permission denied", r.stderr)
        self.assertEqual(self.asks("gatewayd").returncode, 1)

        # What the site changed stays, through another installation too; a purge leaves nothing but that.
        self.tell("dpkg", "-i", "/gatewayd.deb")
        self.assertEqual(self.tell("systemctl", "is-active", "gatewayd").strip(), "active")
        self.tell("dpkg", "-r", "gatewayd")
        self.assertFalse(self.is_there("/usr/sbin/gatewayd"))
        self.assertIn("\ncontrol: {group: adm}", self.tell("cat", CONFIG))
        self.tell("dpkg", "-i", "/gatewayd.deb")
        self.tell("sed", "-i", "s/^control:/#control:/", CONFIG)
        self.tell("systemctl", "start", "gatewayd")
        self.tell("dpkg", "-P", "gatewayd")
        for path in ("/etc/gatewayd", "/var/lib/gatewayd", "/usr/libexec/gatewayd"):
            self.assertFalse(self.is_there(path), path)


if __name__ == "__main__":
    unittest.main()
