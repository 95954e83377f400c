"""Figures of the serial IEC 60870-5 devices. Prints a table, with --json JSON.

bus       9600 8E1, paced bridge: share of the time that the line carries bytes while a slave's backlog of
          class 1 data is fetched: large ASDUs (an interrogation), and one change an ASDU
cycle     30 unbalanced remotes on one line at 9600 8E1: time until each was polled once more
cpu       CPU of the master a frame (sent or received), pseudo-terminal without pacing"""
import asyncio
import json
import os
import sys
import time

LIB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib')
sys.path[:] = [p for p in sys.path if os.path.abspath(p or '.') != LIB]  # its hat.py is another hat
try:
    from hat.drivers import serial
    from hat.drivers.iec60870 import link
except ImportError:
    link = None
sys.path.append(LIB)

import iec_serial as lib  # noqa: E402
from serial_bridge import Bridge  # noqa: E402

ENABLE = 'system/remote_device/{}/enable'
STATUS = 'gateway/remote_device/{}/status'


def cpu_seconds(pid):
    with open(f'/proc/{pid}/schedstat', encoding='ascii') as f:
        return int(f.read().split()[0]) / 1e9


def poll(condition, what, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f'not in time: {what}')
        time.sleep(0.01)


def data_count(master):
    return sum('/data/' in e.type for e in list(master.events))


def start_pair(line, addresses, points, buffers=(), class1=0.5, baud=9600, feed=False):
    slave = lib.start('iec101_slave', lib.slave101(
        line.b, addresses, points, False, buffers, baud, 600))
    slave.wait(lambda: slave.ready)
    for p in points if feed else ():
        slave.send(f"system/data/scaled/1/{p['io_address']}", lib.scaled(1))
    master = lib.start('iec101_master', lib.master101(line.a, [
        lib.remote(a, response_timeout=2, poll_class1_delay=class1) for a in addresses], False, baud),
        {ENABLE.format(a): True for a in addresses})
    return master, slave


def bus(large):
    n = 1500 if large else 150
    points = [lib.point('SCALED', 1, i, None if large else 'b') for i in range(n)]
    with Bridge(baud=9600, bits=11) as line:
        master, slave = start_pair(line, [1], points, [{'name': 'b', 'size': n}], feed=True)
        master.wait_event(STATUS.format(1), 'CONNECTED')
        if large:
            master.send('system/remote_device/1/interrogation/1',
                        {'is_test': False, 'request': 20, 'cause': 'ACTIVATION'})
        poll(lambda: data_count(master) > 2, 'first data')
        busy, start = sum(line.busy), time.monotonic()
        poll(lambda: data_count(master) >= n * 9 // 10, 'all data')
        share = (sum(line.busy) - busy) / (time.monotonic() - start)
        master.stop(), slave.stop()
    return share


def cycle_of(line, remotes, seconds=10):
    """Seconds a round, from the polls seen on the line."""
    line.frames = []
    time.sleep(seconds)
    polls = [f for f in line.frames if f[1] == 0]
    return (polls[-1][0] - polls[0][0]) / (len(polls) - 1) * remotes


def cycle(remotes=30):
    addresses = list(range(1, remotes + 1))
    with Bridge(baud=9600, bits=11) as line:
        master, slave = start_pair(line, addresses, [], class1=0)
        for a in addresses:
            master.wait_event(STATUS.format(a), 'CONNECTED', timeout=60)
        seconds = cycle_of(line, remotes)
        master.stop(), slave.stop()
    return seconds


async def hat_cycle(remotes=30):
    """The same with hat-drivers' master."""
    addresses = list(range(1, remotes + 1))
    with Bridge(baud=9600, bits=11) as line:
        slave = lib.start('iec101_slave', lib.slave101(line.b, addresses, [], keep_alive=600))
        slave.wait(lambda: slave.ready)
        master = await link.create_master_link(line.a, link.AddressSize.ONE, baudrate=9600,
                                               parity=serial.Parity.EVEN, silent_interval=0.001)
        await asyncio.gather(*(master.open_connection(a, response_timeout=2, poll_class1_delay=0)
                               for a in addresses))
        seconds = await asyncio.to_thread(cycle_of, line, remotes)
        await master.async_close()
        slave.stop()
    return seconds


def cpu(n=3000):
    points = [lib.point('SCALED', 1, i % 100, 'b') for i in range(100)]
    with Bridge() as line:
        master, slave = start_pair(line, [1], points, [{'name': 'b', 'size': n}], class1=0.001)
        for i in range(n):
            slave.send(f'system/data/scaled/1/{i % 100}', lib.scaled(i))
        master.wait_event(STATUS.format(1), 'CONNECTED')
        poll(lambda: data_count(master) > 10, 'first data')
        master.ping()
        time.sleep(0.1)
        frames, used = master.counters['frames_received'], cpu_seconds(master.process.pid)
        poll(lambda: data_count(master) >= n, 'all data')
        used = cpu_seconds(master.process.pid) - used
        master.ping()
        time.sleep(0.1)
        frames = 2 * (master.counters['frames_received'] - frames)
        master.stop(), slave.stop()
    return used / frames * 1e6


def main():
    rows = [('bus utilisation, interrogation of 1500 values', f'{bus(True) * 100:.1f} %'),
            ('bus utilisation, 150 single changes', f'{bus(False) * 100:.1f} %'),
            ('poll cycle, 30 remotes', f'{cycle() * 1000:.0f} ms'),
            ("poll cycle, 30 remotes, hat-drivers' master",
             f'{asyncio.run(hat_cycle()) * 1000:.0f} ms' if link else '-'),
            ('master CPU a frame', f'{cpu():.1f} us')]
    if '--json' in sys.argv:
        print(json.dumps(dict(rows)))
    else:
        for name, value in rows:
            print(f'{name:48} {value:>10}')


if __name__ == '__main__':
    main()
