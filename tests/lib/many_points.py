"""A 104 slave of very many points: what its Event Server keeps, and what an interrogation returns."""

import eventer
from eventer import Json, RegisterEvent
from gatewayd import wait_until
from iec104 import Peer, asdu, slave_conf

import socket

PREFIX = "gateway/iec104_slave/s1/system"
QUALITY = {"invalid": False, "not_topical": False, "substituted": False, "blocked": False, "overflow": False}
BATCH = 2000


def conf(port, count):
    return slave_conf(port, [
        {"data_type": "SCALED", "asdu_address": 1, "io_address": n, "buffer": None} for n in range(count)],
        send_window_size=1000)


def fill(port, count):
    """Registers a value for each point, and enables the slave."""
    with eventer.EventerClient(port=port) as client:
        for start in range(0, count, BATCH):
            client.register([RegisterEvent(f"{PREFIX}/data/scaled/1/{n}", None, Json({
                "is_test": False, "cause": "SPONTANEOUS", "data": {"value": n % 30000, "quality": QUALITY}}))
                for n in range(start, min(start + BATCH, count))], response=True)
        client.register([RegisterEvent(f"{PREFIX}/enable", None, Json(True))], response=True)


def interrogate(port, seconds):
    """The values by object address of a general interrogation, as soon as somebody answers one."""
    def connect():
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            return None
    peer = Peer(wait_until(connect, "the slave listens", seconds))
    peer.startdt()
    peer.send(asdu(100, 6, 1, [(0, b"\x14")]))
    values = {}
    while True:
        a = peer.asdu(ack=True)
        if a.type == 100 and a.cause == 10:
            break
        if a.type == 11:
            values.update(objects(a))
    peer.close()
    return values


def objects(a):
    """The objects of an ASDU of scaled values: address and value, with and without a sequence of addresses."""
    address, rest = a.address, a.element
    for n in range(a.count):
        yield address, int.from_bytes(rest[:2], "little", signed=True)
        rest = rest[3:]
        if a.sq:
            address += 1
        elif n + 1 < a.count:
            address, rest = int.from_bytes(rest[:3], "little"), rest[3:]
