"""A failure ends in what an operator can do about it: each is caused, and the line of the log is read."""

import os
import socket
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import Gateway  # noqa: E402

TIMES = {"connect_timeout": 1, "connect_delay": 1, "request_timeout": 1, "request_delay": 0,
         "request_retry_immediate_count": 0, "request_retry_delayed_count": 0, "request_retry_delay": 0}


def master(name, **transport):
    if "host" in transport:
        transport = {"type": "TCP", **transport}
    else:
        transport = {"type": "SERIAL", "baudrate": 9600, "bytesize": "EIGHTBITS", "parity": "NONE", "stopbits": "ONE",
                     "flow_control": {"xonxoff": False, "rtscts": False, "dsrdtr": False}, "silent_interval": 0.01,
                     **transport}
    return {"module": "modbus_master", "name": name, "enabled": True, "remote_devices": [],
            "connection": {"modbus_type": "TCP" if "host" in transport else "RTU", "transport": transport, **TIMES}}


def slave(name, host, port):
    return {"module": "modbus_slave", "name": name, "enabled": True, "modbus_type": "TCP", "data": [],
            "transport": {"type": "TCP", "local_host": host, "local_port": port, "remote_hosts": None,
                          "max_connections": None, "response_timeout": 1, "keep_alive_timeout": None}}


class Remedies(unittest.TestCase):
    def test_each(self):
        with socket.socket() as taken, socket.socket() as closed:
            for s in taken, closed:
                s.bind(("127.0.0.1", 0))
            taken.listen()
            port, refused = taken.getsockname()[1], closed.getsockname()[1]
            rows = {
                "refused": (master("refused", host="127.0.0.1", port=refused),
                            "Connection refused; check the port, and that the peer's server runs"),
                "taken": (slave("taken", "127.0.0.1", port),
                          "Address already in use; 'ss -lntup' shows which program has that port"),
                "elsewhere": (slave("elsewhere", "192.0.2.1", 19997),
                              "Cannot assign requested address; no interface has that address"),
                "unplugged": (master("unplugged", port="/dev/ttyNONE9"),
                              "No such file or directory; check that the adapter is plugged in"),
                "notty": (master("notty", port="/dev/null"),
                          "Inappropriate ioctl for device; name a serial port, as /dev/ttyS0"),
            }
            with Gateway({"devices": [conf for conf, _ in rows.values()]}) as g:
                for name, (_, text) in rows.items():
                    g.wait_log(text)
                    self.assertTrue(any(name in line and text in line for line in g.log()), name)


if __name__ == "__main__":
    unittest.main()
