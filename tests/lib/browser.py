"""Debian's chromium without a window, driven over two pipes by its DevTools protocol.

    with Browser() as b, b.page(1280, 800) as page:
        page.goto("http://127.0.0.1:9404/")
        page.wait("document.title")

What a page complains of (console, exceptions, refused resources) is kept in page.complaints.
"""

import base64
import fcntl
import itertools
import json
import os
import queue
import shutil
import signal
import tempfile
import threading
import unittest

from gatewayd import wait_until
from patience import WAIT_S

PROGRAM = "chromium"
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40}


class BrowserError(Exception):
    pass


def high(fd):
    """The same at a number that is in nobody's way."""
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)
    os.close(fd)
    return moved


class Browser:
    def __init__(self):
        path = shutil.which(PROGRAM)
        if not path:
            raise unittest.SkipTest(f"{PROGRAM} is not installed")
        self.dir = tempfile.mkdtemp(prefix="gatewayd-browser-")
        self.ids = itertools.count(1)
        self.answers = {}
        self.listeners = {}
        self.lock = threading.Lock()
        self._spawn(path)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _spawn(self, path):
        its_in, self.out = map(high, os.pipe())
        self.inp, its_out = map(high, os.pipe())
        null, log = (os.open(p, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) for p in (os.devnull, os.path.join(self.dir, "log")))
        argv = [
            path,
            "--headless=new",
            "--remote-debugging-pipe",
            f"--user-data-dir={self.dir}/profile",
            "--no-first-run",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-default-browser-check",
            "--no-proxy-server",
            # As root it starts only so, and a container may forbid its namespaces; the pages are the tests' own.
            "--no-sandbox",
            "about:blank",
        ]
        places = [(null, 0), (log, 1), (log, 2), (its_in, 3), (its_out, 4)]
        moves = [(os.POSIX_SPAWN_DUP2, *p) for p in places]
        self.pid = os.posix_spawn(path, argv, {**os.environ, "HOME": self.dir}, file_actions=moves, setpgroup=0)
        for fd in (its_in, its_out, null, log):
            os.close(fd)

    def _read(self):
        rest = b""
        while True:
            data = os.read(self.inp, 1 << 16)
            if not data:
                break
            *packets, rest = (rest + data).split(b"\0")
            for packet in packets:
                self._take(json.loads(packet))
        for q in list(self.answers.values()):
            q.put({"error": {"message": "the browser has ended"}})

    def _take(self, message):
        if "id" in message:
            self.answers.pop(message["id"]).put(message)
        else:
            for listener in self.listeners.get(message.get("sessionId"), ()):
                listener(message["method"], message["params"])

    def call(self, method, session=None, **params):
        number, answer = next(self.ids), queue.Queue()
        self.answers[number] = answer
        packet = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        with self.lock:
            os.write(self.out, json.dumps(packet).encode() + b"\0")
        message = answer.get(timeout=6 * WAIT_S)
        if "error" in message:
            raise BrowserError(f"{method}: {message['error']['message']}")
        return message["result"]

    def page(self, width=1280, height=800, **options):
        return Page(self, width, height, **options)

    def close(self):
        os.close(self.out)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(self.pid, 0)
        self.reader.join(WAIT_S)
        os.close(self.inp)
        # Its other processes may still write.
        wait_until(lambda: shutil.rmtree(self.dir, ignore_errors=True) or not os.path.exists(self.dir), "the profile is gone")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Page:
    def __init__(self, browser, width, height, dark=False):
        self.browser = browser
        self.complaints = []
        self.target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = browser.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        browser.listeners[self.session] = [self._hear]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.scheme(dark)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def _hear(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append("exception: " + details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.javascriptDialogOpening":
            self.complaints.append("dialog: " + params["message"])

    def listen(self, listener):
        self.browser.listeners[self.session].append(listener)

    def resize(self, width, height, mobile=False):
        self.call("Emulation.setScrollbarsHidden", hidden=True)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def minimize(self, yes):
        window = self.call("Browser.getWindowForTarget")["windowId"]
        self.call("Browser.setWindowBounds", windowId=window, bounds={"windowState": "minimized" if yes else "normal"})

    def scheme(self, dark):
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def goto(self, url):
        answer = self.call("Page.navigate", url=url)
        if "errorText" in answer:
            raise BrowserError(f"{url}: {answer['errorText']}")

    def eval(self, text):
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(answer["exceptionDetails"]["exception"].get("description", text))
        return answer["result"].get("value")

    def text(self, selector="body"):
        return self.eval(f"document.querySelector({json.dumps(selector)})?.innerText")

    def wait(self, text, seconds=None):
        """The first true value of the expression."""
        return wait_until(lambda: self.eval(text), f"in the page: {text}\n{self.complaints[-5:]}\n{(self.text() or '')[:1500]}", seconds)

    def wait_text(self, text, selector="body", seconds=None):
        return self.wait(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})", seconds)

    def click(self, selector):
        self.eval(f"document.querySelector({json.dumps(selector)}).click()")

    def key(self, key, shift=False):
        """A key as a person presses it: a name of KEYS or a character."""
        code = {"key": key, "modifiers": 8 if shift else 0}
        if key in KEYS:
            code.update(windowsVirtualKeyCode=KEYS[key], code=key)
        printed = {"text": "\r" if key == "Enter" else key} if len(key) == 1 or key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **code, **printed)
        self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def type(self, text):
        for key in text:
            self.key(key)

    def picture(self, whole=False):
        """The page as a PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
