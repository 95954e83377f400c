"""The supervisor's own faults: its Event Server, its resolver, its limits, its log, its own end."""

import ctypes
import os
import resource
import signal
import socket
import subprocess
import tempfile
import time

from fault_site import BUILD, PREFIX, SANITIZED, Server, Site, alive, eventer, now, wait

import gatewayd  # noqa: E402  (fault_site makes it findable)

libc = ctypes.CDLL(None, use_errno=True)


def ticking(site, names, since, seconds=10):
    for n in names:
        wait(lambda n=n: site.server.ticks[n][-1][0] > since, f'{n} ticks on', seconds)


def comes_back(site, t, what):
    """The link was lost: devices end, it is there again, and so are they."""
    wait(lambda: site.line('link|Event Server: .*next try', t), f'{what}: the link is lost')
    for n in site.names:
        wait(lambda n=n: site.word(n, 'running', True, t), f'{what}: {n} running again', 15)
    ticking(site, site.names, t)


def event_server_ends_in_mid_frame(quick):
    with Site(5) as site:
        fds = site.fds()
        for _ in range(3):
            t = now()
            site.server.close_mid_frame()
            comes_back(site, t, 'mid-frame')
        wait(lambda: site.fds() == fds, f'{fds} descriptors, {site.fds()} are open')
        return f'{site.server.connects} connections, {fds} descriptors as before'


def event_server_sends_garbage(quick):
    garbage = [b'\x04\xff\xff\xff\xff garbage', b'\xff' * 300, b'\x00', os.urandom(4096),
               b'\x01\x02\x80\x80', b'\x08' + b'\x7f' + b'\xff' * 7]
    with Site(3) as site:
        for data in garbage:
            t = now()
            before = site.server.connects
            site.server.send_garbage(data)
            wait(lambda: site.server.connects > before, f'{data[:8]!r}: a new connection')
            comes_back(site, t, f'{data[:8]!r}')
        return f'{len(garbage)} kinds'


def event_server_is_half_open(quick):
    """It takes the connection and never says a word."""
    listener = socket.create_server(('127.0.0.1', 0))
    server = Server()
    real, server.port = server.port, listener.getsockname()[1]
    site = Site(1, server=server, wait_up=False)
    with site:
        held = [listener.accept()[0]]
        wait(lambda: site.line('no answer to init in time'), 'the time-out', 15)
        t = site.line('no answer to init in time')[0]
        held.append(listener.accept()[0])
        for s in [*held, listener]:
            s.close()
        server.port = real
        return f'given up after {t - site.lines[0][0]:.1f} s, tried again'


def event_server_answers_with_100000_events(quick):
    def answer(kind, types):
        many = [server.event(PREFIX + f'x{i}/system/enable', eventer.Json(True))
                for i in range(100_000)]
        mine = [server.event(PREFIX + f'd{i}/system/enable', eventer.Json(True)) for i in range(3)]
        return many + mine

    server = Server()
    server.on_query = answer
    start = now()
    with Site(3, server=server) as site:
        rss = site.rss_kib()
        seconds = now() - start
        if rss > 64 * 1024:
            raise AssertionError(f'{rss} KiB')
        return f'running after {seconds:.1f} s, {rss} KiB'


def event_server_floods_one_device(quick):
    with Site(3) as site:
        rss = site.rss_kib()
        t = now()
        event = site.server.event(PREFIX + 'd0/system/noise', eventer.Json('x' * 100))
        for _ in range(100):
            site.server.notify([event] * 1000)
        ticking(site, site.names, now())
        pids = {n: {x[1] for x in site.server.ticks[n]} for n in site.names}
        if any(len(p) > 1 for p in pids.values()):
            raise AssertionError('a device was restarted')
        grown = site.rss_kib() - rss
        if grown > 16 * 1024:
            raise AssertionError(f'grew by {grown} KiB')
        return f'100,000 events in {now() - t:.1f} s, supervisor +{grown} KiB'


def private_resolver(address):
    """For the child alone: a resolv.conf that names this server."""
    path = tempfile.mktemp(prefix='resolv-')
    with open(path, 'w', encoding='ascii') as f:
        f.write(f'nameserver {address}\n')

    def preexec():
        clone_newns, ms_rec_private, ms_bind = 0x20000, 0x4000 | 0x40000, 0x1000
        if (libc.unshare(clone_newns) or libc.mount(b'none', b'/', None, ms_rec_private, None) or
                libc.mount(path.encode(), b'/etc/resolv.conf', None, ms_bind, None)):
            raise OSError(ctypes.get_errno(), 'namespace')
    return path, preexec


def name_resolution_hangs(quick):
    if os.geteuid() != 0:
        return 'skipped: needs root for a resolv.conf of its own'
    sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sink.bind(('127.0.0.77', 53))
    except OSError as e:
        return f'skipped: {e}'
    path, preexec = private_resolver('127.0.0.77')
    try:
        with Site(4, device=lambda i: {'host': f'hangs{i}.example.org'}, preexec=preexec) as site:
            fds = site.fds()
            t = now()
            for n in ('d0', 'd1'):
                for _ in range(20):
                    site.tell(n, 'torture', 'resolve')
            sink.settimeout(5)
            sink.recv(512)
            time.sleep(2)
            late = max(x[3] for n in site.names for x in site.server.ticks[n] if x[0] > t)
            ticking(site, site.names, now())
            if late > 250:
                raise AssertionError(f'an event came {late:.0f} ms late')
            # A client that goes away takes its questions with it.
            for n in ('d0', 'd1'):
                site.renew(n)
            wait(lambda: site.fds() <= fds + 2, f'{fds} descriptors, {site.fds()} are open')
            return f'40 lookups under way, events at most {late:.0f} ms late'
    finally:
        sink.close()
        os.unlink(path)


def no_descriptors_left(quick):
    limit = 40
    site = Site(20, preexec=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, 4096)),
                wait_up=False, device=lambda i: {'limits': {'files': 64}})
    with site:
        wait(lambda: site.line('Too many open files'), 'EMFILE in the log')
        time.sleep(1)
        running = [n for n in site.names if site.word(n, 'running', True)]
        if not running or len(running) == 20:
            raise AssertionError(f'{len(running)} of 20 run')
        t = now()
        ticking(site, running, t)
        resource.prlimit(site.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        site.wait_running(site.names, seconds=40)
        return f'{len(running)} of 20 ran on, all when there were descriptors again'


def no_memory_left(quick):
    """Its address space is as large as it may be: nothing new can start, what runs goes on."""
    if SANITIZED:
        return 'skipped: no limits and no filter with AddressSanitizer'
    with Site(5) as site:
        with open(f'/proc/{site.pid}/statm', encoding='ascii') as f:
            size = int(f.read().split()[0]) * os.sysconf('SC_PAGE_SIZE')
        resource.prlimit(site.pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        t = now()
        os.kill(site.runner('d0'), signal.SIGKILL)
        event = site.server.event(PREFIX + 'd1/system/noise', eventer.Json('x' * 1000))
        try:
            for _ in range(20):
                site.server.notify([event] * 500)
        except eventer.Closed:
            pass  # it may give up the link, and does not fall
        time.sleep(1.5)
        if site.process.poll() is not None:
            raise AssertionError(f'gatewayd ended with {site.process.returncode}')
        resource.prlimit(site.pid, resource.RLIMIT_AS,
                         (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        site.wait_running(site.names, seconds=40)
        ticking(site, site.names, now(), 40)
        return f'lived at {size // 1024} KiB of addresses'


def the_log_is_full(quick):
    with open('/dev/full', 'wb') as full, Site(3, stderr=full) as site:
        for _ in range(3):
            t = now()
            os.kill(site.runner('d0'), signal.SIGKILL)
            wait(lambda: site.word('d0', 'running', True, t), 'd0 again')
            wait(lambda: site.server.ticks['d0'][-1][0] > t, 'd0 ticks')
        ticking(site, site.names, now())
        return 'ENOSPC'


def nobody_reads_the_log(quick):
    r, w = os.pipe()
    try:
        with Site(3, stderr=w) as site:
            for _ in range(200):
                site.tell('d1', 'torture', 'fill-pipe')
            site.tell('d0', 'torture', 'flood-log')
            time.sleep(3)
            ticking(site, ['d2'], now())
            return 'a full pipe stops nothing'
    finally:
        os.close(r)
        os.close(w)


def killed_it_leaves_no_runner(quick):
    with Site(10) as site:
        site.tell('d1', 'torture', 'hang')
        time.sleep(0.1)
        runners = site.children()
        if len(runners) < 10:
            raise AssertionError(f'{len(runners)} children')
        os.kill(site.runner('d2'), signal.SIGSTOP)
        t = now()
        site.process.kill()
        wait(lambda: not any(alive(p) for p in runners), 'all runners ended', 2)
        gone = (now() - t) * 1e3
        site.process.wait()
        t = now()
        site.start()
        site.wait_running(site.names, since=t)
        return f'{len(runners)} gone in {gone:.0f} ms; the second start ran in {now() - t:.1f} s'


def descendants(pid):
    out = subprocess.run(['ps', '--ppid', str(pid), '-o', 'pid='], capture_output=True, text=True,
                         check=False).stdout
    return [int(x) for x in out.split()]


def killed_it_takes_the_built_in_event_server_along(quick):
    with gatewayd.Gateway({'devices': [gatewayd.probe('p1'), gatewayd.probe('p2')]}) as g:
        g.enable('p1', 'p2')
        g.wait_state(['p1', 'p2'], 'running')
        children = descendants(g.pid)
        if len(children) != 3:
            raise AssertionError(f'{len(children)} children')
        g.stop(signal.SIGKILL)
        wait(lambda: not any(alive(p) for p in children), 'all children ended', 3)
        t = now()
        g.start()
        g.wait_state(['p1', 'p2'], 'running')
        return f'3 processes gone; the second start ran in {now() - t:.1f} s, enabled as before'


def sigterm_reaches_the_built_in_event_server(quick):
    """The last thing that it keeps of each device is 'running' false."""
    for _ in range(3 if quick else 10):
        with gatewayd.Gateway({'devices': [gatewayd.probe('p1'), gatewayd.probe('p2')]}) as g:
            g.enable('p1', 'p2')
            g.wait_state(['p1', 'p2'], 'running')
            if g.stop() != 0:
                raise AssertionError('exit code')
            path = os.path.join(g.dir, 'check')
            ready, told = os.pipe()
            server = subprocess.Popen([os.path.join(BUILD, 'gateway-eventd'), '--unix', path, '--data', g.state,
                                       '--ready-fd', str(told)], stderr=subprocess.DEVNULL, pass_fds=[told])
            os.close(told)
            try:
                os.read(ready, 16)
                with eventer.EventerClient(path=path) as client:
                    events = client.query_latest(['gateway/gw/?/?/gateway/running',
                                                  'gateway/?/?/gateway/running']).events
            finally:
                os.close(ready)
                server.terminate()
                server.wait()
            if len(events) != 2 or any(e.payload.data for e in events):
                raise AssertionError(f'kept: {events}')
    return 'kept: running false of each'


def deaths_at_the_start_and_at_the_end(quick):
    devices = [{'misdeed': 'never-ready'}, {'misdeed': 'hang', 'at': 'stop'},
               {'misdeed': 'segv', 'at': 'create'}, {'misdeed': 'exit-78', 'at': 'create'},
               {'misdeed': 'hang', 'at': 'create'}, {'misdeed': 'oom', 'at': 'start'},
               {'misdeed': 'ready-twice', 'at': 'start'}, {'misdeed': 'wrong-phase', 'at': 'create'},
               {}]
    limits = {'start_ms': 3000, 'ping_ms': 1000, 'stop_ms': 500}
    with Site(len(devices), device=lambda i: {'limits': limits, **devices[i]},
              wait_up=False) as site:
        site.wait_running(['d1', 'd8'])
        for name, cause in (('d0', 'never ready'), ('d2', 'SIGSEGV|exit code 1'),
                            ('d4', 'never ready'), ('d5', 'out of memory'),
                            ('d6', 'protocol violation'), ('d7', 'protocol violation')):
            for _ in range(2):
                wait(lambda: site.line(f'{name}: runner .* died .*({cause})'), f'{name}: {cause}')
        wait(lambda: site.state('d3') == 'failed', 'd3 failed')
        t = now()
        site.tell('d1', 'enable', False)
        wait(lambda: site.line('d1: runner .* died .*never stopped', t), 'never stopped')
        took = now() - t
        wait(lambda: site.word('d1', 'running', False, t), 'd1: running false')
        # Dead again and again: later each time.
        wait(lambda: site.state('d2') == 'backoff', 'd2 waits')
        if len({x[1] for x in site.server.ticks['d8']}) != 1:
            raise AssertionError('the neighbour was restarted')
        return f'never stopped: killed after {took * 1e3:.0f} ms of 500'


def sigterm_is_an_orderly_end(quick):
    with Site(10) as site:
        t = now()
        site.process.terminate()
        code = site.process.wait(10)
        seconds = now() - t
        wait(lambda: all(site.word(n, 'running', False, t) for n in site.names),
             'running false of all')
        for n in site.names:
            last = site.word(n, 'last', 'words', t)
            if not last or last > site.word(n, 'running', False, t):
                raise AssertionError(f'{n}: no last words')
        if code != 0:
            raise AssertionError(f'exit code {code}')
        return f'last words and running false of 10 devices in {seconds:.2f} s'


def sigterm_waits_for_nobody_for_ever(quick):
    limits = {'stop_ms': 1000}
    with Site(5, device=lambda i: {'limits': limits}) as site:
        site.tell('d0', 'torture', 'hang')
        time.sleep(0.1)
        t = now()
        site.process.terminate()
        site.process.wait(10)
        seconds = now() - t
        wait(lambda: all(site.word(n, 'running', False, t) for n in site.names),
             'running false of all')
        if seconds > 3:
            raise AssertionError(f'{seconds:.1f} s')
        return f'{seconds:.1f} s with a runner that hangs, its grace is 1 s'


def started_without_standard_descriptors(quick):
    def preexec():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        os.close(0)
        os.close(1)

    with Site(3, preexec=preexec) as site:
        t = now()
        os.kill(site.runner('d0'), signal.SIGKILL)
        wait(lambda: site.word('d0', 'running', True, t), 'd0 again')
        if not site.line('d0: runner .* died .*SIGKILL'):
            raise AssertionError('no obituary')
        return 'stdin and stdout closed, SIGCHLD ignored'


def control_clients_say_nothing(quick):
    count = 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with Site(3) as site:
        fds, rss = site.fds(), site.rss_kib()
        path = os.path.join(site.dir, 'control')
        clients = []
        for _ in range(count):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.settimeout(1)
            try:
                s.connect(path)
            except OSError:
                pass
            clients.append(s)
        t = now()
        os.kill(site.runner('d0'), signal.SIGKILL)
        wait(lambda: site.word('d0', 'running', True, t), 'd0 again')
        ticking(site, site.names, now())
        open_fds, grown = site.fds() - fds, site.rss_kib() - rss
        for s in clients:
            s.close()
        wait(lambda: site.fds() <= fds, f'{fds} descriptors, {site.fds()} are open')
        status = subprocess.run([os.path.join(BUILD, 'gatewayctl'), '--socket', path, 'status'],
                                capture_output=True, timeout=5, check=False)
        if status.returncode != 0:
            raise AssertionError(f'gatewayctl status: {status.stderr}')
        if grown > 16 * 1024 or not 0 < open_fds <= 64:
            raise AssertionError(f'grew by {grown} KiB, {open_fds} descriptors')
        return f'{count} clients, {open_fds} of them let in, supervisor +{grown} KiB'


def two_hundred_runners(quick):
    start = now()
    with Site(200, device=lambda i: {'period_ms': 1000}, wait_up=False) as site:
        site.wait_running(site.names, seconds=60)
        seconds = max(site.word(n, 'running', True) for n in site.names) - start
        t = now()
        runners = site.children()
        for p in runners:
            os.kill(p, signal.SIGKILL)
        wait(lambda: all(site.word(n, 'running', False, t) for n in site.names), 'all false')
        gone = now() - t
        wait(lambda: all(site.word(n, 'running', True, t) for n in site.names), 'all true', 30)
        again = now() - t
        if seconds > 2 * 2:
            raise AssertionError(f'{seconds:.1f} s to start')
        return (f'running in {seconds:.2f} s (2); all killed at once: false in {gone * 1e3:.0f} ms, '
                f'running again in {again:.2f} s')


def as_an_unprivileged_user(quick):
    """The whole of it without root: the sandbox is the same."""
    if SANITIZED:
        return 'skipped: no limits and no filter with AddressSanitizer'
    if os.geteuid() != 0:
        return 'skipped: every other case did'
    nobody = 65534

    def preexec():
        os.setgroups([])
        os.setgid(nobody)
        os.setuid(nobody)

    program = [os.path.join(BUILD, 'gatewayd')]
    try:
        subprocess.run([*program, '--version'], preexec_fn=preexec, stdout=subprocess.DEVNULL, check=True)
    except PermissionError:
        return 'skipped: the build folder is closed to other users'
    with Site(3, preexec=preexec, program=program, uid=nobody) as site:
        t = now()
        site.tell('d0', 'torture', 'ptrace')
        wait(lambda: site.line('denied system call ptrace', t), 'an obituary')
        check_status(site.runner('d1'), nobody)
        return 'uid 65534'


def check_status(pid, uid):
    with open(f'/proc/{pid}/status', encoding='ascii') as f:
        status = dict(line.split(':', 1) for line in f)
    expected = {'Seccomp': '2', 'NoNewPrivs': '1', 'CapEff': '0' * 16, 'CapPrm': '0' * 16,
                'CapInh': '0' * 16, 'CapAmb': '0' * 16, 'Groups': ''}
    for key, value in expected.items():
        if status[key].strip() != value:
            raise AssertionError(f'{key} is {status[key].strip()}')
    if status['Uid'].split() != [str(uid)] * 4:
        raise AssertionError(f"Uid is {status['Uid']}")
    with open(f'/proc/{pid}/limits', encoding='ascii') as f:
        limits = f.read()
    for name in ('Max core file size', 'Max processes', 'Max locked memory', 'Max file size'):
        line = next(x for x in limits.splitlines() if x.startswith(name))
        if line[len(name):].split()[:2] != ['0', '0']:
            raise AssertionError(line)


def the_kernel_says_what_is_in_force(quick):
    if SANITIZED:
        return 'skipped: no limits and no filter with AddressSanitizer'
    with Site(2, device=lambda i: {'sandbox': 'namespaces'} if i else {}) as site:
        uid = 65534 if os.geteuid() == 0 else os.geteuid()
        for n in site.names:
            check_status(site.runner(n), uid)
        fds = os.listdir(f"/proc/{site.runner('d0')}/fd")
        if len(fds) > 8:
            raise AssertionError(f'descriptors {fds}')
        with open(f"/proc/{site.runner('d0')}/environ", 'rb') as f:
            env = f.read()
        if env.strip(b'\0'):
            raise AssertionError(f'environment {env}')
        if os.geteuid() == 0:
            own = [os.readlink(f'/proc/{site.runner(n)}/ns/net') for n in site.names]
            if own[0] == own[1]:
                raise AssertionError('the same network namespace')
            with open(f"/proc/{site.runner('d0')}/status", encoding='ascii') as f:
                if 'CapBnd:\t0000000000000000' not in f.read():
                    raise AssertionError('the bounding set is not empty')
        return f'seccomp, ids, capabilities, limits, {len(fds)} descriptors, no environment'


CASES = [event_server_ends_in_mid_frame, event_server_sends_garbage, event_server_is_half_open,
         event_server_answers_with_100000_events, event_server_floods_one_device,
         name_resolution_hangs, no_descriptors_left, no_memory_left, the_log_is_full,
         nobody_reads_the_log, killed_it_leaves_no_runner,
         killed_it_takes_the_built_in_event_server_along,
         sigterm_reaches_the_built_in_event_server, deaths_at_the_start_and_at_the_end,
         sigterm_is_an_orderly_end,
         sigterm_waits_for_nobody_for_ever, started_without_standard_descriptors,
         control_clients_say_nothing, two_hundred_runners, as_an_unprivileged_user, the_kernel_says_what_is_in_force]
