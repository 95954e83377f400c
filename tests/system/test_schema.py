"""The JSON Schema of the configuration, and what --check says of typical mistakes: exact places, keys and messages."""

import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import mistakes  # noqa: E402
from gatewayd import BUILD, ROOT, WAIT_S, program  # noqa: E402
from json_schema import Validator  # noqa: E402

SAMPLES = sorted(glob.glob(os.path.join(ROOT, "etc/samples/*.yaml")) + glob.glob(os.path.join(ROOT, "tests/dropin/*.yaml")))


def load(text):
    """A YAML text as gatewayd reads it; None where it is at fault."""
    data = text.encode()
    r = subprocess.run([os.path.join(BUILD, "tests/lib/tree-json"), "yaml"], input=len(data).to_bytes(4, "little") + data,
                       capture_output=True, check=True, timeout=WAIT_S)
    tree = r.stdout.decode().split("\t", 1)[1]
    return json.loads(tree) if tree.strip() else None


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        r = subprocess.run([program("gatewayd"), "--schema"], capture_output=True, text=True, timeout=3 * WAIT_S)
        assert (r.returncode, r.stderr) == (0, ""), r.stderr
        cls.schema = json.loads(r.stdout)
        cls.validator = Validator(cls.schema)

    def test_the_file_is_what_the_programs_say(self):
        with open(os.path.join(ROOT, "etc/gatewayd.schema.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), self.schema, "make it again: make schema")

    def test_samples_pass(self):
        self.assertGreater(len(SAMPLES), 25)
        for path in SAMPLES:
            with open(path, encoding="utf-8") as f:
                self.assertEqual(self.validator.faults(load(f.read())), [], path)

    def test_mistakes_of_structure_fail_at_their_key(self):
        self.assertEqual(self.validator.faults(load(mistakes.BASE)), [])
        for m in mistakes.MISTAKES:
            tree = load(mistakes.edited(m))
            if tree is None:
                continue
            found = self.validator.faults(tree)
            self.assertEqual(bool(found), m.schema, (m, found))
            # What is missing at the root is said of the whole.
            if m.schema and m.key != "name":
                self.assertIn(m.key, [path for path, _ in found], m)

    def test_without_runners(self):
        r = subprocess.run([program("gatewayd"), "--schema", "--libexec", "/nonexistent"], capture_output=True, text=True,
                           timeout=WAIT_S)
        self.assertEqual((r.returncode, r.stdout), (1, ""))
        self.assertRegex(r.stderr, "^gatewayd: /nonexistent/modbus: No such file or directory\n$")


class Mistakes(unittest.TestCase):
    def test_each(self):
        self.assertGreaterEqual(len(mistakes.MISTAKES), 25)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "site.yaml")

            def check(text, *args):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(text)
                os.chmod(path, 0o600)  # there are secrets in it
                return subprocess.run([program("gatewayd"), "--check", "--config", path, *args], capture_output=True,
                                      text=True, timeout=3 * WAIT_S)
            self.assertEqual(check(mistakes.BASE, "--strict").stderr, "")
            for m in mistakes.MISTAKES:
                r = check(mistakes.edited(m), "--strict")
                severity = "warning: " if m.warning else ""
                line = f"{re.escape(f'{path}:{m.where}: {severity}{m.key}: ')}.*{re.escape(m.message)}$"
                self.assertRegex(r.stderr, re.compile(line, re.M), m)
                self.assertEqual(r.returncode, 78, m)


if __name__ == "__main__":
    unittest.main()
