"""Modbus peers for tests, of our own: a slave whose every byte a test decides, and raw frames. Standard
library only."""
import os
import select
import socket
import struct
import threading
import time
import tty

import ports


def crc(data):
    c = 0xffff
    for b in data:
        c ^= b
        for _ in range(8):
            c = c >> 1 ^ (0xa001 if c & 1 else 0)
    return struct.pack('<H', c)


def rtu(unit, pdu):
    body = bytes([unit]) + pdu
    return body + crc(body)


def ascii_(unit, pdu):
    body = bytes([unit]) + pdu
    return b':' + (body + bytes([-sum(body) & 255])).hex().upper().encode() + b'\r\n'


def mbap(transaction, unit, pdu):
    return struct.pack('>HHHB', transaction, 0, len(pdu) + 1, unit) + pdu


def frame(kind, transaction, unit, pdu):
    if kind == 'TCP':
        return mbap(transaction, unit, pdu)
    return rtu(unit, pdu) if kind == 'RTU' else ascii_(unit, pdu)


class Registers:
    """A device: registers by address for all reads and writes; `refused` addresses are errors."""

    def __init__(self, values=None):
        self.values, self.refused, self.requests = dict(values or {}), set(), []

    def answer(self, unit, pdu):
        self.requests.append((unit, pdu))
        fc, address, n = pdu[0], *struct.unpack('>HH', pdu[1:5].ljust(4, b'\0'))
        if fc in (3, 4):
            wanted = range(address, address + n)
            if self.refused & set(wanted):
                return bytes([fc | 128, 2])
            regs = [self.values.get(i, 0) for i in wanted]
            return bytes([fc, 2 * n]) + struct.pack(f'>{n}H', *regs)
        if fc in (1, 2):
            if self.refused & set(range(address, address + n)):
                return bytes([fc | 128, 2])
            bits = bytearray((n + 7) // 8)
            for i in range(n):
                bits[i // 8] |= (self.values.get(address + i, 0) & 1) << i % 8
            return bytes([fc, len(bits)]) + bytes(bits)
        if fc in (5, 6):
            self.values[address] = n if fc == 6 else n >> 15
            return pdu
        if fc == 16:
            for i, v in enumerate(struct.unpack(f'>{n}H', pdu[6:])):
                self.values[address + i] = v
            return pdu[:5]
        if fc == 15:
            for i in range(n):
                self.values[address + i] = pdu[6 + i // 8] >> i % 8 & 1
            return pdu[:5]
        if fc == 22:
            and_mask, or_mask = struct.unpack('>HH', pdu[3:7])
            old = self.values.get(address, 0)
            self.values[address] = old & and_mask | or_mask & ~and_mask & 0xffff
            return pdu
        if fc == 24:
            queue = self.values.get('queue', [])
            return bytes([24]) + struct.pack(f'>HH{len(queue)}H', 2 + 2 * len(queue), len(queue),
                                             *queue)
        return bytes([fc | 128, 1])


class Slave:
    """Serves one master at a time over TCP, or over a descriptor (pty). `on_request(slave, transaction,
    unit, pdu)` may do as it likes and return True; else the device answers."""

    def __init__(self, kind='TCP', device=None, on_request=None, fd=None):
        self.kind, self.device, self.on_request = kind, device or Registers(), on_request
        self.connects, self.silent_units, self._fd = 0, set(), fd
        self._stop = False
        self._lock = threading.Lock()
        if fd is None:
            self._listener = ports.listen(backlog=16)
            self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop:
            if self._fd is not None:
                self._serve(self._fd)
                return
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            self.conn, _ = self._listener.accept()
            self.conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connects += 1
            self._serve(self.conn.fileno())
            self.conn.close()

    def _serve(self, fd):
        buf = b''
        self._out = fd
        while not self._stop:
            try:
                if not select.select([fd], [], [], 0.05)[0]:
                    continue
                data = os.read(fd, 4096)
            except OSError:
                return
            if not data:
                return
            buf += data
            while (cut := self._cut(buf)):
                transaction, unit, pdu, buf = cut
                try:
                    if self.on_request and self.on_request(self, transaction, unit, pdu):
                        continue
                    if unit not in self.silent_units:
                        self.reply(transaction, unit, self.device.answer(unit, pdu))
                except OSError:
                    return

    def _cut(self, buf):
        if self.kind == 'TCP':
            if len(buf) < 8 or len(buf) < 6 + (n := struct.unpack('>H', buf[4:6])[0]):
                return None
            return struct.unpack('>H', buf[:2])[0], buf[6], buf[7:6 + n], buf[6 + n:]
        if self.kind == 'ASCII':
            line, end, rest = buf.partition(b'\r\n')
            if not end:
                return None
            raw = bytes.fromhex(line[line.rindex(b':') + 1:].decode())
            assert sum(raw) & 255 == 0, 'a request with a bad LRC'
            return 0, raw[0], raw[1:-1], rest
        if len(buf) < 2:
            return None
        n = {15: 9, 16: 9, 22: 10, 24: 6}.get(buf[1], 8)
        if n == 9 and len(buf) < 7:
            return None
        n += buf[6] if n == 9 else 0
        if len(buf) < n:
            return None
        assert crc(buf[:n - 2]) == buf[n - 2:n], 'a request with a bad CRC'
        return 0, buf[0], buf[1:n - 2], buf[n:]

    def reply(self, transaction, unit, pdu):
        self.raw(frame(self.kind, transaction, unit, pdu))

    def raw(self, data):
        with self._lock:
            os.write(self._out, data)

    def drop(self):
        """Closes the connection of the master."""
        self.conn.shutdown(socket.SHUT_RDWR)

    def stop(self):
        self._stop = True
        self._thread.join()
        if self._fd is None:
            self._listener.close()


class Bridge:
    """Two ptys joined by a line of `baud`: bytes pass at its pace, and it can vanish (hang up).
    `gaps` are the seconds of silence before each byte that came after some."""

    def __init__(self, baud=None, bits=11):
        self.char = bits / baud if baud else 0
        self.masters, self.slaves, self.paths = [], [], []
        self.log = []  # (time the byte ended, side it came from, byte)
        for _ in range(2):
            m, s = os.openpty()
            tty.setraw(s)
            self.masters.append(m)
            self.slaves.append(s)
            self.paths.append(os.ttyname(s))
        self._stop = False
        self._threads = [threading.Thread(target=self._pump, args=(i,), daemon=True)
                         for i in range(2)]
        for t in self._threads:
            t.start()

    def _pump(self, side):
        free = 0
        while not self._stop:
            try:
                if not select.select([self.masters[side]], [], [], 0.05)[0]:
                    continue
                data = os.read(self.masters[side], 4096)
            except OSError:
                time.sleep(0.01)
                continue
            for b in data:
                if self.char:
                    now = time.perf_counter()
                    free = max(free, now) + self.char
                    while (left := free - time.perf_counter()) > 0:
                        if left > 0.0005:
                            time.sleep(left - 0.0003)
                self.log.append((time.perf_counter(), side, b))
                os.write(self.masters[1 - side], bytes([b]))

    def vanish(self, side):
        """The device behind that end is pulled out: its master end closes."""
        self._join()
        os.close(self.slaves[side])
        os.close(self.masters[side])
        self.slaves[side] = self.masters[side] = -1

    def _join(self):
        """Before descriptors close: their numbers may come back as somebody else's."""
        self._stop = True
        for t in self._threads:
            t.join()

    def stop(self):
        self._join()
        for fd in self.masters + self.slaves:
            if fd >= 0:
                os.close(fd)
