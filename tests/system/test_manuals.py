"""What the manual pages show is run: commands (after the prompt "$ "), configurations and bytes in their EXAMPLES,
as mandoc and groff render them. The examples of a field protocol's page are run where its device types are
tested."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from eventer import EventerServer, Json  # noqa: E402
from gatewayd import BUILD, PROBE, ROOT, WAIT_S, Ctl, Gateway, program, wait_until  # noqa: E402
from manual import commands, displays, pages, rendered, source  # noqa: E402

PROGRAMS = ("gatewayctl.1", "gatewayd.8", "gateway-eventd.8")

RUNNER = r'''#!/usr/bin/python3
# A runner of somebody else's, from gateway-ipc(7) alone.
import socket
s = socket.socket(fileno=3)
s.settimeout(30)
def say(number, body, id=0):
    s.send(number.to_bytes(2, "little") + b"\0\0" + id.to_bytes(4, "little") + body)
s.recv(65536)
say(32, b"\x90", 2)
say(34, b"\x90")
s.send(bytes.fromhex("EXAMPLE"))
while True:
    packet = s.recv(65536)
    number, id = packet[0], int.from_bytes(packet[4:8], "little")
    if number == 6:
        say(39, b"\x90", id)
    if number == 7:
        break
'''


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-manual-")
        self.addCleanup(shutil.rmtree, self.dir)
        os.symlink(BUILD, os.path.join(self.dir, "build"))
        self.env = {**os.environ, "PATH": f"{BUILD}:{os.environ['PATH']}"}

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path


class Pages(unittest.TestCase):
    def test_references_lead_somewhere(self):
        for page in pages():
            for name, section in re.findall(r"(?m)^\.Xr (\S+) (\d)", source(page)):
                if name.startswith("gateway"):
                    self.assertIn(f"{name}.{section}", pages(), page)

    def test_sections_that_a_reader_expects(self):
        for page in pages():
            found = set(re.findall(r"(?m)^\.Sh ([A-Z ]+)$", source(page)))
            self.assertLessEqual({"NAME", "DESCRIPTION", "SEE ALSO"}, found, page)
            if page in PROGRAMS:
                self.assertLessEqual({"SYNOPSIS", "EXIT STATUS", "FILES"}, found, page)

    def test_examples_look_the_same_everywhere(self):
        for page in pages():
            if "\n.Sh EXAMPLES\n" in source(page):
                self.assertTrue(displays(page) or "samples/" in source(page), page)

    def test_options_are_those_of_the_programs(self):
        for page in PROGRAMS:
            out = subprocess.run([program(page[:-2]), "--help"], capture_output=True, text=True, check=True)
            for option in set(re.findall(r"--([a-z-]+)", out.stdout)):
                self.assertRegex(rendered(page), rf"--{option}\b", (page, option))


class Configuration(Case):
    def test_examples_are_checked(self):
        texts = displays("gatewayd.yaml.5")
        self.assertEqual(len(texts), 3)
        for text in texts:
            path = self.write("x.yaml", re.sub(r"runner: \S+\n( *)type: \S+", rf"runner: {PROBE}\n\1type: probe", text))
            r = subprocess.run(
                [program("gatewayd"), "--check", "--config", path], capture_output=True, text=True
            )
            self.assertEqual(r.returncode, 0, r.stderr + text)
            self.assertNotIn("warning", r.stderr)


class Programs(Case):
    def test_gatewayd(self):
        check, run = commands("gatewayd.8")
        self.write("site.yaml", displays("gatewayd.yaml.5")[0])
        r = subprocess.run(
            check, shell=True, cwd=self.dir, env=self.env, capture_output=True, text=True
        )
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertEqual(displays("gatewayd.8")[0], f"$ {check}\n{r.stdout}".rstrip())
        with subprocess.Popen(
            ["sh", "-c", run.replace("build/gatewayd", "exec build/gatewayd")], cwd=self.dir,
            stderr=subprocess.DEVNULL,
        ) as p:
            try:
                ctl = Ctl(os.path.join(self.dir, "run", "control"))
                wait_until(lambda: ctl.run("status").returncode == 0, "it answers")
                wait_until(lambda: os.listdir(os.path.join(self.dir, "state")), "it keeps events")
                p.send_signal(signal.SIGTERM)
                self.assertEqual(p.wait(WAIT_S), 0)
            finally:
                p.kill()

    def test_gateway_eventd(self):
        lines = commands("gateway-eventd.8")
        self.assertEqual(len(lines), 5)
        folder = os.path.join(self.dir, "eventd")
        os.mkdir(folder)
        places = (("/run/gateway-eventd", folder), ("/var/lib/gateway-eventd", os.path.join(folder, "data")),
                  ("/etc/gateway-eventd.token", os.path.join(folder, "token")), ("192.0.2.1:23012", "127.0.0.1:0"),
                  ("/var/backups", folder))
        g = Gateway()  # whose Event Server is saved
        self.addCleanup(g.close)
        g.wait(lambda: g.ctl("info")[0]["link"] == "connected", "the built-in Event Server answers")
        places = (("/run/gatewayd", g.runtime), *places)
        serves = "listening on /"
        for line, ready in zip(lines, (serves, serves, None, None, "listening on 127.0.0.1:")):
            for there, here in places:
                line = line.replace(there, here)
            if not ready:
                subprocess.run(line, shell=True, check=True, env=self.env)
                continue
            with subprocess.Popen(
                ["sh", "-c", f"exec {line}"], env=self.env, stderr=subprocess.PIPE, text=True
            ) as p:
                try:
                    self.assertIn(ready, p.stderr.readline())
                    p.terminate()
                    self.assertEqual(p.wait(WAIT_S), 0)
                finally:
                    p.kill()

    def test_gateway_iec101(self):
        with open(os.path.join(ROOT, "etc/samples/iec101-master.yaml"), encoding="utf-8") as f:
            conf = f.read()
        g = Gateway(conf)
        self.addCleanup(g.close)
        g.wait_connected()
        lines = commands("gateway-iec101.7")
        self.assertEqual(len(lines), 3)
        for line in lines:
            r = subprocess.run(
                line, shell=True, env={**self.env, **g.env, "PATH": self.env["PATH"]}, capture_output=True,
                text=True,
            )
            self.assertEqual(r.returncode, 0, (line, r.stderr))


class Contract(Case):
    def test_table_is_that_of_the_code(self):
        with open(os.path.join(ROOT, "ipc", "message.h"), encoding="utf-8") as f:
            code = dict(re.findall(r"\bX\(([A-Z_]+), (\d+), IPC_", f.read()))
        page = dict(re.findall(r"(?m)^\.It ([A-Z_]+) Ta (\d+) Ta", source("gateway-ipc.7")))
        self.assertEqual(page, code)

    def test_a_runner_written_from_the_page(self):
        (text,) = displays("gateway-ipc.7")
        example = "".join(re.findall(r"(?m)^ *((?:[0-9a-f]{2} ?)+)(?:  |$)", text)).replace(" ", "")
        path = self.write("runner", RUNNER.replace("EXAMPLE", example))
        os.chmod(path, 0o755)
        server = EventerServer()
        self.addCleanup(server.close)
        server.preset("gateway/own/dev/system/enable", Json(True))
        g = Gateway(
            {
                "devices": [{"runner": path, "type": "own", "name": "dev"}],
                "event_server": {"eventer_server": {"host": "127.0.0.1", "port": server.port}},
            }
        )
        self.addCleanup(g.close)
        event = server.wait_event("gateway/own/dev/gateway/value")
        self.assertEqual((event.payload, event.source_timestamp), (Json(7), None))
        server.notify([server.event("gateway/own/dev/system/enable", Json(False))])
        g.wait_state("dev", "disabled")
        self.assertEqual(g.ctl("show", "dev")[0]["obituaries"], [])


if __name__ == "__main__":
    unittest.main()
