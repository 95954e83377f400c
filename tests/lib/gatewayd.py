"""Starts build/gatewayd for a test and asks it through build/gatewayctl.

    with Gateway({"devices": [probe("p1")]}) as g:
        g.enable("p1")
        g.wait_state("p1", "running")
        print(g.ctl("status"))

Everything lives in a folder of its own below the temporary directory. Waits are on conditions, with
a deadline; a wait that fails shows the gateway's log. $BUILD names the build folder (default: build).
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from patience import WAIT_S

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
PROBE = os.path.join(BUILD, "tests", "lib", "probe-runner")
SANITIZER = re.compile("ERROR: (Address|Leak)Sanitizer|: runtime error: ")


def program(name):
    """The path of a built program; a test that needs a missing one is skipped."""
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        import unittest

        raise unittest.SkipTest(f"{path} is not built")
    return path


def probe(name, **conf):
    """A device of the probe runner (tests/lib/probe_runner.c)."""
    return {"name": name, "runner": PROBE, "type": "probe", **conf}


def wait_until(condition, what, seconds=None, log=None):
    """The first true value of condition(), which is asked again and again."""
    deadline = time.monotonic() + (seconds or WAIT_S)
    delay = 0.005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            tail = "\n".join(log()[-40:]) if log else ""
            raise AssertionError(f"not in time: {what}\n{tail}")
        time.sleep(delay)
        delay = min(delay * 1.5, 0.1)


class CtlError(Exception):
    """gatewayctl ended with another code than 0."""

    def __init__(self, argv, code, text):
        super().__init__(f"{' '.join(map(str, argv))}: exit {code}: {text.strip()}")
        self.code = code
        self.text = text


class Ctl:
    """gatewayctl on one socket."""

    def __init__(self, socket, program_path=None):
        self.socket = socket
        self.program = program_path or program("gatewayctl")

    def argv(self, *args):
        return [self.program, "--socket", self.socket, *map(str, args)]

    def run(self, *args, timeout=None):
        """The finished process, its output as text."""
        return subprocess.run(
            self.argv(*args), capture_output=True, text=True, timeout=timeout or 3 * WAIT_S
        )

    def text(self, *args, timeout=None):
        """What people see; CtlError unless it ends with 0."""
        r = self.run(*args, timeout=timeout)
        if r.returncode != 0:
            raise CtlError(args, r.returncode, r.stderr)
        return r.stdout

    def __call__(self, *args, timeout=None):
        """The rows of `gatewayctl --json ARGS`."""
        text = self.text("--json", *args, timeout=timeout)
        if args and args[0] in ("watch", "trace"):
            return [json.loads(line) for line in text.splitlines()]
        return json.loads(text)

    def start(self, *args):
        """A running gatewayctl with a pipe at its stdout, for watch and trace; the caller ends it."""
        return subprocess.Popen(
            self.argv(*args),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )


class Gateway:
    """One gatewayd. conf: a dict (keys that are missing get defaults) or the text of the file. wrap: a command that
    runs it by exec."""

    def __init__(self, conf=None, args=(), env=None, start=True, wrap=()):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.runtime = os.path.join(self.dir, "run")
        self.state = os.path.join(self.dir, "state")
        os.mkdir(self.runtime)
        os.mkdir(self.state)
        self.config = os.path.join(self.dir, "gatewayd.yaml")
        self.socket = os.path.join(self.runtime, "control")
        self.write_config(conf or {})
        self.args = list(args)
        self.wrap = list(wrap)
        self.env = {
            **os.environ,
            "RUNTIME_DIRECTORY": self.runtime,
            "STATE_DIRECTORY": self.state,
            **(env or {}),
        }
        self.env.pop("NOTIFY_SOCKET", None)
        self.process = None
        self.lines = []
        self._reader = None
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def write_config(self, conf):
        if isinstance(conf, dict):
            conf = json.dumps({"type": "gateway", **({} if "gateway_name" in conf else {"name": "gw"}), "devices": [], **conf}, indent=1)
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(conf)

    # --- the process ---

    def start(self, wait=True):
        self.process = subprocess.Popen(
            [*self.wrap, program("gatewayd"), "--config", self.config, *self.args],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(
            target=self._read_log, args=(self.process.stderr,), daemon=True
        )
        self._reader.start()
        self.ctl = Ctl(self.socket)
        if wait:
            self.wait(self._answers, "the control socket answers")

    def _read_log(self, pipe):
        with pipe:
            for line in pipe:
                self.lines.append(line.rstrip("\n"))

    def _answers(self):
        if self.process.poll() is not None:
            self._reader.join(WAIT_S)
            raise AssertionError(
                f"gatewayd ended with {self.process.returncode}:\n" + "\n".join(self.lines[-40:])
            )
        return self.ctl.run("status").returncode == 0

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """The lines that gatewayd wrote so far."""
        return list(self.lines)

    def stop(self, sig=signal.SIGTERM):
        """Ends it and returns its exit code (negative: the signal)."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(sig)
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("gatewayd did not end:\n" + "\n".join(self.lines[-40:]))
        self._reader.join(WAIT_S)
        code, self.process = self.process.returncode, None
        return code

    def close(self):
        try:
            if self.process is not None and self.process.poll() is None:
                with contextlib.suppress(AssertionError):
                    self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)
        found = [n for n, line in enumerate(self.lines) if SANITIZER.search(line)]
        if found:
            raise AssertionError("a sanitizer complains:\n" + "\n".join(self.lines[found[0] :][:60]))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    # --- what it says ---

    def wait(self, condition, what, seconds=None):
        return wait_until(condition, what, seconds, self.log)

    def wait_log(self, text, seconds=None):
        """The first line of the log that holds text."""
        return self.wait(
            lambda: next((line for line in self.lines if text in line), None),
            f"'{text}' in the log",
            seconds,
        )

    def status(self, name=None):
        """All rows by name, or the row of one device."""
        if name is not None:
            return self.ctl("status", name)[0]
        return {row["name"]: row for row in self.ctl("status")}

    def wait_state(self, names, state, seconds=None):
        """Until the device, or each of these devices, is in that state."""
        names = [names] if isinstance(names, str) else list(names)

        def reached():
            rows = self.status()
            return all(rows[n]["state"] == state for n in names) and rows

        return self.wait(reached, f"{', '.join(names[:5])} {state}", seconds)

    def wait_connected(self, seconds=None):
        return self.wait(
            lambda: self.ctl("info")[0]["link"] == "connected", "the Event Server", seconds
        )

    def enable(self, *names):
        """Registers 'enable' true, once the Event Server is connected."""
        self.wait_connected()
        self.ctl("enable", *names)

    def disable(self, *names):
        self.wait_connected()
        self.ctl("disable", *names)

    def events(self, *types):
        """The latest events, by type joined with '/'."""
        return {"/".join(row["type"]): row for row in self.ctl("events", *types)}
