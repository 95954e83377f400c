"""A real gatewayd with torture-runners as its devices, and an Event Server that keeps the time."""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import shutil

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get('BUILD', 'build'))
sys.path.insert(0, os.path.join(ROOT, 'tests', 'lib'))

import eventer  # noqa: E402
from gatewayd import Ctl  # noqa: E402
from patience import end_process  # noqa: E402

RUNNER = os.path.join(BUILD, 'tests', 'lib', 'torture-runner')
SANITIZED = 'san' in os.path.basename(BUILD)
PREFIX = 'gateway/torture/'


# The thread that takes the time of an event must not wait for one that polls.
sys.setswitchinterval(0.0002)


def now():
    return time.monotonic()


def newest(items):
    """From the end, while others append."""
    return (items[i] for i in range(len(items) - 1, -1, -1))


def wait(condition, what, seconds=30.0):
    """The first true value of condition()."""
    end = now() + seconds
    while True:
        value = condition()
        if value:
            return value
        if now() > end:
            raise AssertionError(f'not in time: {what}')
        time.sleep(0.002)


class Server(eventer.EventerServer):
    """Keeps ticks apart from other events: ticks[device] is a list of (arrival, pid, seq, delay in ms)."""

    def __init__(self, **kwargs):
        self.ticks = {}
        self.words = []
        self.per_second = None
        super().__init__(**kwargs)

    def record(self, t, events):
        for event in events:
            device, kind = event.type[2], event.type[-1]
            if kind == 'tick':
                p = event.payload.data
                self.ticks.setdefault(device, []).append(
                    (t, p['pid'], p['seq'], t * 1e3 - p['ns'] / 1e6))
            else:
                self.words.append((t, device, kind, event.payload and event.payload.data))


def _register(client, msg):
    t = now()
    events = eventer.Reader(msg.data)
    events = events.list(events.register_event)
    client.server.record(t, events)
    client.server.count += len(events)
    if client.server.per_second:
        time.sleep(len(events) / client.server.per_second)
    asked = [client.server.event(e.type, e.payload) for e in events if e.type[-2:] == ('system', 'enable')]
    if asked:
        client.server.notify(asked)
    if not msg.last:
        client.chatter.send('HatEventer.MsgRegisterRes', eventer.put_int(0) + eventer.put_list(eventer.put_event, []),
                            reply_to=msg)


eventer._ServedClient._register = _register


class Site:
    """count devices d0, d1, ...; conf: more keys of the configuration; device(i): more keys of a device."""

    def __init__(self, count=1, conf=None, device=None, server=None, preexec=None, stderr=None,
                 program=None, wait_up=True, uid=None, defer=False):
        self.dir = tempfile.mkdtemp(prefix='gatewayd-fault-')
        # Runners under another user have to reach it.
        os.chmod(self.dir, 0o755)
        if uid is not None:
            os.chown(self.dir, uid, -1)
        self.server = server or Server()
        self.names = [f'd{i}' for i in range(count)]
        devices = [{'name': n, 'runner': RUNNER, 'type': 'torture', **(device(i) if device else {})}
                   for i, n in enumerate(self.names)]
        conf = {'type': 'gateway', 'name': 'gw',
                'event_server': {'eventer_server': {'host': '127.0.0.1',
                                                    'port': self.server.port}},
                'devices': devices, **(conf or {})}
        self.config = os.path.join(self.dir, 'gatewayd.yaml')
        with open(self.config, 'w', encoding='utf-8') as f:
            json.dump(conf, f, indent=1)
        self.program = program or [os.path.join(BUILD, 'gatewayd')]
        self.preexec = preexec
        self.stderr = stderr
        self.lines = []
        for n in self.names:
            self.server.preset(PREFIX + n + '/system/enable', eventer.Json(True))
        if not defer:
            self.start()
        if wait_up:
            self.wait_running(self.names)

    def start(self):
        self.process = subprocess.Popen(
            [*self.program, '--config', self.config],
            env={**os.environ, 'RUNTIME_DIRECTORY': self.dir, 'STATE_DIRECTORY': self.dir},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=self.stderr or subprocess.PIPE, preexec_fn=self.preexec)
        if not self.stderr:
            threading.Thread(target=self._read, args=(self.process.stderr,), daemon=True).start()

    def _read(self, pipe):
        for line in pipe:
            self.lines.append((now(), line.decode('utf-8', 'replace').rstrip('\n')))

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        end_process(self.process)
        self.server.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def info(self):
        return Ctl(os.path.join(self.dir, 'control'))('info')[0]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for _, line in self.lines[-30:]:
                print('   |', line, file=sys.stderr)
        self.close()

    # --- what was said ---

    def word(self, device, kind, value, since=0.0):
        """When the device's event came first after since, or None."""
        found = None
        for t, d, k, v in newest(self.server.words):
            if t < since:
                break
            if d == device and k == kind and v == value:
                found = t
        return found

    def line(self, pattern, since=0.0):
        """(when, line) of the first line of the log that matches."""
        found = None
        for t, line in newest(self.lines):
            if t < since:
                break
            if re.search(pattern, line):
                found = t, line
        return found

    def wait_running(self, names, since=0.0, seconds=20.0):
        for n in names:
            wait(lambda n=n: self.word(n, 'running', True, since) and self.server.ticks.get(n),
                 f'{n} running', seconds)

    def runner(self, name):
        """The process number of the device's runner, as it last said itself."""
        return self.server.ticks[name][-1][1]

    # --- what is done ---

    def tell(self, name, kind, value):
        self.server.notify([self.server.event(PREFIX + f'{name}/system/{kind}', eventer.Json(value))])

    def renew(self, name):
        """Off and on again: a device without a past."""
        t = now()
        self.tell(name, 'enable', False)
        self.tell(name, 'enable', True)
        up = wait(lambda: self.word(name, 'running', True, t), f'{name} running again')
        wait(lambda: self.server.ticks[name][-1][0] > up, f'{name} ticking again')

    def state(self, name):
        """What gatewayctl says of the device."""
        out = subprocess.run([os.path.join(BUILD, 'gatewayctl'), '--socket',
                              os.path.join(self.dir, 'control'), '--json', 'status', name],
                             capture_output=True, timeout=10, check=True).stdout
        return json.loads(out)[0]['state']

    # --- what it costs ---

    def fds(self):
        return len(os.listdir(f'/proc/{self.pid}/fd'))

    def rss_kib(self):
        with open(f'/proc/{self.pid}/status', encoding='ascii') as f:
            return int(re.search(r'VmRSS:\s+(\d+)', f.read()).group(1))

    def cpu_ms(self, pid=None):
        with open(f'/proc/{pid or self.pid}/stat', encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf('SC_CLK_TCK')

    def children(self):
        out = []
        for entry in os.listdir('/proc'):
            try:
                with open(f'/proc/{entry}/stat', encoding='ascii', errors='replace') as f:
                    fields = f.read().rsplit(')', 1)[1].split()
                if entry.isdigit() and int(fields[1]) == self.pid:
                    out.append(int(entry))
            except (OSError, IndexError, ValueError):
                pass
        return out


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii', errors='replace') as f:
            return f.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except OSError:
        return False


def percentile(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))] if values else 0.0


def disorder(ticks, since, until):
    """What became of one device's ticks in a stretch of time: (lost, repeated, out of order, restarts)."""
    lost = repeated = reordered = restarts = 0
    last = None
    for t, pid, seq, _ in ticks:
        if t > until:
            break
        if t >= since and last is not None:
            if pid != last[0]:
                restarts += 1
            elif seq > last[1] + 1:
                lost += seq - last[1] - 1
            elif seq == last[1]:
                repeated += 1
            elif seq < last[1]:
                reordered += 1
        last = (pid, seq)
    return lost, repeated, reordered, restarts
