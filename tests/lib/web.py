"""Starts build/gateway-web beside a Gateway, and asks it.

    with Web(g) as web:
        status, headers, rows = web.get("/api/v1/status")
"""

import http.client
import json
import os
import re
import subprocess
import threading

from gatewayd import ROOT, SANITIZER, program, wait_until
from patience import WAIT_S


class Stream:
    """Server-sent events of one path, as they come."""

    def __init__(self, web, path):
        self.connection = web.connect()
        self.connection.request("GET", path)
        self.answer = self.connection.getresponse()
        self.messages = []
        self.ended = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            for line in self.answer:
                if line.startswith(b"data: "):
                    self.messages.append(json.loads(line[6:]))
        except (OSError, ValueError, http.client.HTTPException):
            pass
        self.ended.set()

    def wait(self, condition, what):
        """The first message that satisfies it."""
        return wait_until(lambda: next((m for m in list(self.messages) if condition(m)), None), what,
                          log=lambda: [str(m)[:300] for m in self.messages])

    def close(self):
        self.connection.sock and self.connection.sock.shutdown(2)
        self.reader.join(WAIT_S)
        self.connection.close()


class Web:
    """One gateway-web, at a free port of 127.0.0.1."""

    def __init__(self, gateway, *args, assets=os.path.join(ROOT, "web", "assets"), listen="127.0.0.1:0", wrap=(),
                 socket=None):
        self.lines = []
        argv = [*wrap, program("gateway-web"), "--socket", socket or gateway.socket, "--assets", assets]
        argv += ["--listen", listen] if listen else []
        self.process = subprocess.Popen([*argv, *args], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr), daemon=True)
        self.reader.start()
        self.port = None
        try:
            line = wait_until(lambda: next((x for x in list(self.lines) if "listening on" in x), None), "it listens",
                              log=lambda: self.lines)
        except BaseException:
            self.close()
            raise
        found = re.search(r"http://.*:(\d+)/", line)
        self.port = int(found[1]) if found else None

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)

    def ask(self, path, method="GET", headers=None, body=None):
        """Status, headers, bytes."""
        connection = self.connect()
        try:
            connection.request(method, path, headers=headers or {}, body=body)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path):
        """Status, headers, what the JSON says."""
        status, headers, body = self.ask(path)
        return status, headers, json.loads(body)

    def rows(self, path):
        status, _, rows = self.get(path)
        if status != 200:
            raise AssertionError(f"{path}: {status} {rows}")
        return rows

    def stream(self, path):
        return Stream(self, path)

    def close(self):
        """Ends it with SIGTERM. Raises where that is no orderly end."""
        self.process.terminate()
        code = self.process.wait(WAIT_S)
        self.reader.join(WAIT_S)
        self.process.stderr.close()
        text = "".join(self.lines)
        if SANITIZER.search(text) or code not in (0, -9):
            raise AssertionError(f"gateway-web ended with {code}:\n{text}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
