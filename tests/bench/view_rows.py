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
LOOKS, LOOK_S = 3, 8  # a page is open so often, so long; and none is, as long
SCRAPES, SCRAPE_S = 15, 0.3  # so far apart: gateway-web refuses many in a second


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
        raise RuntimeError(f"/metrics: {status}: {body.decode()}")
    return body.decode(), wall * 1e3, used[0] / 1e6, used[1] / 1e6


def look(gateway, web):
    """What it costs that nobody looks, and that a page is open."""
    asked = value(scrape(gateway, web)[0], "gatewayd_control_requests_total")
    idle = rest(gateway, LOOK_S)
    asked = value(scrape(gateway, web)[0], "gatewayd_control_requests_total") - asked - 1
    page = web.stream("/api/v1/watch")
    page.wait(lambda m: m.get("all"), "the page has all devices")
    looking = rest(gateway, LOOK_S)
    page.close()
    gateway.wait(lambda: gateway.ctl("info")[0]["clients"] == 1, "the page is gone")
    return {"requests, nobody looks": asked, "page, % of a core": 100 * (looking - idle)}


def figures(gateway, web):
    """Those of the page fill the minute in which the turns of the start are forgotten; what is the longest one
    then is of the page or of a scrape."""
    began = time.monotonic()
    looks = [look(gateway, web) for _ in range(LOOKS)]
    time.sleep(max(0, began + MINUTE_S - time.monotonic()))
    scrapes = []
    for _ in range(SCRAPES):
        time.sleep(SCRAPE_S)
        scrapes.append(scrape(gateway, web)[1:])
    samples = [{"scrape ms": wall, "CPU ms": ours + webs, "gatewayd ms": ours, "gateway-web ms": webs}
               for wall, ours, webs in scrapes]
    info = gateway.ctl("info")[0]
    samples[0].update({"turn us": info["longest_turn_minute_us"], "turn, CPU us": info["longest_turn_cpu_minute_us"],
                       "gateway-web MiB": memory_mib(web.process.pid)})
    for sample, more in zip(samples, looks):
        sample.update(more)
    return samples


@row("view-1000", {"scrape ms": 20, "CPU ms": 20, "turn us": 2000, "requests, nobody looks": 0,
                   "page, % of a core": 1, "gateway-web MiB": 8}, peer=False, quick=False, binding=True)
def view(_):
    # Pings of 1,000 devices, and events of all at once, are no part of what a look costs.
    devices = [probe(f"d{n:04}", enabled=True, interval_ms=5000 + 10 * n, remotes=REMOTES, limits={"ping_ms": 600000})
               for n in range(DEVICES)]
    with Gateway({"devices": devices}, wrap=uninterrupted()) as g:
        g.wait(lambda: g.ctl("info")[0]["running"] == DEVICES, "all run", 10 * bench.WAIT_S)
        with Web(g, wrap=pinned()) as web:
            return figures(g, web)
