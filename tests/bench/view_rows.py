"""The row of who looks: Prometheus and a page at 1,000 devices of four remote ends each."""

import os
import pathlib
import re
import time

import bench
from bench import row
from gatewayd import Gateway, probe
from web import Web

DEVICES, REMOTES = 1000, 4
MINUTE_S = 62  # after which the turns of the start are none of the last minute's


def pinned(ahead=()):
    return [*(ahead or bench.ahead), "taskset", "-c", str(bench.GATEWAY)]


def uninterrupted():
    """A turn lasts by the clock: neither the 1,000 runners of the same core nor others are to come between."""
    return pinned(["chrt", "-R", "-f", "1"] if os.geteuid() == 0 else ())


def memory_mib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1]) / 1024


def value(text, name):
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def rest(gateway, seconds):
    """What gatewayd uses of a core, and of requests at its control socket, in so many seconds."""
    before, began = bench.cpu_ns(gateway.pid), time.monotonic()
    time.sleep(seconds)
    return (bench.cpu_ns(gateway.pid) - before) / 1e9 / (time.monotonic() - began)


def scrape(gateway, web):
    """Wall time of one /metrics, and CPU time of gatewayd and of gateway-web for it, in ms."""
    before, began = [bench.cpu_ns(p) for p in (gateway.pid, web.process.pid)], time.monotonic()
    status, _, body = web.ask("/metrics")
    wall = time.monotonic() - began
    used = [bench.cpu_ns(p) - b for p, b in zip((gateway.pid, web.process.pid), before)]
    if status != 200:
        raise RuntimeError(f"/metrics: {status}")
    return body.decode(), wall * 1e3, used[0] / 1e6, used[1] / 1e6


@row("view-1000", {"scrape ms": 20, "turn us": 2000, "requests, nobody looks": 0, "page, % of a core": 1,
                   "gateway-web MiB": 8}, peer=False, quick=False)
def view(_):
    devices = [probe(f"d{n:04}", enabled=True, interval_ms=10000, remotes=REMOTES) for n in range(DEVICES)]
    samples = []
    with Gateway({"devices": devices}, wrap=uninterrupted()) as g:
        g.wait(lambda: g.ctl("info")[0]["running"] == DEVICES, "all run", 10 * bench.WAIT_S)
        with Web(g, wrap=pinned()) as web:
            time.sleep(MINUTE_S)
            alone = g.ctl("info")[0]["longest_turn_minute_us"]
            scrape(g, web)
            for _ in range(bench.WINDOWS):
                asked = value(scrape(g, web)[0], "gatewayd_control_requests_total")
                idle = rest(g, 5)
                text, wall, ours, webs = scrape(g, web)
                asked = value(text, "gatewayd_control_requests_total") - asked - 1
                page = web.stream("/api/v1/watch")
                page.wait(lambda m: m.get("all"), "the page has all devices")
                looking = rest(g, 10)
                page.close()
                g.wait(lambda: g.ctl("info")[0]["clients"] == 1, "the page is gone")
                samples.append({"turn us, nobody looks": alone, "scrape ms": wall, "gatewayd ms": ours, "gateway-web ms": webs,
                                "turn us": g.ctl("info")[0]["longest_turn_minute_us"],
                                "requests, nobody looks": asked, "page, % of a core": 100 * (looking - idle),
                                "gateway-web MiB": memory_mib(web.process.pid)})
    return samples
