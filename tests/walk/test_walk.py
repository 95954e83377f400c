"""Three people, each from the README and the manual pages alone: what they type is taken from there as it is
rendered, and what they see is looked at in terminals of 60, 80 and 200 columns."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import ROOT, wait_until  # noqa: E402
from manual import commands, displays  # noqa: E402
from person import USER, Person, unpack, with_network  # noqa: E402
from screen import Screen  # noqa: E402
from shapes import described, faults, shape_of  # noqa: E402
from systemd_box import Box  # noqa: E402

WIDTHS = 60, 80, 200
SLOW_S = 1500  # to install and build
PLC = "192.0.2.10"  # the README's
SIMULATOR = f"/home/{USER}/gatewayd/build/tests/lib/modbus-sim"
CONFIG = "/etc/gatewayd/gatewayd.yaml"


def readme(heading):
    """The blocks of code below a heading."""
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
        text = re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", f.read())[1]
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```$|((?:^    [^\n]*\n|^\n(?=    ))+)", text)
    return [yaml or re.sub(r"(?m)^    ", "", indented).strip("\n") + "\n" for yaml, indented in blocks]


def typed(block):
    """The lines of a block without the comments behind them."""
    return [re.sub(r" {2,}#.*", "", line) for line in block.splitlines()]


class Walk(unittest.TestCase):
    """The tests are steps of one day, in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="walk-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.root = unpack(os.environ["WALK_DEBIAN"], ROOT)
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.box, cls.failed = None, False

    def setUp(self):
        if Walk.failed:
            self.skipTest("an earlier step failed")
        Walk.failed = True  # until the step is done

    def tearDown(self):
        outcome = self._outcome.result
        Walk.failed = any(test is self for test, _ in [*outcome.failures, *outcome.errors])

    def person(self, width=80, enter=None, before=""):
        p = Person(self.folder, width, enter or self.box.argv(), before)
        self.addCleanup(p.close)
        return p

    def at_each_width(self, before=""):
        return [self.person(width, before=before) for width in WIDTHS]

    def tell(self, *command):
        r = self.box.run(*command)
        self.assertEqual(r.returncode, 0, (command, r.stdout, r.stderr))
        return r.stdout

    def json(self, *args, code=0):
        """Rows of gatewayctl as root, each of the shape that the page describes."""
        r = self.box.run("gatewayctl", "--json", *args)
        self.assertEqual(r.returncode, code, r.stderr)
        rows = [json.loads(line) for line in r.stdout.splitlines()] if args[0] in ("watch", "trace") else json.loads(r.stdout)
        for row in rows:
            self.assertEqual(faults(described(), shape_of(args[0], row), row), [])
        return rows

    # --- a new user ---

    def test_1_five_minutes(self):
        (command,) = typed(readme("Five minutes")[0])
        enter = with_network(self.root)
        demo = Screen(os.path.join(self.folder, "demo"), 80, 24,
                      [*enter, "su", "-", USER, "-w", "TERM", "--session-command", f"cd gatewayd && {command}"])
        self.addCleanup(demo.close)
        demo.wait(lambda lines: lines[-1] == "gatewayctl status --watch" or demo.ended() is not None, "the demo", SLOW_S)
        whole = demo.whole()
        self.assertIsNone(demo.ended(), whole)
        # Names of packages may wrap; what follows fits.
        start = next(n for n, line in enumerate(whole) if line.startswith("A simulated"))
        self.assertEqual([line for line in whole[start:] if len(line) > 79], [])
        prepare = re.search(r"(?s)Paste this into another terminal:\n(.*?)\n\n", "\n".join(whole))[1]
        other = self.person(80, enter, prepare + "\n")
        show, trace, watch = demo.lines()[-3:]
        self.assertIn("sandbox in force", other.run(show))
        for endless, seen in ((trace, "read holding registers"), (watch, "connected")):
            other.begin(endless)
            other.wait(lambda lines, seen=seen: seen in "\n".join(lines), seen)
            other.keys("C-c")
        demo.keys("C-c")
        wait_until(lambda: demo.ended() == 0, "the demo ends", 30, demo.lines)

    def test_2_a_device_of_ones_own(self):
        layer = os.path.join(self.folder, "layer")  # nothing in it: what is written goes above it
        os.mkdir(layer, 0o755)
        Walk.box = Box(layer, self.root)
        self.addClassCleanup(self.box.close)
        self.tell("ip", "address", "add", PLC + "/32", "dev", "lo")
        self.tell("systemd-run", "-q", "--unit=plc", SIMULATOR, "--host", PLC, "--port", "502", "--registers", "8")
        _, _, yaml, then = readme("Five minutes")
        self.tell("sh", "-c", 'printf %s "$1" >$2; chown $3: $2', "sh", yaml, f"/home/{USER}/gatewayd/plc.yaml", USER)
        p = self.person()
        prepare, check, start, wait, read, health, watch = typed(then)
        p.run(prepare)
        self.assertIn("1 device, no fault", "\n".join(p.run(check, fits=False)))
        p.run(start)
        p.run(wait)
        self.assertRegex("\n".join(p.run(read)), r"(?m)^1/temperature +\d+ ")
        self.assertIn("ok: nothing is wrong", "\n".join(p.run(health)))
        p.begin(watch)
        p.wait(lambda lines: "read/temperature" in "\n".join(lines), "an event")
        p.keys("C-c")
        p.wait(lambda lines: lines[-1].endswith("$"), "the prompt")
        web, _ = typed(readme("In a browser")[0])
        p.run(f"build/{web} --assets web/assets & sleep 1")
        self.assertIn("200 OK", "\n".join(p.run(
            "exec 5<>/dev/tcp/127.0.0.1/9404; printf 'GET / HTTP/1.0\\r\\nHost: 127.0.0.1:9404\\r\\n\\r\\n' >&5;"
            " head -n 1 <&5")))
        p.begin("kill %2 %1; wait")
        p.wait(lambda lines: lines[-1].endswith("$") and len(lines) > 1, "both end")

    def test_3_as_a_service(self):
        p = self.person()
        build, config, enable, status = readme("As a service")[0].splitlines()
        self.assertIn("/etc/gatewayd/gatewayd.yaml is there to be filled in", "\n".join(p.run(build, seconds=SLOW_S, fits=False)))
        p.run(config)
        p.run(enable, fits=False)
        self.tell("gatewayctl", "wait", "plc1", "healthy")
        self.assertRegex("\n".join(p.run(status)), r"(?m)^plc1 +running .* connected +1/1 +\d")
        self.tell("sed", "-i", "s/interval: 1,/interval: one,/", CONFIG)
        self.assertNotEqual(self.box.run("systemctl", "reload", "gatewayd").returncode, 0)
        self.assertEqual(self.json("status")[0]["restarts"], 0)
        self.tell("sed", "-i", "s/interval: one,/interval: 1,/", CONFIG)
        self.tell("systemctl", "reload", "gatewayd")

    # --- an author of configurations ---

    def test_4_an_author(self):
        p = self.person()
        shown = "\n".join(p.run("gatewayctl new", 2))
        types = re.findall(r"\b[a-z0-9]+_(?:master|slave|client|manager|trap_listener)\b|\bping\b",
                           "\n".join(p.run("gatewayctl new nothing x", 2, fits=False)))
        self.assertIn("gatewayctl new TYPE NAME", shown)
        self.assertGreaterEqual(len(types), 12)
        for kind in types:
            self.box.write("/tmp/new.yaml", "name: gw\ndevices:\n" + self.tell("gatewayctl", "new", kind, "d1"))
            self.assertIn("1 device, no fault", self.tell("gatewayd", "--check", "--config", "/tmp/new.yaml"))
        for text in displays("gatewayd.yaml.5")[:1]:
            self.box.write("/tmp/example.yaml", text)
            self.tell("gatewayd", "--check", "--config", "/tmp/example.yaml")
        # A misspelt key, and one with a value that cannot be.
        self.box.write("/tmp/bad.yaml", readme("Five minutes")[2].replace("interval: 1", "intervall: 1").replace(
            "bit_offset: 0", "bit_offset: 17"))
        told = "\n".join(p.run("sudo gatewayd --check --config /tmp/bad.yaml", 78, fits=False))
        self.assertRegex(told, r"/tmp/bad.yaml:\d+:\d+:")
        self.assertIn("interval", told)
        self.assertIn("did you mean", told)
        # One data more, that is written.
        self.tell("sed", "-i", r"/name: temperature/i\          - {name: setpoint, interval: 1, data_type: "
                  r"HOLDING_REGISTER,\n             start_address: 7, bit_offset: 0, bit_count: 16}", CONFIG)
        for q in self.at_each_width():
            self.assertIn("added", " ".join(q.run("sudo gatewayctl reload --diff")))
        p.run("sudo gatewayctl reload")
        self.tell("gatewayctl", "wait", "plc1", "healthy")
        self.assertEqual(p.run("sudo gatewayctl write plc1 setpoint 5"), ["plc1 1/setpoint: SUCCESS"])
        for args in (("describe", "plc1"), ("read", "plc1"), ("reload", "--diff"), ("info",)):
            self.json(*args)
        json.loads(self.tell("gatewayd", "--schema"))

    # --- an operator at three in the morning ---

    def test_5_an_operator(self):
        people = self.at_each_width()
        sixty, eighty, wide = people
        for p in people:
            lines = p.run("sudo gatewayctl status")
            for word in ("NAME", "STATE", "LINK", "REMOTES"):
                self.assertIn(word, lines[0])
            for command in ("health --all", "show plc1", "read plc1", "describe plc1", "events plc1", "info",
                            "help status", "events --since 1h --limit 5"):
                # A command's help is written for 80 columns.
                self.assertNotEqual(p.run(f"sudo gatewayctl {command}", fits="help" not in command), [])
        for args in (("status",), ("health", "--all"), ("show", "plc1"), ("events",), ("top",), ("trace", "--count", "2", "plc1"),
                     ("watch", "--count", "2")):
            self.assertNotEqual(self.json(*args), [])
        # The PLC freezes.
        self.tell("systemctl", "kill", "-s", "STOP", "plc")
        wait_until(lambda: self.box.run("gatewayctl", "health").returncode == 2, "health says it", 60)
        for p in people:
            self.assertRegex("\n".join(p.run("sudo gatewayctl health", 2)), r"(?m)^plc1 .* down ")
            self.assertRegex("\n".join(p.run("sudo gatewayctl status")), r"(?m)^plc1 .* 0/1")
        (row,) = [r for r in self.json("health", code=2) if r["remote"]]
        self.assertEqual((row["device"], row["severity"]), ("plc1", "critical"))
        self.tell("systemctl", "kill", "-s", "CONT", "plc")
        eighty.run("sudo gatewayctl wait plc1 healthy")
        # Its process is killed; what is misspelt; what is short.
        eighty.run("sudo kill -9 $(sudo gatewayctl status plc1 --columns pid | tail -n 1)")
        eighty.run("sudo gatewayctl wait plc1 healthy")
        self.assertIn("SIGKILL", "\n".join(eighty.run("sudo gatewayctl st")))
        self.assertIn("did you mean 'status'?", "\n".join(eighty.run("sudo gatewayctl stauts", 2, fits=False)))
        self.assertIn("did you mean 'plc1'?", "\n".join(eighty.run("sudo gatewayctl show pcl1", 1, fits=False)))
        self.assertIn("no device 'nope'", "\n".join(eighty.run("sudo gatewayctl events nope", 1, fits=False)))
        # Each example of gatewayctl(1).
        for command in commands("gatewayctl.1"):
            if "python3" in command:  # not there in a bare Debian
                continue
            wide.run(re.sub(r"(^|\n)gatewayctl", r"\1sudo gatewayctl", command), fits=False)
        eighty.run("sudo gatewayctl log plc1 debug")
        wait_until(lambda: "read holding registers" in self.tell("journalctl", "-u", "gatewayd", "-o", "cat"),
                   "each request is logged", 30)
        for p in people:
            p.begin("sudo gatewayctl top")
            p.wait(lambda lines: "by CPU" in lines[0] and "plc1" in "\n".join(lines), "top")
            p.keys("n")
            p.wait(lambda lines: "by name" in lines[0], "sorted by name")
            self.assertEqual([line for line in p.whole() if len(line) > p.width], [])
            p.keys("q")
            p.wait(lambda lines: lines[-1].endswith("$"), "the prompt")
        # The tabulator completes names; sudo knows nothing of that, so root's own shell.
        eighty.begin("sudo bash --norc")
        eighty.paste("PS1='# '; source /usr/share/bash-completion/completions/gatewayctl; clear\n")
        eighty.wait(lambda lines: lines == ["#"], "root's prompt")
        for typed_in, whole in (("gatewayctl wri", "gatewayctl write"), ("pl", "plc1"), ("1/s", "1/setpoint")):
            eighty.keys(typed_in, "Tab")
            eighty.wait(lambda lines, whole=whole: lines[-1].endswith(whole), whole)


if __name__ == "__main__":
    unittest.main()
