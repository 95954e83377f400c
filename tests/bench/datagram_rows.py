"""Rows of SNMP and ping."""

import os
import subprocess
import sys
import time

import bench
from bench import Scene, Tool, row
from ports import free_port

FLOOR = {}


def floor():
    """CPU time in us of a bare ping-pong of datagrams on the same cores, once a run."""
    if not FLOOR:
        device = Tool("datagrams", "echo")
        client = Tool("datagrams", "ask", device.port, core=bench.GATEWAY)
        FLOOR["us"] = bench.bare_us(device, client)
    return FLOOR["us"]


def manager(version):
    def conf(port):
        who = {"version": "V2C", "community": "public"} if version == "v2c" else {
            "version": "V3", "context": None, "user": "bench",
            "authentication": {"type": "MD5", "password": "password1"},
            "privacy": {"type": "DES", "password": "password2"}}
        return {
            "module": "hat.gateway.devices.snmp.manager",
            "name": "m",
            **who,
            "remote_host": "127.0.0.1",
            "remote_port": port,
            "connect_delay": 1,
            "request_timeout": 5,
            "request_retry_count": 1,
            "request_retry_delay": 1,
            "polling_delay": 0,
            # Requests of one object each, in one cycle: the pause between two cycles is not what is measured.
            "polling_oids": [f"1.3.6.1.4.1.9.{i}.0" for i in range(1000)],
            "string_hex_oids": [],
        }

    return conf


def poll(version):
    def measure(side):
        bare = floor()

        def figures(w):
            n = w.device["requests"]
            cpu = w.runner_us if side == "ours" else w.supervisor_us
            return {"requests/s": n / w.seconds, "runner us/request": cpu / n, "floor us/request": bare,
                    "runner x floor": cpu / n / bare}

        with Scene(side, ("datagrams", version), [manager(version)]) as s:
            return s.windows(figures, settle=1)

    return measure


row("snmp-v2c", {"runner x floor": 2})(poll("v2c"))
row("snmp-v3-auth-priv", {"runner x floor": 4})(poll("v3"))


@row("snmp-traps-10000", {"lost": 0, "p99 us": 5000})
def traps(side):
    """10,000 traps in a second, from their sending to their events at the sink."""
    port = free_port()
    conf = {"module": "hat.gateway.devices.snmp.trap_listener", "name": "t", "local_host": "127.0.0.1",
            "local_port": port, "users": [], "remote_devices": [
                # The sink takes what lies below this name for a time.
                {"version": "V2C", "community": None, "name": "read", "oids": ["1.3.6.1.4.1.9.1.0"],
                 "string_hex_oids": []}]}
    samples = []
    with bench.realtime(), Scene(side, ("datagrams", "traps"), [lambda _: conf], "modbus") as s:
        time.sleep(0.5)
        for _ in range(bench.WINDOWS):
            n = int(10000 * bench.WINDOW_S)
            before, cpu = s.sink.ask()["events"], sum(s.gateway.cpu())
            s.device.ask(f"send {port} {n} 100")
            time.sleep(0.3)
            after = s.sink.ask()
            taken = after["events"] - before
            samples.append({"lost": n - taken, "p50 us": after["age"]["p50"], "p99 us": after["age"]["p99"],
                            "cpu us/trap": (sum(s.gateway.cpu()) - cpu) / 1e3 / max(taken, 1)})
    return samples


PING = "GATEWAYD_BENCH_PING"


@row("ping-1000", {"% of a core": 3})
def ping(side):
    """1,000 hosts of the loopback, each pinged every second, in a namespace where that is allowed."""
    script = 'ip link set lo up && sysctl -qw net.ipv4.ping_group_range="0 2147483647" && exec "$0" "$@"'
    out = subprocess.run(["unshare", "-n", "sh", "-c", script, sys.executable, __file__], capture_output=True,
                         text=True, env={**os.environ, PING: side})
    if out.returncode:
        raise RuntimeError(out.stderr[-500:])
    return [{"% of a core": float(x)} for x in out.stdout.split()]


def ping_here(side):
    hosts = [{"name": f"h{i}", "host": f"127.0.{i // 250}.{i % 250 + 1}", "ping_delay": 1, "ping_timeout": 5,
              "retry_count": 1, "retry_delay": 1} for i in range(1000)]
    conf = {"module": "hat.gateway.devices.ping", "name": "p", "remote_devices": hosts}
    with Scene(side, ("datagrams", "echo"), [lambda _: conf]) as s:
        bench.wait(lambda: s.sink.ask()["events"] >= 2000, "all hosts answer")
        for _ in range(bench.WINDOWS):
            begin, cpu = time.monotonic(), s.gateway.cpu()
            time.sleep(max(2, bench.WINDOW_S))
            after = s.gateway.cpu()
            used = (after[1] - cpu[1]) if side == "ours" else (after[0] - cpu[0])
            print(used / 1e7 / (time.monotonic() - begin))


if __name__ == "__main__":
    ping_here(os.environ[PING])
