"""hat-drivers' 101 master, polling: hat_iec101.py PATH COUNT. Says "connected"."""

import asyncio
import sys

from hat.drivers import serial
from hat.drivers.iec60870 import link


async def main(path, count):
    master = await link.create_master_link(
        path, link.AddressSize.ONE, baudrate=9600, parity=serial.Parity.EVEN, silent_interval=0.001
    )
    await asyncio.gather(
        *(master.open_connection(a, response_timeout=2, poll_class1_delay=0) for a in range(1, count + 1))
    )
    print("connected", flush=True)
    await master.wait_closed()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
