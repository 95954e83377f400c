"""How gatewayctl is called, and that its manual page and its completion say so."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from gatewayd import ROOT, WAIT_S, Ctl, probe, program  # noqa: E402
from manual import displays, source  # noqa: E402
from test_control import Case  # noqa: E402

BAY = os.path.join(ROOT, "tests", "lib", "bay.cid")


class Usage(Case):
    def test_codes(self):
        ctl = Ctl("/nonexistent/control")
        for args in ((), ("nonsense",), ("status", "--bad"), ("watch", "--count", "0"), ("enable",)):
            self.assertEqual(ctl.run(*args).returncode, 2, args)
        r = ctl.run("status")
        self.assertEqual(r.returncode, 3)
        self.assertIn("/nonexistent/control", r.stderr)
        self.assertIn("--socket", r.stderr)
        self.assertEqual(Ctl("/" + "x" * 200).run("status").returncode, 3)
        for args, text in ((("status", "--diff"), "--diff is no option of status"),
                           (("--count", "3", "watch"), "--count is an option of some commands")):
            r = ctl.run(*args)
            self.assertEqual(r.returncode, 2)
            self.assertIn(text, r.stderr)
        r = ctl.run("--version")
        self.assertRegex(r.stdout, r"^gatewayctl \d+\.\d+\.\d+\n$")

    def test_help_of_every_command(self):
        ctl = Ctl("/nonexistent/control")
        text = ctl.text("--help")
        names = re.findall(r"(?m)^  ([a-z]+) ", text)
        self.assertGreaterEqual(len(names), 13)
        for name in names:
            if name != "help":
                self.assertIn(f"gatewayctl {name}", ctl.text(name, "--help"))
            text += ctl.text(name, "--help")
            if name != "help":
                self.assertEqual(ctl.text("help", name), ctl.text(name, "--help"))
        text += subprocess.run([program("gatewayd"), "--help"], capture_output=True, text=True).stdout
        self.assertEqual([line for line in text.splitlines() if len(line) > 79], [])

    def test_a_closed_output(self):
        """What is printed goes nowhere, and not to gatewayd in its place."""
        g = self.serve([probe("p1")])
        for args in (("status",), ("watch", "--timeout", "0.3")):
            r = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", *g.ctl.argv(*args)],
                               stderr=subprocess.PIPE, text=True, timeout=WAIT_S)
            self.assertEqual((r.returncode, r.stderr),
                             (1, "gatewayctl: standard output: Bad file descriptor\n"))

    def answered_by(self, packets):
        """A gatewayctl whose gatewayd says these packets, whatever is asked."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(s.close)
        s.bind(folder.name + "/control")
        s.listen()

        def serve():
            with contextlib.suppress(OSError), s.accept()[0] as c:
                c.recv(1 << 17)
                for packet in packets:
                    c.send(packet)
                c.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        return Ctl(folder.name + "/control")

    def test_answers_that_make_no_sense(self):
        for packet in (b"x", b"{}", b'{"rows": [1]}', b'{"rows": [], "end": true}', b" " * 140000, b""):
            r = self.answered_by([packet]).run("status")
            self.assertEqual((r.returncode, r.stdout), (3, ""), packet[:40])
            self.assertNotEqual(r.stderr, "")
        r = self.answered_by([]).run("watch", "--timeout", "0.1")
        self.assertEqual(r.returncode, 3)
        r = self.answered_by([]).run("events", "--timeout", "0.1")
        self.assertEqual(r.returncode, 3)
        self.assertIn("in time", r.stderr)
        row = b'{"rows": [{"name": 5, "pid": "x", "since": [], "extra": {}}], "end": true, "code": 0}'
        self.assertIn("5", self.answered_by([row]).text("status"))
        row = b'{"rows": [{"kind": "event"}, {"kind": "new"}, {}], "end": true, "code": 0}'
        self.assertEqual(len(self.answered_by([row]).text("watch").splitlines()), 1)
        row = b'{"rows": [{"plan": 7, "obituaries": {}, "device": []}], "end": true, "code": 0}'
        self.answered_by([row]).text("show", "x")

    def test_default_socket(self):
        g = self.serve([])
        for env in ({"RUNTIME_DIRECTORY": g.runtime}, None):
            if env is None:
                os.symlink(g.runtime, os.path.join(g.dir, "gatewayd"))
                env = {"XDG_RUNTIME_DIR": g.dir}
            r = subprocess.run(
                [program("gatewayctl"), "info"], env=env, capture_output=True, timeout=WAIT_S
            )
            self.assertEqual(r.returncode, 0, r.stderr)


class Documents(Case):
    """What the manual page and the completion say is so."""

    def path_with_ctl(self, g):
        """A PATH on which gatewayctl is ours, asking g."""
        folder = os.path.join(g.dir, "bin")
        os.makedirs(folder, exist_ok=True)
        wrapper = os.path.join(folder, "gatewayctl")
        with open(wrapper, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec "{program("gatewayctl")}" "$@"\n')
        os.chmod(wrapper, 0o755)
        return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "RUNTIME_DIRECTORY": g.runtime}

    def test_examples_of_the_manual_page(self):
        examples = [c for block in displays("gatewayctl.1") for c in re.split(r"(?m)^\$ ", block) if c]
        self.assertGreaterEqual(len(examples), 9)
        g = self.serve([probe("plc1", interval_ms=50)])
        g.wait_connected()
        for example in examples:
            r = subprocess.run(
                ["bash", "-c", example],
                env=self.path_with_ctl(g), capture_output=True, text=True, timeout=3 * WAIT_S,
            )
            self.assertEqual((r.returncode, r.stderr), (0, ""), example)

    def test_every_command_is_in_the_manual_page(self):
        text = Ctl("/nonexistent").text("--help")
        self.assertEqual(
            set(re.findall(r"(?m)^\.It (?:Xo\n\.)?Cm (\w+)", source("gatewayctl.1"))), set(re.findall(r"(?m)^  ([a-z]+) ", text))
        )

    def complete(self, env, *words, shell="bash"):
        source = os.path.join(ROOT, "etc", "gatewayctl." + ("fish" if shell == "fish" else f"{shell}-completion"))
        scripts = {
            "bash": f'source "{source}"; COMP_LINE="$*"; COMP_POINT=${{#COMP_LINE}}; _gatewayctl;'
            ' printf "%s\\n" "${COMPREPLY[@]}"',
            # compadd belongs to the line editor: here it prints.
            "zsh": 'compadd() { while [[ $1 == -* ]] { [[ $1 == -S ]] && shift; shift }; print -l -- "$@" };'
            f' words=("$@"); CURRENT=$#; source "{source}"',
            "fish": f'source "{source}"; complete -C (string join " " -- $argv)',
        }
        argv = {
            "bash": ["bash", "-c", scripts["bash"], "bash", "gatewayctl", *words],
            "zsh": ["zsh", "-f", "-c", scripts["zsh"], "zsh", "gatewayctl", *words],
            "fish": ["fish", "--no-config", "-c", scripts["fish"], "gatewayctl", *words],
        }[shell]
        r = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=WAIT_S)
        self.assertEqual(r.stderr, "")
        return set(r.stdout.split())

    def test_completion(self):
        g = self.serve([probe("plc1"), probe("plc2"), probe("rtu3")])
        env = self.path_with_ctl(g)
        commands = set(re.findall(r"(?m)^  ([a-z]+) ", g.ctl.text("--help")))
        self.assertEqual(self.complete(env, ""), commands)
        self.assertEqual(self.complete(env, "re"), {"read", "restart", "reload"})
        self.assertEqual(self.complete(env, "show", "pl"), {"plc1", "plc2"})
        self.assertEqual(self.complete(env, "--json", "status", "plc1", "r"), {"rtu3"})
        self.assertEqual(self.complete(env, "enable", "--w"), {"--wait"})
        self.assertEqual(self.complete(env, "log", "plc1", "de"), {"debug"})
        self.assertEqual(self.complete(env, "wait", "plc1", "ru"), {"running"})
        self.assertEqual(self.complete(env, "wait", "plc1", "he"), {"healthy"})
        self.assertEqual(self.complete(env, "status", "--sort", "st"), {"state"})
        self.assertEqual(self.complete(env, "status", "--filter", "st"), {"state="})
        self.assertEqual(self.complete(env, "help", "inf"), {"info"})
        self.assertIn("--json", self.complete(env, "--"))
        self.assertNotIn("--wait", self.complete(env, "status", "--"))
        for words, offered in (
            (("status", "--filter", "state=st"), {"state=starting", "state=stopping"}),
            (("status", "--filter", "name=p"), {"name=plc1", "name=plc2"}),
            (("status", "--columns", "name,si"), {"name,since"}),
            (("status", "--columns=name,si"), {"--columns=name,since"}),
            (("status", "--sort", "-re"), {"-restarts", "-remotes"}),
            (("status", "probe/p"), {"probe/plc1", "probe/plc2"}),
            (("--color", "a"), {"auto", "always"}),
            (("health", "--filter", "state=d"), {"state=degraded", "state=down"}),
            (("events", "plc1/gateway/r"), {"plc1/gateway/running"}),
            (("events", "--type", "gateway/probe/rtu3/gateway/"), {"gateway/probe/rtu3/gateway/running"}),
            (("events", "--since", "1"), {"15m", "1h", "1d", "1w"}),
            (("new", "iec104"), {"iec104_master", "iec104_slave"}),
            (("new", "iec61850_client", "bay", "--scl", BAY, "--ied", ""), {"BAY1"}),
            (("new", "ping", ""), set()),
            (("help", "status", ""), set()),
            (("describe", "plc1", ""), set()),
            (("-s", g.socket, "show", "r"), {"rtu3"}),
        ):
            with self.subTest(words):
                self.assertEqual(set(g.ctl.text("complete", *(() if words[0] == "-s" else ("-s", g.socket)),
                                                *words).split()), offered)
        # bash holds what stands before = for a word of its own.
        self.assertEqual(self.complete(env, "status", "--filter", "state=ba"), {"backoff"})
        for shell in "bash", "zsh", "fish":
            if shutil.which(shell):
                for words, offered in ((("show", "pl"), {"plc1", "plc2"}), (("re",), {"read", "restart", "reload"}),
                                       (("new", "smp"), {"smpp_client"})):
                    self.assertEqual(self.complete(env, *words, shell=shell), offered)
                self.assertIn("BAY1", "\n".join(self.complete(
                    env, "new", "iec61850_client", "x", "--scl", BAY, "--ied", "", shell=shell)))
        self.assertIn(BAY, self.complete(env, "new", "iec61850_client", "x", "--scl", BAY[:-6]))
        other = {**env, "RUNTIME_DIRECTORY": "/nonexistent"}
        self.assertEqual(self.complete(other, "show", ""), set())
        self.assertEqual(
            self.complete(other, "--socket", g.socket, "show", ""), {"plc1", "plc2", "rtu3"}
        )

    def test_completion_knows_every_option(self):
        ctl = Ctl("/nonexistent")
        top = set(re.findall(r"--[a-z-]+", ctl.text("--help").partition("\n\n  -j")[2])) - {"--version"}
        for name in re.findall(r"(?m)^  ([a-z]+) ", ctl.text("--help")):
            if name == "help":
                continue
            usage = re.match(r"(?s)usage.*?\n(?! )", ctl.text(name, "--help"))[0]
            own = set(re.findall(r"--[a-z-]+", ctl.text("new", "--help") if name == "new" else usage))
            offered = set(ctl.text("complete", name, "--").split()) - {"--version"}
            self.assertEqual(offered, own | ({"--help"} if name == "new" else top), name)


if __name__ == "__main__":
    unittest.main()
