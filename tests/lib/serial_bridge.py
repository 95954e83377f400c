"""A serial line between two pseudo-terminals: bytes take their time at a baud rate, frames can be hurt,
and the line can be unplugged and plugged in again.

    with Bridge(baud=9600) as line:
        ... line.a, line.b are the paths of the two ends ...

A pseudo-terminal itself has no speed and no noise. What one write brought within 2 ms is one frame."""
import collections
import contextlib
import os
import pty
import random
import select
import tempfile
import threading
import time
import tty

Faults = collections.namedtuple('Faults', 'drop twice delay corrupt split', defaults=(0,) * 5)


class Bridge:

    def __init__(self, baud=None, bits=11, faults=Faults(), seed=1):
        self.dir = tempfile.mkdtemp(prefix='line-')
        self.a, self.b = (os.path.join(self.dir, n) for n in ('a', 'b'))
        self.char = bits / baud if baud else 0
        self.faults, self.random = faults, random.Random(seed)
        self.bytes = [0, 0]      # that came out at a, at b
        self.busy = [0.0, 0.0]   # seconds that each direction was carrying bytes
        self.hurt = collections.Counter()
        self.frames = None       # a list to keep (time, from, bytes) in
        self.plug()

    def plug(self):
        self.ends, self.slaves = [], []
        for path in (self.a, self.b):
            master, slave = pty.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self.ends.append(master)
            self.slaves.append(slave)
            os.symlink(os.ttyname(slave), path)
        self.running = True
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def unplug(self):
        """Both ends vanish: readers get a hang-up, the paths are gone."""
        self.running = False
        self.thread.join()
        for path in (self.a, self.b):
            os.unlink(path)
        for fd in self.ends + self.slaves:
            os.close(fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.unplug()
        os.rmdir(self.dir)

    def _spoil(self, data):
        """The chunks [(delay, bytes)] that become of one frame."""
        f, r = self.faults, self.random
        if r.random() < f.drop:
            self.hurt['drop'] += 1
            return []
        if r.random() < f.corrupt:
            self.hurt['corrupt'] += 1
            data = bytearray(data)
            bit = r.randrange(8)
            data[r.randrange(len(data))] ^= 1 << bit | 1 << (bit + r.randrange(1, 8)) % 8
        delay = 0.0
        if r.random() < f.delay:
            self.hurt['delay'] += 1
            delay = r.random() * 0.05
        chunks = [(delay, bytes(data))]
        if len(data) > 1 and r.random() < f.split:
            self.hurt['split'] += 1
            cut = r.randrange(1, len(data))
            chunks = [(delay, bytes(data[:cut])), (r.random() * 0.02, bytes(data[cut:]))]
        if r.random() < f.twice:
            self.hurt['twice'] += 1
            chunks.append((0, bytes(data)))
        return chunks

    def _take(self, side, queue, free):
        data = b''
        try:
            data = os.read(self.ends[side], 4096)
            if any(self.faults):
                time.sleep(0.002)
                data += os.read(self.ends[side], 4096)
        except BlockingIOError:
            pass
        if not data:
            return free
        if self.frames is not None:
            self.frames.append((time.monotonic(), side, data))
        for delay, chunk in self._spoil(data) if any(self.faults) else [(0, data)]:
            at = max(free, time.monotonic() + delay)
            for byte in chunk if self.char else ():
                at += self.char
                queue.append((at, bytes([byte])))
                self.busy[1 - side] += self.char
            if not self.char:
                queue.append((at, chunk))
            free = at
        return free

    def _run(self):
        with contextlib.suppress(OSError):  # a line does not wait for a processor
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -15)
        queues, free = (collections.deque(), collections.deque()), [0.0, 0.0]
        while self.running:
            due = min((q[0][0] for q in queues if q), default=None)
            wait = 0.05 if due is None else max(0, min(0.05, due - time.monotonic()))
            ready, _, _ = select.select(self.ends, [], [], wait)
            for side in (0, 1):
                if self.ends[side] in ready:
                    free[side] = self._take(side, queues[side], free[side])
            now = time.monotonic()
            for side, queue in enumerate(queues):
                out = b''
                while queue and queue[0][0] <= now:
                    out += queue.popleft()[1]
                if out:
                    os.write(self.ends[1 - side], out)
                    self.bytes[1 - side] += len(out)
