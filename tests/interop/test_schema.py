"""The JSON Schema of the configuration in programs of others: yaml-language-server, the editors' server for YAML, and
the validator that hat-gateway brings along."""

import glob
import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import jsonschema  # noqa: E402
import mistakes  # noqa: E402
import yaml  # noqa: E402
from gatewayd import ROOT, WAIT_S  # noqa: E402

SCHEMA = os.path.join(ROOT, "etc/gatewayd.schema.json")
SAMPLES = sorted(glob.glob(os.path.join(ROOT, "etc/samples/*.yaml")))
PACKAGE = "yaml-language-server@1.19.2"


class Validator(unittest.TestCase):
    def test_samples_and_mistakes(self):
        with open(SCHEMA, encoding="utf-8") as f:
            schema = json.load(f)
        jsonschema.Draft7Validator.check_schema(schema)
        validator = jsonschema.Draft7Validator(schema)
        for path in SAMPLES:
            with open(path, encoding="utf-8") as f:
                self.assertEqual([e.message for e in validator.iter_errors(yaml.safe_load(f))], [], path)
        for m in mistakes.MISTAKES:
            if m.schema:
                self.assertFalse(validator.is_valid(yaml.safe_load(mistakes.edited(m))), m)


class Server:
    """yaml-language-server over its standard input and output."""

    def __init__(self, program):
        self.p = subprocess.Popen(["node", program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.sent = 0

    def send(self, method, params, request=False):
        message = {"jsonrpc": "2.0", "method": method, "params": params}
        if request:
            self.sent += 1
            message["id"] = self.sent
        body = json.dumps(message).encode()
        self.p.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.p.stdin.flush()

    def receive(self, wanted):
        while True:
            length = 0
            while (line := self.p.stdout.readline().strip()):
                name, value = line.split(b":")
                length = int(value) if name == b"Content-Length" else length
            if not length:
                raise EOFError
            message = json.loads(self.p.stdout.read(length))
            if "id" in message and "method" in message:
                items = message.get("params", {}).get("items")
                answer = items and [{"yamlVersion": "1.1"} if i["section"] == "yaml" else None for i in items]
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}).encode()
                self.p.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
                self.p.stdin.flush()
            elif wanted(message):
                return message

    def diagnose(self, name, text):
        """Lines, from 1, with what is said of them."""
        uri = f"file:///{name}"
        self.send("textDocument/didOpen",
                  {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}})
        got = self.receive(lambda m: m.get("method") == "textDocument/publishDiagnostics" and m["params"]["uri"] == uri)
        return [(d["range"]["start"]["line"] + 1, d["message"]) for d in got["params"]["diagnostics"]]


@unittest.skipUnless(shutil.which("npm") and shutil.which("node"), "npm is not there")
class Editor(unittest.TestCase):
    def test_samples_and_mistakes(self):
        folder = os.path.join(ROOT, "build", "npm-yaml")
        program = os.path.join(folder, "node_modules", "yaml-language-server", "bin", "yaml-language-server")
        if not os.path.exists(program):
            done = subprocess.run(["npm", "install", "--silent", "--prefix", folder, PACKAGE], capture_output=True,
                                  timeout=10 * WAIT_S)
            if done.returncode:
                self.skipTest("npm's registry is out of reach")
        server = Server(program)
        self.addCleanup(server.p.communicate)
        self.addCleanup(server.p.kill)
        server.send("initialize", {
            "processId": None, "rootUri": None, "capabilities": {"workspace": {"configuration": True}}}, request=True)
        server.receive(lambda m: m.get("id") == 1)
        server.send("initialized", {})
        head = f"# yaml-language-server: $schema=file://{SCHEMA}\n"
        for path in SAMPLES:
            with open(path, encoding="utf-8") as f:
                self.assertEqual(server.diagnose(os.path.basename(path), head + f.read()), [], path)
        self.assertEqual(server.diagnose("base.yaml", head + mistakes.BASE), [])
        for i, m in enumerate(mistakes.MISTAKES):
            found = server.diagnose(f"mistake{i}.yaml", head + mistakes.edited(m))
            if m.schema:
                self.assertTrue(found, m)
            if m.schema and m.message != "is missing" and "oneOf" not in str(found) and ":1" not in m.where[-2:]:
                self.assertIn(int(m.where.split(":")[0]) + 1, [line for line, _ in found], (m, found))


if __name__ == "__main__":
    unittest.main()
