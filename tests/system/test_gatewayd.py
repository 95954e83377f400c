"""gatewayd as a program: options, exit codes, what --check says of faulty files, the life of the built-in
Event Server."""

import contextlib
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import pki  # noqa: E402
from gatewayd import BUILD, ROOT, WAIT_S, Gateway, probe, program, wait_until  # noqa: E402

LIBC = ctypes.CDLL(None, use_errno=True)
LANDLOCK = LIBC.syscall(444, None, ctypes.c_size_t(0), 1) > 0  # landlock_create_ruleset(): the version of its ABI
MODULES = [
    "modbus.master", "modbus.slave", "iec101.master", "iec101.slave", "iec103.master",
    "iec104.master", "iec104.slave",
]


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd test ")
        self.addCleanup(shutil.rmtree, self.dir)

    def run_gatewayd(self, *args, env=None, timeout=3 * WAIT_S, **kwargs):
        return subprocess.run(
            [program("gatewayd"), *args], capture_output=True, text=True, errors="replace",
            timeout=timeout, env=env, **kwargs,
        )

    def write(self, text):
        path = os.path.join(self.dir, "site.yaml")
        with open(path, "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())
        return path

    def with_files(self, text):
        """The same with one file for each certificate, key and list of authorities that it names."""
        if not re.search(r"_path: /", text):
            return text
        both = os.path.join(self.dir, "both.pem")
        if not os.path.exists(both):
            cert, key = pki.Authority(self.dir).issue("station")
            with open(both, "wb") as out:
                for path in cert, key:
                    with open(path, "rb") as f:
                        out.write(f.read())
        return re.sub(r"((?:cert|key|ca)_path: )/\S+", lambda m: m[1] + json.dumps(both), text)

    def check(self, text):
        """Exit code and lines of --check."""
        if isinstance(text, str):
            text = self.with_files(text)
        r = self.run_gatewayd("--check", "--config", self.write(text))
        self.assertNotIn("Sanitizer", r.stderr)
        return r.returncode, (r.stderr + r.stdout).splitlines()


class Options(Case):
    def test_help_and_version(self):
        r = self.run_gatewayd("--help")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        for option in ("--config", "--check", "--version", "--help", "--libexec"):
            self.assertIn(option, r.stdout)
        r = self.run_gatewayd("--version")
        self.assertEqual(r.returncode, 0)
        self.assertRegex(r.stdout, r"^gatewayd \d+\.\d+\.\d+\n$")

    def test_usage(self):
        for args in (["--nonsense"], ["surplus"], ["--config"], ["--check=1"]):
            r = self.run_gatewayd(*args)
            self.assertEqual((r.returncode, r.stdout), (2, ""), args)
            self.assertIn("usage: gatewayd", r.stderr)

    @unittest.skipIf(os.path.exists("/etc/gatewayd/gatewayd.yaml"), "there is a configuration")
    def test_default_path(self):
        for args in ([], ["--check"]):
            r = self.run_gatewayd(*args)
            self.assertEqual(r.returncode, 78)
            self.assertEqual(r.stderr, "/etc/gatewayd/gatewayd.yaml: No such file or directory\n")

    def test_what_is_no_file(self):
        fifo = os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        for path in (self.dir, fifo, "/dev/zero", "/dev/null", "/dev/full", os.path.join(self.dir, "none"),
                     "", "/" + "x" * 5000):
            for args in (["--check"], []):
                r = self.run_gatewayd("--config", path, *args, timeout=WAIT_S)
                self.assertEqual(r.returncode, 78, path)
                self.assertEqual(len(r.stderr.splitlines()), 1, r.stderr)

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_unreadable(self):
        path = self.write("name: gw\ndevices: []\n")
        os.chmod(path, 0)
        r = self.run_gatewayd("--check", "--config", path)
        self.assertEqual((r.returncode, r.stderr), (78, f"{path}: Permission denied\n"))

    def test_standard_descriptors_may_be_closed(self):
        path = self.write("name: gw\ndevices: []\n")
        r = subprocess.run(
            ["sh", "-c", 'exec "$0" --check --config "$1" <&- >&- 2>&-', program("gatewayd"), path]
        )
        self.assertIn(r.returncode, (0,))


class Check(Case):
    def test_all_faults_at_once_of_gateway_and_devices(self):
        code, lines = self.check(
            "name: 5\n"
            "event_server: {eventer_server: {host: 1, port: 99999}}\n"
            "devices:\n"
            "  - {module: hat.gateway.devices.iec104.master, name: a}\n"
            "  - {module: nope, name: b}\n"
            "  - {module: hat.gateway.devices.iec104.master, name: a}\n"
            "  - 17\n"
            "  - {module: hat.gateway.devices.modbus.master, name: c, connection: 3, remote_devices: {}}\n"
        )
        self.assertEqual(code, 78)
        text = "\n".join(lines)
        for where in (
            "1:7: name: expected a string", "2:39: event_server.eventer_server.host: expected a string",
            "2:48: event_server.eventer_server.port: expected an integer from 1 to 65535, found 99999",
            "5:14: devices[1].module: expected one of ", "6:55: devices[2].name: another iec104_master",
            "7:5: devices[3]: expected an object", "4:5: devices[0].response_timeout: is missing",
            "6:5: devices[2].response_timeout: is missing",
            "8:70: devices[4].connection: expected an object",
            "8:89: devices[4].remote_devices: expected an array",
        ):
            self.assertRegex(text, f"(?m)^.*site.yaml:{re.escape(where)}")
        for line in lines:
            self.assertLess(len(line), 1000)

    def test_what_a_misspelt_word_stands_for(self):
        """Each mistake with its place: the key where it is about the key, the value where about the value."""
        master = "name: g\ndevices:\n- module: hat.gateway.devices.iec104.master\n  name: m\n"
        for text, where in (
            ("nmae: g\nname: g\ndevices: []\n", "1:1: warning: nmae: unknown key, ignored$"),
            ("name: g\ndevces: []\n", r"2:1: warning: devces: unknown key, ignored; did you mean 'devices'\?$"),
            ("name: g\ndevices: []\nevent_sever: null\n",
             r"3:1: warning: event_sever: .*did you mean 'event_server'\?$"),
            ("name: g\ndevices: []\nsandbox: strikt\n", "3:10: sandbox: expected one of strict"),
            ("name: g\ndevices: []\non_error: devise\n", r"3:11: on_error: .*did you mean 'device'\?$"),
            (master.replace("iec104.master", "iec104.mastr"),
             r"3:11: devices\[0\].module: .*did you mean 'hat.gateway.devices.iec104.master'\?$"),
            (master + "  responce_timeout: 1\n",
             r"5:3: warning: devices\[0\].responce_timeout: .*did you mean 'response_timeout'\?$"),
            (master + "  remote_addresses: [{hots: h, port: 1}]\n",
             r"5:23: warning: devices\[0\].remote_addresses\[0\].hots: .*did you mean 'host'\?$"),
            (master + "  security: {cert: x}\n", r"5:14: warning: devices\[0\].security.cert: unknown key, ignored"),
            (master + "  test_timeout: 18 s\n", r"5:17: devices\[0\].test_timeout: expected a number"),
        ):
            code, lines = self.check(text)
            self.assertRegex("\n".join(lines), f"(?m)site.yaml:{where}")

    def test_what_two_devices_cannot_both_have(self):
        slave = ("  - module: hat.gateway.devices.modbus.slave\n    name: {}\n    modbus_type: TCP\n"
                 "    transport: {{type: TCP, local_host: {}, local_port: 1502, remote_hosts: null,\n"
                 "                max_connections: null, response_timeout: 1, keep_alive_timeout: null}}\n"
                 "    data: {}\n")
        bus = ("  - {{module: hat.gateway.devices.iec103.master, name: {}, port: /dev/ttyS0, baudrate: 9600,\n"
               "     bytesize: EIGHTBITS, parity: EVEN, stopbits: ONE, silent_interval: 0.001, reconnect_delay: 1,\n"
               "     flow_control: {{xonxoff: false, rtscts: false, dsrdtr: false}}, remote_devices: []}}\n")
        point = ("[{name: x, device_id: 1, data_type: HOLDING_REGISTER, start_address: 0, bit_offset: 17, "
                 "bit_count: 16}]")
        times = "ping_delay: 1, ping_timeout: 1, retry_count: 0, retry_delay: 1"
        code, lines = self.check(
            "name: gw\ndevices:\n" + slave.format("a", "0.0.0.0", point) + slave.format("b", "127.0.0.1", "[]") +
            bus.format("c") + bus.format("d") +
            "  - module: hat.gateway.devices.ping\n    name: p\n    remote_devices:\n" +
            "".join(f"      - {{name: h{n}, host: {h!r}, {times}}}\n" for n, h in enumerate((
                "plc.example", "300.1.1.1", "not a host"))))
        self.assertEqual(code, 78)
        text = "\n".join(lines)
        for where in (
            "8:12: warning: devices[0].data[0]: bit_offset 17 is not in the first register",
            "12:40: devices[1].transport.local_host: a (line 3) has listen 0.0.0.0 port 1502 already",
            "18:64: devices[3].port: c (line 15) has tty /dev/ttyS0 already",
            "25:26: devices[4].remote_devices[1].host: expected an address or the name of a host, found '300.1.1.1'",
            "26:26: devices[4].remote_devices[2].host: expected an address or the name of a host, found 'not a host'",
        ):
            self.assertRegex(text, f"(?m)^.*site.yaml:{re.escape(where)}")
        self.assertNotIn("plc.example", text)

    def test_files_are_read_as_the_device_would(self):
        authority, other = pki.Authority(self.dir), pki.Authority(self.dir, "other")
        good, old = authority.issue("good"), authority.issue("old", start="20200101000000Z", end="20200201000000Z")
        stranger, folder = other.issue("stranger"), os.path.join(self.dir, "folder")
        empty = os.path.join(self.dir, "empty.pem")
        os.mkdir(folder)
        with open(empty, "w", encoding="ascii"):
            pass
        rows = (
            (good, authority.cert, None),
            (("/nonexistent.pem", good[1]), None, "error cert_path: open /nonexistent.pem: No such file or directory"),
            ((good[0], folder), None, f"error key_path: not a regular file: {folder}"),
            ((good[0], stranger[1]), None, "error key_path: no private key that fits the certificate"),
            ((empty, good[1]), None, "error cert_path: no usable certificate"),
            (good, empty, "error ca_path: no certificate in it"),
            (old, None, "warning cert_path: the certificate expired on 2020-02-01: renew it"),
        )
        for module in "master", "slave":
            for (cert, key), ca, expected in rows:
                conf = {"module": f"iec104_{module}", "name": "d", "response_timeout": 15, "supervisory_timeout": 10,
                        "test_timeout": 20, "send_window_size": 12, "receive_window_size": 8,
                        "security": pki.security(cert, key, ca, verify=bool(ca))}
                conf |= ({"remote_addresses": [{"host": "127.0.0.1", "port": 1}], "reconnect_delay": 1,
                          "time_sync_delay": None} if module == "master" else
                         {"local_host": "127.0.0.1", "local_port": 19998, "remote_hosts": None, "max_connections": None,
                          "buffers": [], "data": []})
                path = self.write(json.dumps({"name": "g", "devices": [conf]}))
                r = self.run_gatewayd("--check", "--json", "--config", path)
                found = [f"{row['severity']} {row['path'].removeprefix('devices[0].security.')}: {row['message']}"
                         for row in json.loads(r.stdout) if "renegotiate_delay" not in row["message"]]
                if expected is None:
                    self.assertEqual((found, r.returncode), ([], 0))
                    continue
                self.assertEqual(len(found), 1, (expected, found))
                self.assertTrue(found[0].startswith(expected), (expected, found))
                self.assertEqual(r.returncode, 78 if expected.startswith("error") else 0)

    def test_strict(self):
        text = "name: gw\ndevices: []\nbogus: 1\n"
        path = self.write(text)
        self.assertEqual(self.run_gatewayd("--check", "--config", path).returncode, 0)
        self.assertEqual(self.run_gatewayd("--check", "--strict", "--config", path).returncode, 78)
        path = self.write("name: gw\ndevices: []\n")
        self.assertEqual(self.run_gatewayd("--check", "--strict", "--config", path).returncode, 0)

    def test_json(self):
        path = self.write("name: gw\ndevices:\n- {module: modbus_master, name: m}\n- 5\nbogus: 1\n")
        r = self.run_gatewayd("--check", "--json", "--verbose", "--config", path)
        self.assertEqual(r.returncode, 78)
        rows = json.loads(r.stdout)
        self.assertEqual({tuple(row) for row in rows}, {("severity", "file", "line", "column", "path", "message")})
        self.assertIn({"severity": "warning", "file": path, "line": 5, "column": 1, "path": "bogus",
                       "message": "unknown key, ignored"}, rows)
        self.assertIn({"severity": "error", "file": path, "line": 4, "column": 3, "path": "devices[1]",
                       "message": "expected an object, found a number"}, rows)
        self.assertIn(("devices[0].connection", "is missing"), [(row["path"], row["message"]) for row in rows])
        path = self.write("name: gw\ndevices: []\n")
        r = self.run_gatewayd("--check", "--json", "--config", path)
        self.assertEqual((r.returncode, r.stdout, r.stderr), (0, "[]\n", ""))
        r = self.run_gatewayd("--check", "--json", "--config", "/nonexistent")
        self.assertEqual((r.returncode, json.loads(r.stdout)), (78, [
            {"severity": "error", "file": "/nonexistent", "line": None, "column": None, "path": "",
             "message": "No such file or directory"}]))

    def test_hostile_files(self):
        bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefg", "bcdefgh")
        )
        for text, what in (
            ("", "empty"),
            ("[" * 10_000_000, "nested too deep"),
            ("{a: " * 3_000_000, "nested too deep"),
            ("- " * 5_000_000, "nested too deep"),
            ("\n".join(" " * i + "a:" for i in range(3000)), "nested too deep"),
            (bomb, "aliases counted in full"),
            ("&a [*a]", "alias within its own anchor"),
            ("a: *nothing", "alias|anchor"),
            (os.urandom(1 << 20) + b"\xff", "UTF-8"),
            (b"name: \xff\xfe", "UTF-8"),
            ("name: g\x00w", "control characters"),
            ('name: "g\\0w"', "NUL"),
            ("name: gw\ndevices: []\n---\nname: x\n", "one document"),
            ("name: gw\ndevices:\n\t- x", "not YAML"),
            ("x" * 100_000_000, "longer than"),
            ("name: gw\ndevices: [" + "{}," * 50000 + "]", "devices"),
            ("? [a, b]\n: c\n", "key"),
            ("!!python/object:os.system name: x", "os.system' is not supported"),
            ("a: !!binary aGVsbG8=", "name: is missing"),
        ):
            began = time.monotonic()
            code, lines = self.check(text)
            self.assertEqual(code, 78, (text[:60], lines[:3]))
            self.assertRegex("\n".join(lines), what)
            self.assertLess(len(lines), 300)
            self.assertLess(time.monotonic() - began, WAIT_S)

    def test_byte_order_mark_and_line_ends_of_other_systems(self):
        self.assertEqual(self.check(b"\xef\xbb\xbfname: gw\r\ndevices: []\r\n")[0], 0)

    def test_of_duplicate_keys_the_last_one_counts(self):
        code, lines = self.check("name: a/b\nname: gw\ndevices: []\n")
        self.assertEqual(code, 0, lines)
        self.assertIn(":2:7: warning: duplicate key 'name': this one counts, not that in line 1", lines[0])

    def test_each_sample(self):
        samples = os.path.join(ROOT, "etc", "samples")
        for name in sorted(os.listdir(samples)):
            if name == "own-keys.yaml":  # its runner is somebody else's
                continue
            with open(os.path.join(samples, name), encoding="utf-8") as f:
                path = self.write(self.with_files(f.read()))
            r = self.run_gatewayd("--check", "--verbose", "--config", path, cwd=ROOT)
            self.assertEqual(r.returncode, 0, (name, r.stderr))

    def test_years(self):
        """Whatever is said in seconds may take that long."""
        for name in sorted(glob.glob(os.path.join(ROOT, "tests", "dropin", "*.yaml"))):
            with open(name, encoding="utf-8") as f:
                text, count = re.subn(r"(\w+_(?:timeout|delay)|\binterval): [\d.]+", r"\1: 94608000", f.read())
            self.assertGreater(count, 0)
            self.assertEqual(self.check(text)[0], 0, (name, self.check(text)))

    def test_numbers_that_hat_gateway_takes(self):
        """What is more than we count with becomes the most; an integer may be written 8.0."""
        for name in sorted(glob.glob(os.path.join(ROOT, "tests", "dropin", "*.yaml"))):
            with open(name, encoding="utf-8") as f:
                text = f.read()
            large, count = re.subn(r"(\w+_(?:timeout|delay)|\binterval): [\d.]+", r"\1: 1.0e+12", text)
            large, more = re.subn(r"(retry\w*_count|window_size): \d+", r"\1: 99999999999999999999999", large)
            code, lines = self.check(large)
            self.assertEqual(code, 0, (name, lines))
            warnings = [line for line in lines if "the most that there is" in line]
            self.assertEqual(len(warnings), count + more, (name, lines))
            floats, count = re.subn(r"(\w+): (\d+)$", r"\1: \2.0", text, flags=re.M)
            self.assertGreater(count, 0)
            self.assertEqual(self.check(floats)[0], 0, (name, self.check(floats)))

    def edited(self, name, pattern, replacement):
        with open(os.path.join(ROOT, "tests", "dropin", name), encoding="utf-8") as f:
            text, count = re.subn(pattern, replacement, f.read())
        self.assertGreater(count, 0)
        return self.check(text)

    def test_of_duplicate_station_addresses_the_last_one_counts(self):
        for name in "iec101-master.yaml", "iec103-master.yaml":
            code, lines = self.edited(name, r"(remote_devices:\n)((?: {12}.*\n)+)", r"\1\2\2")
            self.assertEqual(code, 0, (name, lines))
            self.assertIn("remote_devices[0].address: a later device has the same address: that one counts",
                          "\n".join(lines))

    def test_absent_security_is_none(self):
        for name in "iec104-master.yaml", "iec104-slave.yaml":
            self.assertEqual(self.edited(name, r" +security: null\n", "")[0], 0, name)

    def test_each_module_needs_its_keys(self):
        for module in MODULES:
            code, lines = self.check(
                json.dumps({"name": "g", "devices": [{"module": "hat.gateway.devices." + module, "name": "d"}]})
            )
            self.assertEqual(code, 78)
            self.assertRegex("\n".join(lines), r"devices\[0\]\.\w+: is missing")

    def test_runners_that_are_none(self):
        text = "name: g\ndevices: [{runner: %s, type: x, name: d}]\n"
        for runner, what in (
            ("/nonexistent", "No such file|ended without a plan"), ("/dev/null", "ermission|ended without a plan"),
            ("/bin/true", "ended without a plan"), ("relative", "absolute path"),
            (os.path.join(ROOT, "README.md"), "ermission|format|ended without a plan"),
        ):
            code, lines = self.check(text % runner)
            self.assertEqual(code, 78, (runner, lines))
            self.assertRegex("\n".join(lines), what)


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return list(map(int, f.read().split()))


CONTAINER = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-current-user"]), "--pid", "--fork", "--mount-proc",
             "--kill-child"]
# A runner of a third party that leaves two processes behind, in sessions of their own, until somebody opens the pipe.
LEAVING = """#!/usr/bin/python3 -I
import os
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open(%r).read()
        os._exit(0)
os.execv(%r, [%r])
"""


@unittest.skipIf(subprocess.run([*CONTAINER, "true"], stderr=subprocess.DEVNULL, check=False).returncode,
                 "no namespaces of processes")
class Container(Case):
    """gatewayd as process 1."""

    def start(self, command='exec "$@"', device=None):
        g = Gateway({"devices": [device or probe("p1")]}, wrap=[*CONTAINER, "sh", "-c", command, "sh"])
        self.addCleanup(g.close)
        (self.first,) = children(g.pid)
        self.addCleanup(self.end, self.first)
        return g

    def end(self, first):
        """unshare(1) itself takes no notice of SIGTERM."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(first, signal.SIGTERM)

    def test_what_others_left_is_reaped(self):
        g = self.start('(mkfifo "$RUNTIME_DIRECTORY/end"; read x <"$RUNTIME_DIRECTORY/end") & exec "$@"')
        g.enable("p1")
        g.wait_state("p1", "running")
        self.assertEqual(len(children(self.first)), 2)
        with open(os.path.join(g.runtime, "end"), "w", encoding="ascii") as f:
            f.write("\n")
        g.wait(lambda: len(children(self.first)) == 1, "the end of the zombie")
        self.assertEqual(g.status("p1")["state"], "running")

    def test_what_a_runner_left_is_reaped(self):
        end, runner = os.path.join(self.dir, "end"), os.path.join(self.dir, "leaving")
        foreign = os.path.join(ROOT, "tests", "lib", "foreign_runner.py")
        os.mkfifo(end)
        with open(runner, "w", encoding="ascii") as f:
            f.write(LEAVING % (end, foreign, foreign))
        os.chmod(runner, 0o755)
        g = self.start(device={"name": "p1", "type": "acme_meter", "runner": runner, "sandbox": "off",
                               "limits": {"memory": 1 << 30}, "address": "127.0.0.1"})
        g.enable("p1")
        g.wait_state("p1", "running")
        g.wait(lambda: len(children(self.first)) == 3, "the gateway and two orphans")
        (gateway,) = (pid for pid in children(self.first) if children(pid))
        # The runner, which never waits for its own children, leaves them when it ends.
        runner = next(pid for pid in children(gateway) if children(pid))
        self.assertEqual(len(children(runner)), 2)
        g.disable("p1")
        g.wait_state("p1", "disabled")
        with open(end, "w", encoding="ascii") as f:
            f.write("\n")
        g.wait(lambda: children(self.first) == [gateway], "the end of all that the runner left")
        os.kill(self.first, signal.SIGTERM)
        self.assertEqual(g.process.wait(WAIT_S), 0)

    def test_signals_and_exit_code(self):
        for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, 0)):
            g = self.start()
            os.kill(self.first, signal.SIGHUP)
            g.wait_log("reload")
            os.kill(self.first, number)
            self.assertEqual(g.process.wait(WAIT_S), code)
            g.wait_log(f"signal {int(number)}: stopping")

    def test_a_killed_gateway(self):
        g = self.start()
        (gateway,) = children(self.first)
        os.kill(gateway, signal.SIGKILL)
        self.assertEqual(g.process.wait(WAIT_S), 128 + signal.SIGKILL)


class Folders(Case):
    """What systemd says of a unit with several folders: a list."""

    def test_lists(self):
        other = os.path.join(self.dir, "other")
        own = {name: os.path.join(self.dir, name) for name in ("run", "state")}
        os.mkdir(own["run"])
        g = Gateway({"devices": []}, env={"RUNTIME_DIRECTORY": f"{own['run']}:{other}",
                                          "STATE_DIRECTORY": f"{own['state']}:{other}"}, start=False)
        self.addCleanup(g.close)
        g.socket = os.path.join(own["run"], "control")
        g.start()
        g.wait(lambda: os.path.exists(os.path.join(own["state"], "data.mdb")), "data of the Event Server")
        self.assertFalse(os.path.exists(other))


# Runs its arguments as a kernel would that was built without system call filters.
WITHOUT_FILTERS = """
import ctypes, errno, os, sys
lib = ctypes.CDLL("libseccomp.so.2")
lib.seccomp_init.restype = ctypes.c_void_p
ctx = ctypes.c_void_p(lib.seccomp_init(0x7fff0000))
refuse = 0x00050000 | errno.EINVAL
class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]
lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p]
number = lib.seccomp_syscall_resolve_name
assert lib.seccomp_rule_add_array(ctx, refuse, number(b"seccomp"), 0, None) == 0
set_seccomp = Compare(0, 4, 22, 0)
assert lib.seccomp_rule_add_array(ctx, refuse, number(b"prctl"), 1, ctypes.byref(set_seccomp)) == 0
assert lib.seccomp_load(ctx) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""


PIDFD_GETFD = 438


def syscall(number, *args):
    result = LIBC.syscall(number, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


class VanishingFolders(Case):
    """A logout, or whoever cleans temporary folders, removes what a process still uses."""

    def test_the_runtime_folder(self):
        g = Gateway({"devices": [probe("p1")]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        pid = g.status("p1")["pid"]
        for _ in range(2):
            shutil.rmtree(g.runtime)
            g.wait(lambda: g.ctl.run("status").returncode == 0, "the control socket again")
            self.assertEqual(g.status("p1")["pid"], pid)
        g.wait_log("was gone: it is there again")
        # The link lives as long as its connection; after that the Event Server has to be there again.
        before = g.ctl("info")[0]["connects"]
        os.kill(next(p for p in children(g.pid) if p != pid), signal.SIGKILL)
        g.wait(lambda: g.ctl("info")[0]["connects"] > before, "the link again")
        g.wait_state("p1", "running")

    def test_a_lost_link_without_a_socket_to_go_back_to(self):
        g = Gateway()
        self.addCleanup(g.close)
        path = os.path.join(g.runtime, "eventd")
        before = g.wait(lambda: g.ctl("info")[0]["connects"], "the link")
        (pid,) = children(g.pid)
        os.unlink(path)
        try:
            self.cut(g.pid, path)
        except PermissionError:
            self.skipTest("may not take descriptors of other processes")
        g.wait_log(f"gateway-eventd {pid} has lost its socket")
        g.wait(lambda: g.ctl("info")[0]["connects"] > before, "the link again")

    def cut(self, pid, path):
        """Ends the connections of that process with the socket at path."""
        process = os.pidfd_open(pid)
        self.addCleanup(os.close, process)
        for name in os.listdir(f"/proc/{pid}/fd"):
            fd = syscall(PIDFD_GETFD, process, int(name), 0)
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=fd) as s:
                    if s.family == socket.AF_UNIX and self.peer(s) == path:
                        s.shutdown(socket.SHUT_RDWR)
            else:
                os.close(fd)

    @staticmethod
    def peer(s):
        try:
            return s.getpeername()
        except OSError:
            return None

    def test_a_socket_of_somebody_else_stays(self):
        g = Gateway()
        self.addCleanup(g.close)
        os.unlink(g.socket)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.bind(g.socket)
            other.listen()
            inode = os.stat(g.socket).st_ino
            g.wait_log("cannot be made again: another process serves it")
            self.assertEqual(os.stat(g.socket).st_ino, inode)
        g.wait(lambda: g.ctl.run("status").returncode == 0, "the control socket again")


class BuiltIn(Case):
    """The Event Server that gatewayd starts itself."""

    def eventd(self, g):
        for pid in children(g.pid):
            with open(f"/proc/{pid}/comm", encoding="ascii") as name:
                if name.read().strip() == "gateway-eventd":
                    return pid
        return None

    def test_its_sandbox_is_the_gateways(self):
        for level, filtered in (("strict", True), ("best-effort", True), ("off", False)):
            g = Gateway({"sandbox": level})
            self.addCleanup(g.close)
            self.assertEqual(self.is_filtered(g), filtered, level)

    @unittest.skipIf("san" in os.path.basename(BUILD), "no filter in a sanitized build")
    def test_the_lock_of_gatewayd_itself(self):
        for level, filtered in (("strict", True), ("best-effort", True), ("off", False)):
            g = Gateway({"sandbox": level})
            self.addCleanup(g.close)
            with open(f"/proc/{g.pid}/status", encoding="ascii") as f:
                status = dict(line.split(":", 1) for line in f)
            info = g.ctl("info")[0]
            self.assertEqual([status[key].strip() for key in ("Seccomp", "NoNewPrivs")],
                             ["2", "1"] if filtered else ["0", "0"], level)
            self.assertEqual([info[key] for key in ("seccomp", "no_new_privs", "dumpable", "landlock")],
                             ["filter" if filtered else "none", filtered, False, filtered and LANDLOCK])
            # The supervisor's filter, the outer lock's and its own.
            if filtered:
                g.wait(lambda g=g: g.ctl("info")[0]["eventd_seccomp_filters"] == 3, "the locks of gateway-eventd")
                info = g.ctl("info")[0]
                self.assertEqual([info[f"eventd_{key}"] for key in ("seccomp", "no_new_privs", "capabilities")],
                                 ["filter", True, "0" * 16])
        g = Gateway({"sandbox": "strict"}, wrap=[sys.executable, "-c", WITHOUT_FILTERS], start=False)
        self.addCleanup(g.close)
        r = subprocess.run([*g.wrap, program("gatewayd"), "--config", g.config], env=g.env, capture_output=True,
                           text=True, timeout=WAIT_S)
        self.assertEqual(r.returncode, 1)
        self.assertIn("gatewayd's own sandbox is to be strict, and this kernel has no system call filters", r.stderr)

    @unittest.skipIf("san" in os.path.basename(BUILD), "no filter in a sanitized build")
    def test_a_kernel_without_filters(self):
        for level in ("best-effort", "off"):
            g = Gateway({"sandbox": level, "devices": [probe("p1")]}, wrap=[sys.executable, "-c", WITHOUT_FILTERS])
            self.addCleanup(g.close)
            g.enable("p1")
            g.wait_state("p1", "running")
            self.assertEqual(len([line for line in g.lines if "cannot set up the sandbox" in line]),
                             level == "best-effort")

    def is_filtered(self, g):
        g.wait(lambda: self.eventd(g), "gateway-eventd")
        g.wait(lambda: g.ctl("info")[0]["link"] == "connected", "the link")
        with open(f"/proc/{self.eventd(g)}/status", encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        return status["Seccomp"].strip() == "2"

    def test_a_killed_gateway_leaves_nothing_and_the_next_one_goes_on(self):
        g = Gateway({"devices": [probe("p1")]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        for _ in range(3):
            pids = [self.eventd(g), g.status("p1")["pid"]]
            self.assertTrue(all(pids))
            g.stop(signal.SIGKILL)
            g.start()
            g.wait_state("p1", "running")
            for pid in pids:
                wait_until(lambda p=pid: not os.path.exists(f"/proc/{p}"), f"the end of {pid}", log=g.log)

    def test_it_is_killed_and_comes_back_with_what_it_had(self):
        g = Gateway({"devices": [probe("p1")]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        for connects in (2, 3, 4):
            os.kill(self.eventd(g), signal.SIGKILL)
            g.wait(lambda n=connects: g.ctl("info")[0]["connects"] == n, "the link again", 3 * WAIT_S)
            g.wait_state("p1", "running", 3 * WAIT_S)
            info = g.ctl("info")[0]
            self.assertEqual((info["eventd_state"], info["eventd_pid"]), ("running", self.eventd(g)))
            self.assertEqual((info["eventd_restarts"], info["eventd_last_exit"]), (connects - 1, "SIGKILL"))
            self.assertIn("listening on", info["eventd_last_line"])
        # The policy of runners: the first restart is immediate, the next ones wait.
        log = "\n".join(g.log())
        self.assertRegex(log, r"gateway-eventd \d+ died after [\d.]+ s: SIGKILL; last line: listening on")
        self.assertRegex(log, "gateway-eventd: running -> starting")
        self.assertRegex(log, r"gateway-eventd: running -> backoff, restart in 0\.\d s")
        self.assertEqual(g.stop(), 0)

    def test_it_shows_its_numbers(self):
        g = Gateway({"devices": [probe("p1", interval_ms=20, values=50)]})
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")

        def numbers():
            return {k: v for k, v in g.ctl("info")[0].items() if k.startswith("store_")}

        g.wait(lambda: (numbers()["store_types"] or 0) >= 50, "its event types")
        first = g.wait(lambda: numbers()["store_events"] > 200 and numbers(), "its events")
        self.assertEqual((first["store_types_max"], first["store_series_max"], first["store_bytes_max"]),
                         ((1 << 20) - (1 << 16), 65536, 192 << 20))
        self.assertGreaterEqual(first["store_events"], first["store_series"])
        self.assertGreater(first["store_commits"], 0)
        self.assertGreaterEqual(first["store_queries"], 1)
        self.assertGreater(first["store_bytes"], 5000)
        self.assertEqual((first["store_clients"], first["store_refused_quota"], first["store_refused_full"],
                          first["store_unsaved"]), (1, 0, 0, 0))
        asked = numbers()["store_queries"]
        g.ctl("events", "p1")
        self.assertGreater(g.wait(lambda: numbers()["store_queries"] > asked and numbers(), "the query")["store_queries"], asked)
        self.assertIn("event types stored", g.ctl.text("info"))
        os.kill(self.eventd(g), signal.SIGSTOP)
        self.assertIsNotNone(numbers()["store_types"])  # read without its help
        os.kill(self.eventd(g), signal.SIGKILL)
        g.wait(lambda: numbers()["store_clients"] == 1 and g.ctl("info")[0]["eventd_restarts"] == 1, "the next one", 3 * WAIT_S)
        self.assertGreaterEqual(numbers()["store_types"], 50)  # which are kept

    def test_nobody_waits_for_one_that_does_not_end(self):
        config = {"devices": [probe("p1")]}
        g = Gateway(config)
        self.addCleanup(g.close)
        g.enable("p1")
        g.wait_state("p1", "running")
        old = self.eventd(g)
        os.kill(old, signal.SIGSTOP)
        g.write_config({**config, "event_server": {"built_in": {"data": os.path.join(g.state, "other")}}})
        g.ctl("reload")
        longest = 0
        while self.eventd(g) in (old, None):
            start = time.monotonic()
            g.ctl("status")
            longest = max(longest, time.monotonic() - start)
            time.sleep(0.05)  # who asks as fast as it can is made to wait
        self.assertLess(longest, 1)
        self.assertIn("never stopped", "\n".join(g.log()))
        g.enable("p1")
        g.wait_state("p1", "running")
        self.assertEqual(g.stop(), 0)

    @unittest.skipIf(not LANDLOCK or "san" in os.path.basename(BUILD), "no Landlock here, or in a sanitized build")
    def test_a_folder_that_landlock_does_not_leave(self):
        """Data cannot move to it without a new start; a folder of the start's may be anywhere."""
        other = os.path.join(self.dir, "other")
        config = {"event_server": {"built_in": {"data": other}}}
        g = Gateway({})
        self.addCleanup(g.close)
        g.wait_connected()
        g.write_config(config)
        r = g.ctl.run("reload")
        self.assertEqual(r.returncode, 1)
        self.assertIn("event_server.built_in.data: gatewayd cannot write to this folder", r.stdout + r.stderr)
        self.assertFalse(os.path.exists(other))
        g.wait_connected()
        g.stop()
        g.start()
        g.wait_connected()
        self.assertTrue(os.path.exists(os.path.join(other, "data.mdb")))

    def test_two_gateways_need_different_folders(self):
        g = Gateway({})
        self.addCleanup(g.close)
        r = self.run_gatewayd("--config", g.config, env=g.env)
        self.assertEqual(r.returncode, 1)
        self.assertIn("control", r.stderr)
        g.wait_connected()
        other = Gateway({})
        self.addCleanup(other.close)
        other.wait_connected()


class Installed(Case):
    def runs_from(self, dest):
        gatewayd = os.path.join(dest, "usr/sbin/gatewayd")
        sample = os.path.join(ROOT, "etc/samples/minimal.yaml")
        out = subprocess.run(
            [gatewayd, "--check", "--verbose", "--config", sample], capture_output=True, text=True
        )
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn("may connect 127.0.0.1 port 502", out.stdout)
        runtime = os.path.join(self.dir, "r")
        os.mkdir(runtime)
        env = {**os.environ, "RUNTIME_DIRECTORY": runtime, "STATE_DIRECTORY": runtime}
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        p = subprocess.Popen([gatewayd, "--config", sample], env=env, stderr=log)
        self.addCleanup(p.wait)
        self.addCleanup(p.terminate)
        ctl = os.path.join(dest, "usr/bin/gatewayctl")
        wait_until(
            lambda: subprocess.run([ctl, "enable", "--wait", "plc1"], env=env, capture_output=True).returncode == 0,
            "the device runs",
        )

    @unittest.skipUnless(os.path.basename(BUILD) == "build", "the plain build is what is installed")
    def test_make_install(self):
        dest = os.path.join(self.dir, "root")
        r = subprocess.run(
            ["make", "-s", "install", f"DESTDIR={dest}"], cwd=ROOT, capture_output=True, text=True
        )
        self.assertEqual(r.returncode, 0, r.stderr)
        for path in (
            "usr/sbin/gatewayd", "usr/sbin/gateway-eventd", "usr/bin/gatewayctl", "usr/libexec/gatewayd/modbus",
            "usr/libexec/gatewayd/iec60870", "usr/share/man/man8/gatewayd.8", "usr/share/man/man1/gatewayctl.1",
            "usr/share/man/man5/gatewayd.yaml.5", "usr/share/man/man7/gateway-ipc.7",
            "usr/share/man/man7/gateway-modbus.7", "usr/lib/systemd/system/gatewayd.service",
        ):
            self.assertTrue(os.path.exists(os.path.join(dest, path)), path)
        self.runs_from(dest)

    @unittest.skipUnless(os.path.basename(BUILD) == "build", "the plain build is what is packaged")
    @unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is not installed")
    def test_make_deb(self):
        r = subprocess.run(["make", "-s", "deb"], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(r.returncode, 0, r.stderr)
        (package,) = glob.glob(os.path.join(glob.escape(BUILD), "gatewayd_*.deb"))
        dest = os.path.join(self.dir, "unpacked")
        subprocess.run(["dpkg", "-x", package, dest], check=True)
        depends = subprocess.run(
            ["dpkg-deb", "-f", package, "Depends"], check=True, capture_output=True, text=True
        ).stdout
        depends = depends.replace("libc-ares", "libcares")  # its name in Debian 12, and in Debian 13
        needed = subprocess.run(
            ["sh", "-c", "for f in usr/sbin/* usr/bin/* usr/libexec/gatewayd/*; do readelf -d $f; done"],
            cwd=dest, check=True, capture_output=True, text=True,
        ).stdout
        for library in set(re.findall(r"NEEDED.*\[lib([a-z]+)", needed)) - {"c", "m"}:
            library = {"crypto": "ssl"}.get(library, library)
            self.assertIn(f"lib{library}", depends)
        self.assertEqual(os.listdir(os.path.join(dest, "etc/gatewayd")), [], "what is there is the site's")
        self.runs_from(dest)
        if shutil.which("lintian"):
            r = subprocess.run(["lintian", "--allow-root", package], capture_output=True, text=True)
            self.assertEqual((r.returncode, r.stdout), (0, ""))

    @unittest.skipIf("san" in os.path.basename(BUILD), "a sanitized program is for those who have its sources")
    def test_no_program_names_the_folder_that_it_was_built_in(self):
        programs = [program(name) for name in ("gatewayd", "gateway-eventd", "gatewayctl", "gateway-web")]
        for path in programs + glob.glob(os.path.join(glob.escape(BUILD), "libexec", "*")):
            with open(path, "rb") as f:
                self.assertNotIn(ROOT.encode() + b"\0", f.read(), path)

    @unittest.skipUnless(os.environ.get("LONG"), "builds twice: LONG=1")
    @unittest.skipUnless(shutil.which("dpkg-deb"), "dpkg-deb is not installed")
    def test_two_folders_give_the_same_package(self):
        files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
        packages = []
        for folder in ("a", "another-folder/below"):
            top = os.path.join(self.dir, folder)
            for name in files:
                os.makedirs(os.path.dirname(os.path.join(top, name)), exist_ok=True)
                shutil.copy(os.path.join(ROOT, name), os.path.join(top, name))
            env = {**os.environ, "SOURCE_DATE_EPOCH": "1795874400", "BUILD": "build"}
            r = subprocess.run(["make", "-s", "-j2", "deb"], cwd=top, env=env, capture_output=True, text=True)
            self.assertEqual(r.returncode, 0, r.stderr)
            (package,) = glob.glob(os.path.join(glob.escape(top), "build", "gatewayd_*.deb"))
            with open(package, "rb") as f:
                packages.append(f.read())
        self.assertTrue(packages[0] == packages[1], "they differ")


if __name__ == "__main__":
    unittest.main()
