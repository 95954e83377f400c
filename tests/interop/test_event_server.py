"""gatewayd and PyPI's hat-event: enable, events that arrive, writes, and its restart."""

import contextlib
import time
import unittest

import eventer
from gatewayd import wait_until
from ports import free_port

try:
    import hat_site
    from hat_site import DEVICE
except ImportError:
    hat_site = None


class Base:

    def setUp(self):
        self.site = hat_site.Site()
        self.addCleanup(self.site.close)
        self.device = hat_site.Device({"127.0.0.1": "gw"})
        self.addCleanup(self.device.close)
        self.port = free_port()
        self.server = self.site.event_server("event", 1, self.port, backend=self.backend)
        self.site.wait_port(self.port)
        self.recorder = hat_site.Recorder(self.port)
        self.addCleanup(self.recorder.close)
        wait_until(lambda: self.recorder.client, "the recorder")
        self.gateway = self.site.gateway(
            "gw", {"eventer_server": {"host": "127.0.0.1", "port": self.port}},
            [hat_site.device_conf("127.0.0.1", self.device.port)])

    def find(self, suffix, payload=None, since=0.0):
        return [e for e in self.recorder.find(f"{DEVICE}/gateway/{suffix}", since)
                if payload is None or e.payload.data == payload]

    def wait(self, suffix, payload=None, since=0.0):
        return wait_until(lambda: self.find(suffix, payload, since), suffix, 20,
                          lambda: self.gateway.text().splitlines())

    def wait_latest(self, suffix, payload, since):
        """The server's latest event is of after since (wall clock): the recorder may come back later than the
        gateway, and hear less."""
        def ask():
            with contextlib.suppress(OSError, ValueError, eventer.Closed, eventer.Refused, TimeoutError):
                with eventer.EventerClient(port=self.port) as client:
                    found = client.query_latest([f"{DEVICE}/gateway/{suffix}"]).events
                    return [e for e in found if e.timestamp.s + e.timestamp.us / 1e6 >= since
                            and (payload is None or e.payload.data == payload)]
        return wait_until(ask, suffix, 20, lambda: self.gateway.text().splitlines())

    def write(self, value):
        with eventer.EventerClient(port=self.port) as client:
            client.register([eventer.RegisterEvent(
                f"{DEVICE}/system/remote_device/1/write/w", eventer.now(),
                eventer.Json({"request_id": "x", "value": value}))])

    def test_the_whole_path(self):
        self.wait("running", False)
        hat_site.enable(self.port)
        self.wait("running", True)
        self.wait("status", "CONNECTED")
        self.wait("remote_device/1/status", "CONNECTED")
        self.wait("remote_device/1/read/a")
        for value in (4711, 0, 65535):
            self.write(value)
            wait_until(lambda: [e for e in self.find("remote_device/1/read/w")
                                if e.payload.data.get("value") == value], f"{value} is read", 20)
        self.wait("remote_device/1/write/w")
        # Its restart: the device stops with the link and comes back with it, where the server
        # remembers that it is enabled.
        before = self.recorder.client
        since = time.time()
        self.server.kill()
        wait_until(lambda: self.server.exits, "its end")
        self.site.wait_port(self.port)
        if self.backend == "memory":
            self.wait_latest("running", False, since)
            hat_site.enable(self.port)
        self.wait_latest("running", True, since)
        self.wait_latest("remote_device/1/read/a", None, since)
        wait_until(lambda: self.recorder.client is not before, "the recorder is back")
        since = time.monotonic()
        kinds = {"/".join(e.type) for _, e in self.recorder.events}
        self.assertEqual(kinds - set(hat_site.ALLOWED), set())
        self.gateway.stop()
        self.assertEqual(self.gateway.process.returncode, 0)
        self.wait("running", False, since)


@unittest.skipUnless(hat_site, "needs build/venv")
class TestMemory(Base, unittest.TestCase):
    backend = "memory"


@unittest.skipUnless(hat_site, "needs build/venv")
class TestLmdb(Base, unittest.TestCase):
    backend = "lmdb"


if __name__ == "__main__":
    unittest.main()
