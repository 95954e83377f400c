"""A second implementation of the link of IEC 60870-5-101, after IEC 60870-5-2 alone: a station at a pty, balanced or
unbalanced, controlling or controlled, in a thread. It judges each frame that it gets: `faults` names those that the
standard does not allow. `frames` keeps what passed: (ours, octets). Standard library only."""

import collections
import os
import select
import threading
import time

RESET, TEST, DATA, DATA_NO_REPLY, STATUS, CLASS1, CLASS2 = 0, 2, 3, 4, 9, 10, 11
ACK, NACK, USER_DATA, NO_DATA, LINK_STATUS = 0, 1, 8, 9, 11
WITH_FCB = (TEST, DATA, CLASS1, CLASS2)
E5 = b"\xe5"

Frame = collections.namedtuple("Frame", "control address data")


def octets(control, address, data=b""):
    user = bytes([control, address]) + data
    head = bytes([0x68, len(user), len(user), 0x68]) if data else b"\x10"
    return head + user + bytes([sum(user) % 256, 0x16])


class Station:
    """`to`: the address in its requests and their answers; `own`: that in the requests it gets. b_to_a: its direction bit
    is 0. deaf(n): whether the n-th request is not heard."""

    def __init__(self, path, to=1, own=1, balanced=True, controlling=True, b_to_a=False, single=True, timeout=1.0, tries=3,
                 deaf=lambda n: False, on_asdu=None, class2=()):
        self.to, self.own, self.balanced, self.controlling = to, own, balanced, controlling
        self.direction = 0x80 * (balanced and not b_to_a)
        self.single, self.timeout, self.tries, self.deaf, self.on_asdu = single, timeout, tries, deaf, on_asdu
        self.outbox, self.class2, self.received = collections.deque(), collections.deque(class2), []
        self.faults, self.frames, self.count = [], [], 0
        self.up = False  # its own direction
        self.restart()
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
        self._buffer, self._stop = b"", False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def restart(self):
        """As if its power had failed: it begins with a reset, and knows no frame count bit."""
        self.fresh = True

    def send(self, *asdus):
        self.outbox.extend(asdus)

    def close(self):
        self._stop = True
        self._thread.join()
        os.close(self._fd)

    def fault(self, text, frame=None):
        self.faults.append(f"{text}: {frame}")

    # Octets and frames.

    def _write(self, data):
        self.frames.append((True, data))
        os.write(self._fd, data)

    def _cut(self):
        """The first whole frame of the buffer: octets, or None."""
        while self._buffer:
            b = self._buffer
            size = {0xe5: 1, 0x10: 5}.get(b[0], b[1] + 6 if b[0] == 0x68 and len(b) > 1 else 2 if b[0] == 0x68 else 0)
            if not size:
                self.fault("an octet outside of frames", b[:1].hex())
                self._buffer = b[1:]
                continue
            if len(b) < size:
                return None
            self._buffer = b[size:]
            return b[:size]
        return None

    def _parsed(self, raw):
        self.frames.append((False, raw))
        if raw == E5:
            return E5
        user = raw[1:3] if raw[0] == 0x10 else raw[4:-2]
        if raw[0] == 0x68 and (raw[1] != raw[2] or raw[3] != 0x68 or len(user) < 3):
            self.fault("a head that is none", raw.hex())
        if raw[-2] != sum(user) % 256 or raw[-1] != 0x16:
            self.fault("a sum or an end that is wrong", raw.hex())
        return Frame(user[0], user[1], user[2:])

    def _receive(self, until):
        """The next frame, or None at that time."""
        while True:
            raw = self._cut()
            if raw:
                return self._parsed(raw)
            left = until - time.monotonic()
            if left <= 0 or self._stop:
                return None
            if select.select([self._fd], [], [], min(left, 0.05))[0]:
                self._buffer += os.read(self._fd, 4096)

    # What is wrong with what it gets.

    def _judge_direction(self, f):
        if f.control & 0x80 != (0x80 ^ self.direction if self.balanced else 0):
            self.fault("the direction bit", f)

    def _judge_request(self, f):
        function = f.control & 15
        self._judge_direction(f)
        allowed = (RESET, TEST, DATA, DATA_NO_REPLY, STATUS) if self.balanced else (
            RESET, DATA, DATA_NO_REPLY, STATUS, CLASS1, CLASS2)
        if function not in allowed:
            self.fault("a function that is none", f)
        if bool(f.control & 0x10) != (function in WITH_FCB):
            self.fault("FCV does not belong to the function", f)
        if not f.control & 0x10 and f.control & 0x20:
            self.fault("FCB without FCV", f)
        if bool(f.data) != (function in (DATA, DATA_NO_REPLY)):
            self.fault("data do not belong to the function", f)
        if f.control & 0x10 and self._expected is None:
            self.fault("a frame count bit before a reset", f)

    def _judge_answer(self, f, function):
        if f == E5:
            if function == STATUS:
                self.fault("E5 for the status of the link", f)
            return
        self._judge_direction(f)
        if f.address != self.to:
            self.fault("an answer with another address", f)
        allowed = {STATUS: (LINK_STATUS,), CLASS1: (USER_DATA, NO_DATA), CLASS2: (USER_DATA, NO_DATA)}.get(
            function, (ACK, NACK))
        if f.control & 15 not in allowed:
            self.fault(f"no answer to function {function}", f)
        if self.balanced and f.control & 0x20:
            self.fault("a reserved bit", f)

    # As a secondary station.

    def _answer(self, function, data=b""):
        access = 0x20 * (not self.balanced and bool(self.outbox))
        short = self.single and not access and (function == ACK or function == NO_DATA)
        return E5 if short else octets(self.direction | access | function, self.own, data)

    def _polled(self, queue):
        if not queue:
            return self._answer(NO_DATA)
        data = queue.popleft()
        return self._answer(USER_DATA, data)

    def _act(self, f):
        """The answer to a new request."""
        function = f.control & 15
        if function == CLASS1:
            return self._polled(self.outbox)
        if function == CLASS2:
            return self._polled(self.class2)
        if f.data:
            self.received.append(f.data)
            if self.on_asdu:
                self.on_asdu(self, f.data)
        return self._answer(ACK)

    def _on_request(self, f):
        if f.address != self.own:
            self.fault("a request to another address", f)
            return
        self.count += 1
        if self.deaf(self.count):
            return
        self._judge_request(f)
        function, fcb = f.control & 15, f.control >> 5 & 1
        if function == RESET:
            self._expected, self._last = 1, None
            self._write(self._answer(ACK))
        elif function == STATUS:
            self._write(self._answer(LINK_STATUS))
        elif function == DATA_NO_REPLY:
            self._act(f)
        elif self._last and self._expected == fcb ^ 1:
            if self._last[0] != f:
                self.fault("another request with the same frame count bit", f)
            self._write(self._last[1])
        else:
            answer = self._act(f)
            self._expected, self._last = fcb ^ 1, (f, answer)
            self._write(answer)

    # As a primary station.

    def _ask(self, function, data=b""):
        """The answer, or None after the last try. Requests that come meanwhile are answered."""
        control = self.direction | 0x40 | function
        if function in WITH_FCB:
            control |= 0x10 | 0x20 * self._fcb
            self._fcb ^= 1
        for _ in range(self.tries):
            self._write(octets(control, self.to, data))
            until = time.monotonic() + self.timeout
            while (f := self._receive(until)) is not None:
                if f != E5 and f.control & 0x40:
                    self._on_request(f)
                    continue
                self._judge_answer(f, function)
                return f
            if self._stop:
                break
        return None

    def _connect(self):
        answer = self._ask(STATUS)
        if answer is None or answer == E5 or self._ask(RESET) is None:
            return
        self._fcb, self.up = 1, True

    def _poll(self):
        """Polls of an unbalanced controlling station: class 1, as long as it is asked for, else class 2."""
        f = self._ask(CLASS1 if self._access else CLASS2)
        if f is None:
            self.up = False
            return
        was, self._access = self._access, f != E5 and bool(f.control & 0x20)
        if f != E5 and f.control & 15 == USER_DATA:
            self.received.append(f.data)
            if self.on_asdu:
                self.on_asdu(self, f.data)
        elif was:
            self.fault("nothing of the class 1 data that were announced", f)

    def _primary(self):
        if not self.up:
            self._connect()
            return
        if self.outbox:
            f = self._ask(DATA, self.outbox[0])
            if f is None:
                self.up = False
                return
            if f == E5 or f.control & 15 == ACK:
                self.outbox.popleft()
                self.sent += 1
            self._access = self._access or f != E5 and bool(f.control & 0x20)
        elif not self.balanced:
            self._poll()

    def _run(self):
        while not self._stop:
            if self.fresh:
                self.fresh, self.up, self._expected, self._last, self._fcb, self._access, self.sent = (
                    False, False, None, None, 1, False, 0)
            if self.balanced or self.controlling:
                self._primary()
            f = self._receive(time.monotonic() + 0.01)
            if f and f != E5 and f.control & 0x40:
                self._on_request(f)
            elif f:
                self.fault("an answer to nothing", f)
