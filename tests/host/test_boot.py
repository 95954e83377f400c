"""The first moments: signals before the program has begun, names that need no resolver, adapters that come late."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "system")]

import namespaces as ns  # noqa: E402
from gatewayd import BUILD, ROOT, Gateway, wait_until  # noqa: E402
from systemd_box import Box  # noqa: E402
from test_modbus_master import master_conf, register, tty_conf  # noqa: E402

MASTER = "hat.gateway.devices.modbus.master"


class Signals(unittest.TestCase):
    @unittest.skipIf("san" in os.path.basename(BUILD), "sanitizers want to be preloaded first")
    def test_a_reload_before_the_libraries_begin(self):
        """A library whose constructor waits holds the program where its own first instruction is done."""
        folder = tempfile.mkdtemp(prefix="gatewayd-test-")
        self.addCleanup(shutil.rmtree, folder)
        source, library, go = (os.path.join(folder, name) for name in ("wait.c", "wait.so", "go"))
        with open(source, "w", encoding="ascii") as f:
            f.write('#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void hold(void)'
                    '{ char c; int fd = open(GO, O_RDONLY); if (fd >= 0) { read(fd, &c, 1); close(fd); } }\n')
        subprocess.run(["cc", "-w", "-shared", "-fPIC", f'-DGO="{go}"', "-o", library, source], check=True)
        os.mkfifo(go)
        g = Gateway({"devices": []}, env={"LD_PRELOAD": library}, start=False)
        self.addCleanup(g.close)
        g.start(wait=False)
        with open(go, "w", encoding="ascii") as f:  # as soon as it has begun
            os.unlink(go)
            os.kill(g.pid, signal.SIGHUP)
            f.write("x")
        g.wait_log("SIGHUP: reload")
        g.wait(lambda: "SIGHUP" in " ".join(g.log()) and g.ctl.run("status").returncode == 0, "it runs")
        self.assertEqual(g.stop(), 0)


# A Modbus device at an address of a namespace that no test's process is in.
SLAVE = """
import socket, sys
sys.path.insert(0, sys.argv[1])
import ports
(family, _, _, _, address) = socket.getaddrinfo(sys.argv[2], 1502, type=socket.SOCK_STREAM)[0]
listener = socket.socket(family)
listener.bind(address)
listener.listen()
ports.listen = lambda **_: listener
from modbus_peer import Registers, Slave
slave = Slave(device=Registers({1: 7}))
sys.stdin.read()
"""


@ns.needs_network
class Numeric(unittest.TestCase):
    """No name server can be reached: who asks one does not connect."""

    def connects(self, host, listens):
        conf = master_conf(1502, [(1, [register("a", 1)])], connect_timeout=1, connect_delay=0.1)
        conf["connection"]["transport"]["host"] = host
        g = Gateway({"devices": [{"module": MASTER, "name": "m", **conf}]},
                    wrap=ns.wrap("ip link set lo up\nip address add fe80::1/64 dev lo nodad", "-n"))
        self.addCleanup(g.close)
        slave = subprocess.Popen(["nsenter", "-n", "-t", str(g.pid), sys.executable, "-c", SLAVE,
                                  os.path.join(HERE, "..", "lib"), listens], stdin=subprocess.PIPE)
        self.addCleanup(slave.communicate)
        g.enable("m")
        g.ctl.text("send", "m", "remote_device/1/enable", "true")
        g.wait(lambda: [r for r in g.ctl("events", "m") if r["type"][-2:] == ["read", "a"]], f"a value of {host}")

    def test_a_scope(self):
        self.connects("fe80::1%lo", "fe80::1%lo")

    def test_forms_of_inet_aton(self):
        self.connects("0x7f.1", "127.0.0.1")


# What the kernel's drivers of serial ports call themselves in /proc/devices, and the module that has to be there before
# the unit starts, where it is not one of the machine's own.
DRIVERS = {"ttyS": None, "ttyUSB": "usbserial", "ttyACM": "cdc_acm", "ttyAMA": None, "ttyO": None, "ttymxc": None, "ttySTM": None,
           "ttyPS": None, "ttyLP": None, "ttyAPP": None, "ttyTHS": None, "ttyXRUSB": None}

# In place of modprobe(8): a driver is in /proc/devices from when its module is loaded.
MODPROBE = """#!/bin/sh
exec 9>/run/modprobe.lock
flock 9
for module; do
    case $module in
    usbserial) driver="188 ttyUSB" ;;
    cdc_acm) driver="166 ttyACM" ;;
    *) continue ;;
    esac
    grep -q "^ *$driver$" /proc/devices && continue
    sed "1a $driver" /proc/devices >/run/devices.$module
    mount --bind /run/devices.$module /proc/devices
done
"""
ADAPTERS = {"usb": ("/dev/ttyUSB7", "188", "7"), "acm": ("/dev/ttyACM7", "166", "7")}


@unittest.skipIf("san" in os.path.basename(BUILD), "sanitizers need more than the unit file allows")
class Unit(unittest.TestCase):
    def unit(self):
        with open(os.path.join(ROOT, "etc", "systemd", "gatewayd.service"), encoding="utf-8") as f:
            return [line.strip() for line in f]

    def test_every_kind_of_serial_port(self):
        lines = self.unit()
        for driver, module in DRIVERS.items():
            self.assertIn(f"DeviceAllow=char-{driver} rw", lines)
            for key in ("Wants", "After"):
                self.assertTrue(not module or any(line.startswith(key + "=") and f"modprobe@{module}.service" in line
                                                  for line in lines), module)

    def test_a_node_that_comes_after_the_start(self):
        """A node of a kind that is allowed: its driver answers, also where nobody had loaded its module before the unit. The
        unit denies one of another kind, until a drop-in of the manual allows it."""
        layer = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, layer)
        os.chmod(layer, 0o755)
        subprocess.run(["make", "-s", "install", f"DESTDIR={layer}", "PREFIX=/usr"], cwd=ROOT, check=True, capture_output=True)
        modprobe = os.path.join(layer, "usr/sbin/modprobe")
        with open(modprobe, "w", encoding="ascii") as f:
            f.write(MODPROBE)
        os.chmod(modprobe, 0o755)
        try:
            box = Box(layer)
        except OSError as e:
            self.skipTest(str(e))
        self.addCleanup(box.close)

        def tell(*command):
            r = box.run(*command)
            self.assertEqual(r.returncode, 0, (command, r.stdout, r.stderr))
            return r.stdout

        def fault(name, *texts):
            out = tell("gatewayctl", "--json", "show", name)
            return any(text in out for text in texts)

        with open("/proc/devices", encoding="ascii") as f:
            majors = {line.split()[1]: line.split()[0] for line in f if len(line.split()) == 2}
        other = next((kind for kind in ("hidraw", "rtc", "ptp", "watchdog") if kind in majors), None)
        if "ttyS" not in majors or not other:
            self.skipTest("the kernel has no serial ports")
        conf = "name: gw\ndevices:\n"
        paths = {"s": "/dev/ttyS9", "o": "/dev/adapter", **{name: row[0] for name, row in ADAPTERS.items()}}
        for name, path in paths.items():
            lines = tty_conf(path)
            conf += ("- {module: %s, name: %s, connection: {modbus_type: RTU, transport: {type: SERIAL, port: %s, baudrate: 9600, "
                     "bytesize: EIGHTBITS, parity: NONE, stopbits: ONE, silent_interval: 0.001, flow_control: {xonxoff: false, "
                     "rtscts: false, dsrdtr: false}}, connect_timeout: 2, connect_delay: 0.2, request_timeout: 1, request_delay: 0, "
                     "request_retry_immediate_count: 0, request_retry_delayed_count: 0, request_retry_delay: 1}, "
                     "remote_devices: [{device_id: 1, timeout_poll_delay: 1, data: []}]}\n" % (MASTER, name, lines["port"]))
        tell("systemd-sysusers")
        box.write("/etc/gatewayd/gatewayd.yaml", conf)
        tell("systemctl", "start", "gatewayd")
        tell("gatewayctl", "enable", "--wait", *paths)
        for name in paths:
            tell("gatewayctl", "send", name, "remote_device/1/enable", "true")
            wait_until(lambda name=name: fault(name, "No such file or directory"), "no adapter", 30)
        tell("mknod", "-m", "666", "/dev/ttyS9", "c", majors["ttyS"], "73")
        tell("mknod", "-m", "666", "/dev/adapter", "c", majors[other], "99")
        for path, *numbers in ADAPTERS.values():
            tell("mknod", "-m", "666", path, "c", *numbers)
        # The line has no port behind it here: its driver says so, in one of these words; or the kernel, which has no driver.
        answers = ("Input/output error", "No such device or address")
        for name in ("s", *ADAPTERS):
            wait_until(lambda name=name: fault(name, *answers), "the driver's answer", 30)
        if not wait_until(lambda: fault("o", "Operation not permitted", *answers), "an answer", 30) or fault("o", *answers):
            self.skipTest("control groups do not guard devices here")
        tell("mkdir", "-p", "/etc/systemd/system/gatewayd.service.d")
        box.write("/etc/systemd/system/gatewayd.service.d/adapter.conf", f"[Service]\nDeviceAllow=char-{other} rw\n")
        tell("systemctl", "daemon-reload")
        tell("systemctl", "restart", "gatewayd")
        wait_until(lambda: not fault("o", "Operation not permitted") and fault("o", *answers, "Inappropriate ioctl"),
                   "the driver's answer", 30)


if __name__ == "__main__":
    unittest.main()
