"""The demo in a terminal of 80 columns and 24 lines: no line is wrapped, its end stays on the screen, and all the
commands that it prints can be pasted into bash."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD, ROOT, wait_until  # noqa: E402
from screen import Screen  # noqa: E402

WIDTH, HEIGHT = 80, 24


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Demo(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gatewayd-demo-")
        self.addCleanup(shutil.rmtree, self.folder)

    def screen(self, name, command):
        s = Screen(os.path.join(self.folder, name), WIDTH, HEIGHT, command, cwd=ROOT)
        self.addCleanup(s.close)
        return s

    def test_a_person_reads_it_and_pastes(self):
        demo = self.screen("demo", ["env", f"BUILD={BUILD}", "tests/lib/run-demo"])
        demo.wait(lambda lines: lines[-1] == "gatewayctl status --watch", "the last of the commands to try")
        self.assertEqual([line for line in demo.whole() if len(line) > WIDTH - 1], [])
        text = "\n".join(demo.whole())
        self.assertNotIn("gatewayctl:", text)
        self.assertIn("setpoint: SUCCESS", text)
        prepare = re.search(r"(?s)Paste this into another terminal:\n(.*?)\n\n", text)[1]
        printed = re.findall(r"(?m)^\$ (.*)$", text)
        self.assertGreaterEqual(len(printed), 9)
        r = subprocess.run(["bash", "-e", "-c", "\n".join([prepare, *printed])], capture_output=True, text=True,
                           env={**os.environ, "BASH_ENV": ""}, timeout=60)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        tries = demo.lines()[-3:]
        person = self.screen("person", ["bash", "--norc"])
        person.paste(prepare + "\n")
        for line, shown in zip(tries, ("events below", "read holding registers", "connected")):
            person.paste(line + "\n")
            person.wait(lambda lines: shown in "\n".join(lines), f"{shown}, of {line}")
            person.keys("q" if line == tries[0] else "C-c")
            person.keys("C-l")
        self.assertEqual([line for line in person.whole() if len(line) > WIDTH], [])
        demo.keys("C-c")
        wait_until(lambda: demo.ended() == 0, "the demo ends")
        self.assertIn("stops in order", "\n".join(demo.lines()))


if __name__ == "__main__":
    unittest.main()
