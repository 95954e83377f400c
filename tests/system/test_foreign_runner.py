"""A third party's runner, which has nothing of the project but gateway-ipc(7)."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import runner_host  # noqa: E402
from gatewayd import BUILD, ROOT, WAIT_S, Gateway, program, wait_until  # noqa: E402

RUNNER = os.path.join(ROOT, "tests", "lib", "foreign_runner.py")
# Python and its libraries are larger than a runner in C.
LIMITS = {"memory": 1 << 30}
SANITIZED = "san" in os.path.basename(BUILD)


# It tries what a stranger's program might, says how that went, and goes on.
BURGLAR = """#!/usr/bin/python3 -I
import ctypes, errno, os, socket, threading
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what, act):
    try:
        act()
        print(what + ": done", flush=True)
    except (OSError, RuntimeError) as e:
        print(what + ": " + errno.errorcode.get(getattr(e, "errno", 0), str(e)), flush=True)
def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
def fork():
    if os.fork() == 0:
        os._exit(0)
attempt("socket", lambda: socket.socket().close())
attempt("fork", fork)
attempt("signal", lambda: os.kill(os.getppid(), 0))
attempt("trace", lambda: call("ptrace", 16, 0x7fffffff, 0, 0))
attempt("namespace", lambda: call("unshare", 0))
attempt("shadow", lambda: open("/etc/shadow"))
attempt("passwd", lambda: open("/etc/passwd"))
attempt("memory", lambda: open(f"/proc/{os.getppid()}/mem"))
attempt("folder", lambda: os.listdir("/tmp"))
attempt("file", lambda: open("/tmp/burglar-was-here", "w"))
attempt("library", lambda: open("/usr/lib/os-release"))
attempt("thread", lambda: threading.Thread(target=lambda: None).start())
s = socket.socket(fileno=3)
s.setblocking(True)
def say(kind, body, id=bytes(4)):
    s.send(bytes([kind, 0, 0, 0]) + id + body)
say(32, b"\\x90", b"\\2\\0\\0\\0")
say(34, b"\\x90")
while True:
    packet = s.recv(65536)
    if not packet:
        while True:
            threading.Event().wait(100)  # it does not care for the end of the supervisor
    if packet[0] == 6:
        say(38, b"\\x90", packet[4:8])
    elif packet[0] == 7:
        break
"""


def meter(**conf):
    return {"name": "meter7", "type": "acme_meter", "runner": RUNNER, "limits": LIMITS, **conf}


class Foreign(unittest.TestCase):

    def value(self, g, kind):
        for name, row in g.events("*").items():
            if name.endswith("acme_meter/meter7/gateway/" + kind):
                return row["payload"]
        return None

    def test_it_is_a_device_like_any_other(self):
        with Gateway({"devices": [meter(address="10.0.0.7")]}) as g:
            g.enable("meter7")
            g.wait_state("meter7", "running")
            g.wait(lambda: (self.value(g, "value") or 0) > 3, "values")
            g.wait_log("ready, as acme_meter meter7")
            pid = g.status("meter7")["pid"]
            g.disable("meter7")
            g.wait_state("meter7", "disabled")
            self.assertEqual(self.value(g, "last"), "words")
            self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_of_another_version(self):
        """Each side refuses the other, and names both versions."""
        devices = [dict(meter(address="10.0.0.7", version=v), name=f"v{v}") for v in (0, 3)]
        with Gateway({"devices": devices}) as g:
            g.enable("v0", "v3")
            for name, said in ("v0", 1), ("v3", 3):
                died = g.wait(lambda n=name: g.ctl("show", n)[0]["obituaries"], f"the end of {name}")
                self.assertEqual(died[0]["cause"], f"protocol violation: the runner speaks version {said} of the IPC "
                                 "contract, gatewayd speaks 2")
        ours = runner_host.Runner(program("libexec/modbus"), "modbus_slave", {}, version=3)
        self.addCleanup(ours.stop)
        self.assertEqual(ours.process.wait(WAIT_S), 1)
        wait_until(lambda: ours.closed not in (None, "eof"), "its reason")
        self.assertEqual(ours.closed, "this runner speaks version 2 of the IPC contract, the supervisor speaks 3")

    def test_it_is_locked_before_it_begins(self):
        with tempfile.TemporaryDirectory() as folder:  # which nobody cannot enter
            path = os.path.join(folder, "runner")
            with open(path, "w", encoding="utf-8") as f:
                f.write(BURGLAR)
            os.chmod(path, 0o755)
            burglar = {"type": "burglar", "runner": path, "limits": LIMITS}
            with Gateway({"devices": [{"name": "locked", **burglar},
                                      {"name": "free", "sandbox": "off", **burglar}]}) as g:
                g.enable("locked", "free")
                for what in ("socket", "fork", "signal", "trace", "namespace"):
                    g.wait_log(f"locked: {what}: EPERM")
                for what in ("shadow", "passwd", "memory", "folder", "file"):
                    g.wait_log(f"locked: {what}: EACCES")
                g.wait_log("locked: library: done")
                for what in ("socket", "fork", "signal", "namespace"):
                    g.wait_log(f"free: {what}: done")
                # It has the supervisor's filter, which is not the lock of a runner.
                g.wait_log(f"free: trace: {'ESRCH' if SANITIZED else 'EPERM'}")
                for name in ("locked", "free"):
                    g.wait_log(f"{name}: thread: done")
                    g.wait_state(name, "running")
                box = g.ctl("show", "locked")[0]["sandbox"]
                self.assertEqual((box["seccomp"], box["no_new_privs"], box["core"]), ("filter", True, 0))
                self.assertEqual((box["missing"], set(box["capabilities"])), (None, {"0"}))
                self.assertNotEqual(box["uid"], 0)
                free = g.ctl("show", "free")[0]["sandbox"]
                self.assertEqual((free["seccomp"], free["missing"]),
                                 ("none" if SANITIZED else "filter", "not locked: no filter of system calls"))
                # It ends with the supervisor, however that ends.
                pid = g.status("locked")["pid"]
                g.stop(signal.SIGKILL)
                wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "its end")
                g.start()

    def test_what_it_may_read_is_configured(self):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            os.mkdir(os.path.join(folder, "lib"), 0o755)
            path, module = os.path.join(folder, "runner"), os.path.join(folder, "lib", "acme.py")
            with open(module, "w", encoding="utf-8") as f:
                f.write("print('the module of acme', flush=True)\n")
            with open(path, "w", encoding="utf-8") as f:
                f.write(f"#!/usr/bin/python3 -I\nimport sys\nsys.path.append('{folder}/lib')\nimport acme\n")
            os.chmod(path, 0o755)
            device = {"type": "acme", "runner": path, "limits": LIMITS}
            with Gateway({"devices": [{"name": "with", "runner_reads": [folder + "/lib"], **device},
                                      {"name": "without", **device}]}) as g:
                g.enable("with", "without")
                g.wait_log("with: the module of acme")
                g.wait_log("No module named 'acme'")

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes another user")
    def test_root_does_not_run_what_nobody_can_execute(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "runner")
            with open(path, "w", encoding="utf-8") as f:
                f.write(BURGLAR)
            os.chmod(path, 0o700)
            with Gateway({"devices": [{"name": "p", "type": "burglar", "runner": path}]}) as g:
                g.enable("p")
                g.wait_log("is not executable by user 65534")

    def test_its_faults_have_lines(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gatewayd.yaml")
            with open(path, "w", encoding="utf-8") as f:
                json.dump({"type": "gateway", "name": "gw", "devices": [meter()]}, f)
            r = subprocess.run([program("gatewayd"), "--check", "--config", path],
                               capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(r.returncode, 78)
            self.assertIn("expected where the meter is", r.stderr)

    def test_a_check_does_not_wait_for_one_that_goes_on(self):
        with Gateway() as g:
            g.write_config({"devices": [meter(address="10.0.0.7", heedless=True)]})
            g.ctl("reload")
            self.assertEqual(list(g.status()), ["meter7"])
            g.wait_log("violated the protocol: ready during a check, which ends with the plan")
            g.enable("meter7")
            g.wait_state("meter7", "running")


if __name__ == "__main__":
    unittest.main()
