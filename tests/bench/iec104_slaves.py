"""Rows of iec104_slave: many masters, and an interrogation of everything."""

import contextlib
import time

import bench
from bench import Scene, Tool, iec104_slave, row
from ports import free_port

DATA = 10000


@contextlib.contextmanager
def served(side, count):
    """A slave of DATA points whose state is known, and so many masters of it, all started."""
    port = free_port()
    with Scene(side, ("iec104_masters",), [iec104_slave("s", port, DATA)], known=DATA) as s:
        bench.wait(lambda: bench.accepts(port), "the slave listens")
        s.device.ask(f"connect {port} {count}")
        bench.wait(lambda: s.device.ask("count")["started"] == count, "all masters started")
        yield s


def slave(count):
    """A change a millisecond, from the event to each master."""

    def measure(side):
        samples = []
        with bench.realtime(), served(side, count) as s:
            s.device.ask()
            for _ in range(bench.WINDOWS):
                n = int(bench.WINDOW_S * 1e3)
                before, cpu = s.device.ask("count")["objects"], sum(s.gateway.cpu())
                s.sink.ask(f"notify data {n} 1000 gateway/iec104_slave/s/system/data/bitstring/1/1")
                bench.wait(lambda: s.device.ask("count")["objects"] - before >= n * count, "all changes at all masters")
                cpu = (sum(s.gateway.cpu()) - cpu) / 1e3
                stat = s.device.ask()
                if stat["ended"]:
                    raise RuntimeError(f"{stat['ended']} masters lost their connection")
                samples.append(
                    {
                        "p50 us": stat["age"]["p50"],
                        "p99 us": stat["age"]["p99"],
                        "cpu us/delivery": cpu / n / count,
                        "PSS KiB": s.gateway.pss()[0],
                    }
                )
        return samples

    return measure


row("iec104-slave-1")(slave(1))
row("iec104-slave-100")(slave(100))


@row("iec104-interrogation-10000")
def interrogation(side):
    """From the request to its termination, 10,000 objects."""
    samples = []
    with served(side, 1) as s:
        for n in range(2 + bench.WINDOWS):
            before = s.device.ask("count")["objects"]
            cpu = sum(s.gateway.cpu())
            s.device.ask("interrogate")
            bench.wait(lambda n=n: s.device.ask("count")["interrogations"] == n + 1, "the end of the interrogation")
            stat = s.device.ask("count")
            if stat["objects"] - before != DATA:
                raise RuntimeError(f"{stat['objects'] - before} objects instead of {DATA}")
            cpu = (sum(s.gateway.cpu()) - cpu) / 1e3
            samples.append({"ms": stat["interrogation"] / 1e3, "cpu us/object": cpu / DATA})
            time.sleep(0.05)
    return samples[2:]
