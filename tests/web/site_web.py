"""A gateway that has something of everything that the page shows, and gateway-web beside it."""

import contextlib
import re
import subprocess

from gatewayd import Gateway, probe, program, wait_until
from patience import end_process
from web import Web

# Names and texts that are markup, that turn the order of letters, that are not seen.
SCRIPT = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1"
MARKUP = "<b onmouseover=alert(1)>bold"
TURNED = "a\u202egnp.exe\u2066\u200b"
QUOTES = "'\"`;}<style>body{display:none}"
DATA = ["temperature", "pressure", "flow", "level", "voltage_l1", "voltage_l2", "voltage_l3", "current_l1", "current_l2", "power"]


def modbus(name, port, data=DATA, **more):
    points = [
        {"name": d, "interval": 0.5 + n / 7, "data_type": "HOLDING_REGISTER", "start_address": n, "bit_offset": 0, "bit_count": 16}
        for n, d in enumerate(data)
    ]
    connection = {
        "modbus_type": "TCP",
        "transport": {"type": "TCP", "host": "127.0.0.1", "port": port},
        "connect_timeout": 3,
        "connect_delay": 1,
        "request_timeout": 1,
        "request_delay": 0,
        "request_retry_immediate_count": 1,
        "request_retry_delayed_count": 1,
        "request_retry_delay": 1,
    }
    return {
        "module": "hat.gateway.devices.modbus.master",
        "name": name,
        "enabled": True,
        "connection": connection,
        "remote_devices": [{"device_id": 1, "enabled": True, "timeout_poll_delay": 5, "data": points}],
        **more,
    }


@contextlib.contextmanager
def modbus_device():
    """The port of a simulated device whose registers move."""
    argv = [program("tests/lib/modbus-sim"), "--port", "0", "--registers", "10", "--period", "500"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as sim:
        try:
            yield int(re.findall(r"\d+", sim.stdout.readline())[-1])
        finally:
            end_process(sim)


@contextlib.contextmanager
def site(devices, **conf):
    """A Gateway with these devices, and a Web; both answer."""
    with Gateway({"devices": devices, **conf}) as g, Web(g) as web:
        yield g, web


def url(web, path=""):
    return f"http://127.0.0.1:{web.port}/{path}"


def hostile_devices():
    return [probe(n, enabled=True, link=n, interval_ms=300) for n in (SCRIPT, MARKUP, TURNED, QUOTES, "__proto__")]


def wait_running(g, *names):
    wait_until(lambda: all(r["state"] == "running" for n, r in g.status().items() if not names or n in names), "the devices run", log=g.log)
