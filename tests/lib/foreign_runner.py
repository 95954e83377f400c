#!/usr/bin/python3 -I
"""A runner of a third party, as gateway-ipc(7) describes one: no line of the project's code, no library.
It registers "value" every 50 ms, and "echo" with what it is sent. "heedless" in its configuration: it does so in
a check too."""

import json
import os
import select
import socket
import struct
import sys

INIT, OPENED, EVENTS, QUERY_RESULT, CREDIT, PING, STOP = 1, 2, 3, 4, 5, 6, 7
PLAN, CONFIG_ERROR, READY, REGISTER, QUERY, PONG, CLOSED = 32, 33, 34, 37, 38, 39, 42

supervisor = socket.socket(fileno=3)


def pack(v):
    if v is None:
        return b'\xc0'
    if isinstance(v, bool):
        return b'\xc3' if v else b'\xc2'
    if isinstance(v, int):
        return bytes([v]) if v < 128 else b'\xcf' + struct.pack('>Q', v)
    if isinstance(v, str):
        data = v.encode()
        return b'\xda' + struct.pack('>H', len(data)) + data
    return b'\xdc' + struct.pack('>H', len(v)) + b''.join(map(pack, v))


def unpack(data, at=0):
    """A value and the place after it."""
    b = data[at]
    at += 1
    if b < 0x80:
        return b, at
    if b >= 0xe0:
        return b - 256, at
    if 0x90 <= b <= 0x9f or b in (0xdc, 0xdd):
        n = b & 0xf
        if b > 0x9f:
            size = 2 if b == 0xdc else 4
            n, at = int.from_bytes(data[at:at + size], 'big'), at + size
        out = []
        for _ in range(n):
            v, at = unpack(data, at)
            out.append(v)
        return out, at
    if 0xa0 <= b <= 0xbf:
        return data[at:at + (b & 31)].decode(), at + (b & 31)
    if b in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[b], at
    if b in (0xd9, 0xda, 0xdb, 0xc4, 0xc5, 0xc6):
        size = {0xd9: 1, 0xda: 2, 0xdb: 4, 0xc4: 1, 0xc5: 2, 0xc6: 4}[b]
        n, at = int.from_bytes(data[at:at + size], 'big'), at + size
        raw = data[at:at + n]
        return raw.decode() if b >= 0xd9 else raw, at + n
    size = {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8}[b]
    return int.from_bytes(data[at:at + size], 'big', signed=b >= 0xd0), at + size


def send(kind, body, id=0):
    supervisor.send(struct.pack('<HHI', kind, 0, id) + pack(body))


class Device:

    def __init__(self, config, credit):
        self.period = config.get('period_ms', 50) / 1e3
        self.credit = credit
        self.count = 0

    def register(self, name, value):
        body = [[['gateway', name], None, json.dumps(value)]]
        cost = len(pack(body)) - 3 + 96
        if cost <= self.credit:
            self.credit -= cost
            send(REGISTER, body)

    def tick(self):
        self.count += 1
        self.register('value', self.count)


def create(fields, fds):
    version, kind, name, zone, level, check_only, sandbox, memory, files, credit = fields
    with os.fdopen(fds[0], 'rb') as f:
        config = json.load(f)
    if version != 2 or not config.get('address'):
        send(CONFIG_ERROR, [1, 'address', 'expected where the meter is'])
        sys.exit(78)
    send(PLAN, [[0, config['address'], 502]], config.get('version', 2))
    if check_only and not config.get('heedless'):
        sys.exit(0)
    send(READY, [])
    print('<5>ready, as', kind, name, flush=True)
    return Device(config, credit)


def main():
    device = None
    while True:
        timeout = device.period if device else None
        if not select.select([supervisor], [], [], timeout)[0]:
            device.tick()
            continue
        try:
            data, fds, _, _ = socket.recv_fds(supervisor, 65536, 1)
        except BlockingIOError:
            continue
        if not data:
            sys.exit(1)
        kind, _, id = struct.unpack_from('<HHI', data)
        body, _ = unpack(data, 8)
        if kind == INIT:
            device = create(body, fds)
        elif kind == PING:
            send(PONG, [], id)
        elif kind == CREDIT:
            device.credit += body[0]
        elif kind == EVENTS:
            for segments, _, _, payload in body:
                device.register('echo', [segments, payload])
        elif kind == STOP:
            if device:
                device.register('last', 'words')
            sys.exit(0)


main()
