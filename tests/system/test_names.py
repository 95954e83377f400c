"""Names as getaddrinfo has them, and whoever waits only for a moment at a time.

Each gateway has its own resolver configuration, in a mount namespace."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import ports  # noqa: E402
from gatewayd import Gateway, probe, wait_until  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from name_server import name_server  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402

MOUNTS = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
MODULE = next((os.path.join(d, "libnss_hesiod.so.2")
               for d in ("/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
               if os.path.exists(os.path.join(d, "libnss_hesiod.so.2"))), None)

# A service of nsswitch.conf that knows one name, and is slow with another one.
SERVICE = r"""
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <string.h>
#include <unistd.h>

enum nss_status
_nss_hesiod_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat, char *buffer, size_t size,
    int *error, int *herror, int *ttl)
{
	struct gaih_addrtuple *tuple = *pat ? *pat : (void *)buffer;

	(void)size, (void)ttl;
	while (strcmp(name, "slow.service") == 0)
		pause();
	if (strcmp(name, "plc.service") != 0) {
		*error = ENOENT;
		*herror = HOST_NOT_FOUND;
		return NSS_STATUS_NOTFOUND;
	}
	*tuple = (struct gaih_addrtuple){ .family = AF_INET, .name = "plc.service" };
	tuple->addr[0] = htonl(0x7f000001);
	*pat = tuple;
	return NSS_STATUS_SUCCESS;
}
"""


def children(pid, name):
    found = []
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/comm", encoding="ascii") as comm:
                if comm.read().strip().startswith(name):
                    found.append(int(child))
    return found


@unittest.skipUnless(MOUNTS, "a mount namespace is not available")
class Names(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.mounts = []
        slave = Slave(device=Registers({1: 7}))
        self.addCleanup(slave.stop)
        self.slave = slave

    def mount(self, text, over):
        path = os.path.join(self.dir, os.path.basename(over))
        if text is not None:
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
        self.mounts.append((path, over))

    def name_server(self, host, addresses=None):
        """Silent where there is no list of addresses; one that knows nobody where it is empty."""
        self.addCleanup(name_server(host, addresses).close)

    def service(self, server):
        if not MODULE:
            self.skipTest("no module of the C library that could be replaced")
        source = os.path.join(self.dir, "service.c")
        with open(source, "w", encoding="ascii") as f:
            f.write(SERVICE)
        subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", os.path.join(self.dir, os.path.basename(MODULE)),
                        source], check=True)
        self.mount(None, MODULE)
        self.mount("hosts: files dns [!UNAVAIL=continue] hesiod # last\n", "/etc/nsswitch.conf")
        self.name_server(server, [])
        self.mount(f"nameserver {server}\noptions timeout:1 attempts:1\n", "/etc/resolv.conf")

    def start(self, host, port=None, **connection):
        conf = master_conf(port or self.slave.port, [(1, [register("a", 1)])], **connection)
        conf["connection"]["transport"]["host"] = host
        commands = "".join(f"mount --bind '{path}' '{over}' && " for path, over in self.mounts)
        g = Gateway({"devices": [{"module": "hat.gateway.devices.modbus.master", "name": "m", **conf}, probe("p")]},
                    wrap=["unshare", "-m", "sh", "-c", commands + 'exec "$@"', "sh"])
        self.addCleanup(g.close)
        g.enable("m")
        g.ctl.text("send", "m", "remote_device/1/enable", "true")
        return g

    def wait_value(self, g):
        wait_until(lambda: [r for r in g.ctl("events", "m") if r["type"][-2:] == ["read", "a"]], "a value",
                   log=g.log)

    def test_a_service_of_the_c_library(self):
        self.service("127.9.8.11")
        g = self.start("plc.service", connect_timeout=1, connect_delay=0.1)
        self.wait_value(g)
        wait_until(lambda: not children(g.pid, "gateway-resol"), "the end of gateway-resolve", log=g.log)

    def test_a_service_that_does_not_answer(self):
        self.service("127.9.8.10")
        g = self.start("slow.service", connect_timeout=1, connect_delay=0.1)
        (pid,) = wait_until(lambda: children(g.pid, "gateway-resol"), "gateway-resolve", log=g.log)
        began = time.monotonic()
        g.enable("p")
        g.wait_state("p", "running")
        self.assertLess(time.monotonic() - began, 5)
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            status = dict(line.split(":", 1) for line in f)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        # One, however often the device asks; and another one when its time is over.
        self.assertEqual(children(g.pid, "gateway-resol"), [pid])
        wait_until(lambda: pid not in children(g.pid, "gateway-resol"), "its end", log=g.log)
        pids = wait_until(lambda: children(g.pid, "gateway-resol"), "the next one", log=g.log)
        self.assertEqual(g.stop(), 0)
        for pid in pids:
            wait_until(lambda pid=pid: not os.path.exists(f"/proc/{pid}"), "its end")

    def test_a_name_server_that_is_silent_and_another_one(self):
        self.name_server("127.9.8.12")
        self.name_server("127.9.8.13", ["127.0.0.1"])
        self.mount("nameserver 127.9.8.12\nnameserver 127.9.8.13\n", "/etc/resolv.conf")
        self.wait_value(self.start("plc.example", connect_timeout=1, connect_delay=0.1))

    def test_an_address_that_is_silent_and_another_one(self):
        for host in ("127.9.8.15", "127.9.8.16"):
            silent = ports.listen(self.slave.port, host, backlog=0)
            self.addCleanup(silent.close)
            for _ in range(3):
                s = socket.socket()
                self.addCleanup(s.close)
                s.setblocking(False)
                s.connect_ex(silent.getsockname())
        self.name_server("127.9.8.14", ["127.9.8.15", "127.9.8.16", "127.0.0.1"])
        self.mount("nameserver 127.9.8.14\n", "/etc/resolv.conf")
        self.wait_value(self.start("plc.example", connect_timeout=0.5, connect_delay=0.1))


if __name__ == "__main__":
    unittest.main()
