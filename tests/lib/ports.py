"""TCP ports for servers that a test starts by their number."""

import random
import socket

# Below those that the kernel gives to connections that go out (ip_local_port_range), so that none of these takes
# the port before its server does. Not a test's own random numbers: tests that run beside each other may share those.
FIRST, LAST = 10000, 32767
_random = random.SystemRandom()


def free_port(host="127.0.0.1"):
    while True:
        port = _random.randint(FIRST, LAST)
        with socket.socket() as s:
            try:
                s.bind((host, port))
            except OSError:
                continue
        return port


def free_ports(n):
    """Different ones."""
    ports = set()
    while len(ports) < n:
        ports.add(free_port())
    return list(ports)


def listen(port=0, host="127.0.0.1", backlog=128):
    """A server's socket, on any such port where port is 0: one that it can close and have again."""
    while True:
        try:
            return socket.create_server((host, port or free_port(host)), backlog=backlog,
                                        family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError:
            if port:
                raise
