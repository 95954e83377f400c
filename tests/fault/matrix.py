"""One of 20 devices is tortured in each way there is; the others must not notice."""

import os
import re
import signal
import time

from fault_site import (ROOT, SANITIZED, Site, alive, disorder, now, percentile, wait)

DEVICES = 20
VICTIM = 'd0'
CALM_S = 3.0

# Limits of the victim: what takes time is to take little.
LIMITS = {'start_ms': 4000, 'ping_ms': 1000, 'stop_ms': 400, 'types': 1000}

DENIED = {  # misdeed: the call that the obituary names
    'open': 'openat', 'create': 'openat', 'unlink': 'unlink', 'socket': 'socket',
    'socket-unix': 'socket', 'socket-raw': 'socket', 'connect': 'connect', 'bind': 'bind',
    'listen': 'listen', 'exec': 'execve', 'fork': 'clone', 'clone': 'clone', 'clone3': 'clone3',
    'kill-supervisor': 'kill', 'kill-all': 'kill', 'tgkill': 'tgkill', 'pidfd': 'pidfd_open',
    'pidfd-signal': 'pidfd_send_signal', 'pidfd-getfd': 'pidfd_getfd', 'ptrace': 'ptrace',
    'read-supervisor': 'process_vm_readv', 'supervisor-mem': 'openat', 'raise-limit': 'prlimit64',
    'mount': 'mount', 'unshare': 'unshare', 'setns': 'setns', 'chroot': 'chroot',
    'add-key': 'add_key', 'io-uring': 'io_uring_setup', 'bpf': 'bpf',
    'userfaultfd': 'userfaultfd', 'perf': 'perf_event_open', 'memfd': 'memfd_create',
    'setuid': 'setuid', 'dumpable': 'prctl', 'deathsig': 'prctl', 'sigaction': 'rt_sigaction',
    'tiocsti': 'ioctl', 'fastopen': 'sendto', 'send-to': 'sendto', 'send-message': 'sendmsg',
    'map-code': 'mmap', 'make-code': 'mprotect',
}

# AddressSanitizer ends the process itself.
CRASH = 'exit code 1' if SANITIZED else 'SIGSEGV'

# name: (what the log must say of the death, whether the device comes back by itself)
DEATHS = {
    'old-abi': ('SIGSYS', True),
    'x32': ('SIGSYS', True),
    'SIGKILL': ('SIGKILL', True),
    'SIGSTOP': ('missed ping', True),
    'segv': (CRASH, True),
    'abort': ('SIGABRT', True),
    'hang': ('missed ping', True),
    'exit-0': ('exit code 0', True),
    'exit-1': ('exit code 1', True),
    'exit-78': ('exit code 78', False),
    'stack': (CRASH, True),
    'oom': ('out of memory', True),
    'close-fd': ('closed its socket', True),
    'binary': ('exit code 1', True),
    'flood-log': ('missed ping', True),
    'flood-stats': ('flood', True),
    'flood-link': ('flood', True),
    'flood-description': ('unsolicited', True),
    'flood-query': ('flood|queries', True),
    'query-patterns': ('more than 64 types', True),
    'flood-empty': ('flood', True),
    'flood-faults': ('not in this phase', True),
    'stop-reading': ('missed ping|does not read', True),
    'wrong-phase': ('not in this phase', True),
    'unknown-type': ('unknown message type', True),
    'trailing': ('bytes after the message', True),
    'flags': ('unknown flags', True),
    'supervisors-message': ("not this side's message", True),
    'other-prefix': ("not of source 'gateway'", True),
    'bad-utf8': ('not UTF-8', True),
    'bad-json': ('not JSON', True),
    'lying-count': ('too many elements', True),
    'ready-twice': ('ready twice', True),
    'unasked-pong': ('pong without a ping', True),
    'open-unplanned': ('not in its plan|no such', True),
    'short-packet': ('shorter than a header', True),
    'empty-packet': ('an empty packet', True),
    'huge-packet': ('longer than a message', True),
    'over-credit': ('more than its credit', True),
    'send-fd': ('denied system call sendmsg|fd that was not asked for', True),
}


def messages():
    """What runners may say, from the table of the contract: a new message cannot be forgotten."""
    with open(os.path.join(ROOT, 'ipc', 'message.h'), encoding='utf-8') as f:
        return re.findall(r'X\((\w+), \d+, IPC_RUNNER,', f.read())


# Nothing but one kind of message, as large and as fast as it may: for each kind.
SPAM = [f'spam-{m}' for m in messages()]
DEATHS.update({name: ('.', True) for name in SPAM})
DEATHS['spam-HEALTH'] = 'flood of health', True

REFUSED = ['stat']      # a refusal, no death
HARMLESS = ['fill-pipe', 'invent']  # neither

QUICK = ['open', 'socket', 'exec', 'fork', 'kill-supervisor', 'ptrace', 'supervisor-mem',
         'raise-limit', 'io-uring', 'map-code', 'send-to', 'send-message', 'stat',
         'SIGKILL', 'SIGSTOP', 'segv', 'abort',
         'exit-0', 'exit-78', 'stack', 'oom', 'close-fd', 'query-patterns', 'flood-stats',
         'flood-description',
         'flood-log', 'binary',
         'wrong-phase', 'bad-json', 'lying-count', 'over-credit', 'send-fd', 'fill-pipe', 'invent', *SPAM]


def names(quick):
    if quick:
        return QUICK
    return [*DENIED, *REFUSED, *DEATHS, *HARMLESS]


def delays(site, since, until):
    return [d for n in site.names if n != VICTIM
            for t, _, _, d in site.server.ticks[n] if since <= t <= until]


def commit(site, name):
    if name.startswith('SIG'):
        pid = site.runner(VICTIM)
        t = now()
        os.kill(pid, getattr(signal, name))
        return t
    t = now()
    site.tell(VICTIM, 'torture', name)
    return t


def expected(name):
    if name in DENIED:
        return rf'denied system call {DENIED[name]} ', True
    return DEATHS.get(name, (None, True))


def torture(site, name):
    """One row of the table."""
    row = {'fault': name, 'ok': False, 'problems': []}
    cause, returns = expected(name)
    before = site.runner(VICTIM)
    t0 = commit(site, name)
    try:
        if cause:
            died = wait(lambda: site.line(rf' {VICTIM}: runner {before} died .*({cause})', t0),
                        f'{name}: an obituary that says {cause}')
            row['died_of'] = re.search(r'died after [^:]*: (.*?)(; last line: .*)?$', died[1])[1]
            row['detect_ms'] = (died[0] - t0) * 1e3
            gone = wait(lambda: site.word(VICTIM, 'running', False, t0), f'{name}: running false')
            row['false_ms'] = (gone - t0) * 1e3
        elif name in REFUSED:
            wait(lambda: site.line('was refused', t0), f'{name}: a refusal')
            row['died_of'] = 'refused'
        else:
            time.sleep(0.5)
            row['died_of'] = '-'
        if cause and returns:
            back = wait(lambda: site.word(VICTIM, 'running', True, gone), f'{name}: running again')
            row['again_ms'] = (back - t0) * 1e3
            wait(lambda: site.runner(VICTIM) != before, f'{name}: a new process')
        if cause and not returns:
            wait(lambda: site.state(VICTIM) == 'failed', f'{name}: failed')
        if cause and alive(before):
            row['problems'].append(f'process {before} is still there')
    except AssertionError as e:
        row['problems'].append(str(e))
    time.sleep(0.15)
    t1 = now()
    for text in ('ESCAPED', 'UNKNOWN misdeed'):
        found = site.line(text, t0)
        if found:
            row['problems'].append(found[1])
    harm(site, row, t0, t1)
    return row


def harm(site, row, t0, t1):
    """What the neighbours noticed."""
    sums = [0, 0, 0, 0]
    for n in site.names:
        if n != VICTIM:
            sums = [a + b for a, b in zip(sums, disorder(site.server.ticks[n], t0, t1))]
    row['lost'], row['repeated'], row['reordered'], row['restarts'] = sums
    if any(sums):
        row['problems'].append('neighbours: %d lost, %d repeated, %d reordered, %d restarted' %
                               tuple(sums))
    silent = [n for n in site.names if n != VICTIM and site.server.ticks[n][-1][0] < t1 - 1]
    if silent:
        row['problems'].append(f'silent since: {silent}')
    row['p99_ms'] = percentile(delays(site, t0, t1), 0.99)


def measure_calm(site):
    t0 = now()
    cpu = site.cpu_ms()
    time.sleep(CALM_S)
    values = delays(site, t0, now())
    return {'p50_ms': percentile(values, 0.5), 'p99_ms': percentile(values, 0.99),
            'cpu_ms_per_s': (site.cpu_ms() - cpu) / CALM_S, 'fds': site.fds(),
            'rss_kib': site.rss_kib()}


def measure_kills(site, count=10):
    """Median times of a SIGKILL: to 'running' false at the Event Server, to the first event again.
    The best of three series counts: what else a machine does only adds."""
    series = [measure_series(site, count) for _ in range(3)]
    return tuple(min(x) for x in zip(*series))


def measure_series(site, count):
    gone, again = [], []
    for _ in range(count):
        site.renew(VICTIM)
        t = commit(site, 'SIGKILL')
        pid = site.runner(VICTIM)
        gone.append((wait(lambda: site.word(VICTIM, 'running', False, t), 'running false') - t) * 1e3)
        up = wait(lambda: site.word(VICTIM, 'running', True, t), 'running true')
        wait(lambda: site.runner(VICTIM) != pid, 'ticks')
        again.append((up - t) * 1e3)
    return percentile(gone, 0.5), percentile(again, 0.5)


def run(quick, report):
    """Returns rows and figures; report(row) is called for each row."""
    def device(i):
        return {'period_ms': 25, **({'limits': LIMITS} if f'd{i}' == VICTIM else {})}

    with Site(DEVICES, device=device) as site:
        time.sleep(0.5)
        calm = measure_calm(site)
        figures = {'calm': calm}
        figures['kill_to_false_ms'], figures['kill_to_true_ms'] = measure_kills(site)
        rows, begin = [], now()
        wanted = [n for n in names(quick) if not (SANITIZED and (n in DENIED or n in (
            'old-abi', 'x32', 'stat', 'oom')))]
        for name in wanted:
            site.renew(VICTIM)
            row = torture(site, name)
            row['ok'] = not row['problems']
            rows.append(row)
            report(row)
            if site.process.poll() is not None:
                row['problems'].append('gatewayd ended')
                return rows, figures
        # All of the neighbours' events from the first misdeed to the last.
        figures['p99_ms'] = percentile(delays(site, begin, now()), 0.99)
        site.renew(VICTIM)
        time.sleep(0.5)
        figures['after'] = measure_calm(site)
        figures['longest_turn_us'] = site.info()['longest_turn_us']
        figures['row_p99_ms'] = percentile([r['p99_ms'] for r in rows], 0.5)
        figures['worst_p99_ms'] = max(r['p99_ms'] for r in rows)
        return rows, figures
