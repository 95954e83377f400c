"""Rows of modbus_master on a serial line whose bytes take their time."""

import bench
from bench import Scene, modbus, row

BITS = 11  # of a character: start, 8, parity, stop
REGISTERS = 10
REQUEST, ANSWER = 8, 5 + 2 * REGISTERS


def rtu(name, baud, silence_s):
    def conf(number):
        device = modbus(name, REGISTERS)(0)
        device["connection"].update(
            modbus_type="RTU",
            transport={
                "type": "SERIAL",
                "port": f"/dev/pts/{number}",
                "baudrate": baud,
                "bytesize": "EIGHTBITS",
                "parity": "EVEN",
                "stopbits": "ONE",
                "flow_control": {"xonxoff": False, "rtscts": False, "dsrdtr": False},
                "silent_interval": silence_s,
            },
        )
        return device

    return conf


def line(baud):
    """Requests, of those that the line has time for with 3.5 characters of silence before each frame."""
    character = BITS / baud
    limit = 1 / ((REQUEST + ANSWER + 7) * character)

    def measure(side):
        with bench.realtime(), Scene(
            side, ("serial_device", baud, BITS, REGISTERS), [rtu("m", baud, 3.5 * character)]
        ) as s:
            bench.wait(lambda: s.device.ask()["requests"] > 0, "the first request", 10)
            samples = []
            for _ in range(bench.WINDOWS):
                w = s.window(max(bench.WINDOW_S, 1))
                rate = w.device["requests"] / w.seconds
                samples.append(
                    {
                        "line limit %": 100 * rate / limit,
                        "least silence, characters": w.device["silence"],
                        "cpu us/request": w.cpu_us / w.device["requests"],
                    }
                )
            return samples

    return measure


TARGETS = {"line limit %": (">=", 95), "least silence, characters": (">=", 3.5)}
row("modbus-rtu-9600", TARGETS)(line(9600))
row("modbus-rtu-115200", TARGETS)(line(115200))
