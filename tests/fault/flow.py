"""Flow control: who has a million events to give, against an Event Server that takes few."""

import socket
import time

from fault_site import SANITIZED, Server, Site, eventer, now, percentile, wait

SLOW = 1000                # events a second that the Event Server takes
# Link's and device's window, twice, and the heap's slack, which AddressSanitizer makes large.
SUPERVISOR_GROWTH_KIB = (64 if SANITIZED else 6) * 1024
RUNNER_GROWTH_KIB = 2 * 1024


def slow_server():
    """A server whose kernel does not hide its slowness behind megabytes of buffer."""
    server = Server()
    server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 * 1024)
    return server


def runner_rss(site, name):
    with open(f'/proc/{site.runner(name)}/status', encoding='ascii') as f:
        return int([x for x in f if x.startswith('VmRSS')][0].split()[1])


def million(site, name='d0'):
    return [w[3] for w in list(site.server.words) if w[1] == name and w[2] == 'million']


def assert_in_order(values, what):
    for i, v in enumerate(values):
        if v != i:
            raise AssertionError(f'{what}: event {i} is number {v}')


def a_million_events_against_a_slow_server(quick):
    seconds = 8 if quick else 40
    with Site(5, device=lambda i: {'period_ms': 100}, server=slow_server()) as site:
        before, runner_before = site.rss_kib(), runner_rss(site, 'd0')
        ticks = {n: len(site.server.ticks[n]) for n in site.names}
        site.server.per_second = SLOW
        start = now()
        site.tell('d0', 'torture', 'million')
        peak = runner_peak = 0
        while now() < start + seconds:
            peak = max(peak, site.rss_kib())
            runner_peak = max(runner_peak, runner_rss(site, 'd0'))
            time.sleep(0.05)
        taken = million(site)
        assert_in_order(taken, 'order')
        if len(taken) < seconds * SLOW * 0.5:
            raise AssertionError(f'only {len(taken)} in {seconds} s')
        if peak > before + SUPERVISOR_GROWTH_KIB:
            raise AssertionError(f'supervisor grew by {peak - before} KiB')
        if runner_peak > runner_before + RUNNER_GROWTH_KIB:
            raise AssertionError(f'runner grew by {runner_peak - runner_before} KiB')
        late = []
        for n in site.names[1:]:
            mine = [t for t in site.server.ticks[n] if t[0] > start]
            if len(mine) < 3:
                raise AssertionError(f'{n} was served {len(mine)} times')
            if [t[2] for t in mine] != list(range(mine[0][2], mine[0][2] + len(mine))):
                raise AssertionError(f'{n}: not in order')
            late.append(mine[-1][3] / 1e3)
        if max(late) > 1.5:
            raise AssertionError(f'neighbours wait {max(late):.1f} s')
        # What was accepted arrives: the server is fast again.
        site.server.per_second = None
        site.tell('d0', 'enable', False)
        wait(lambda: site.word('d0', 'running', False, start), 'd0 stopped', 30)
        time.sleep(0.5)
        assert_in_order(million(site), 'order at the end')
        del ticks
        return (f'{len(taken)} taken in order, supervisor +{peak - before} KiB, runner '
                f'+{runner_peak - runner_before} KiB, neighbours {max(late):.1f} s behind')


def a_million_events_at_full_speed(quick):
    count = 100_000 if quick else 1_000_000
    with Site(3) as site:
        before = site.rss_kib()
        start = now()
        site.tell('d0', 'torture', 'million')
        wait(lambda: len(site.server.words) > count, f'{count} events', 120)
        seconds = now() - start
        assert_in_order(million(site), 'order')
        delays = [t[3] for n in site.names[1:] for t in site.server.ticks[n] if t[0] > start]
        if site.rss_kib() > before + SUPERVISOR_GROWTH_KIB:
            raise AssertionError(f'supervisor grew by {site.rss_kib() - before} KiB')
        return (f'{count / seconds:.0f} events/s (as fast as the test takes them), neighbours p99 '
                f'{percentile(delays, 0.99):.0f} ms, supervisor +{site.rss_kib() - before} KiB')


def a_stalled_server_loses_nothing_that_was_accepted(quick):
    with Site(3, server=slow_server()) as site:
        start = now()
        site.server.stalled.set()
        site.tell('d0', 'torture', 'million')
        before = site.rss_kib()
        time.sleep(3)
        grown = site.rss_kib() - before
        site.server.stalled.clear()
        wait(lambda: len(million(site)) > 50_000, 'events after the stall', 30)
        assert_in_order(million(site), 'order')
        for n in site.names[1:]:
            seqs = [t[2] for t in site.server.ticks[n]]
            if seqs != list(range(seqs[0], seqs[0] + len(seqs))):
                raise AssertionError(f'{n}: a gap')
        if grown > SUPERVISOR_GROWTH_KIB:
            raise AssertionError(f'supervisor grew by {grown} KiB')
        if site.server.connects != 1:
            raise AssertionError('the link was lost')
        return f'supervisor +{grown} KiB during 3 s of silence, {now() - start:.1f} s in all'


def credit_is_shared_between_two_greedy_devices(quick):
    with Site(3, server=slow_server()) as site:
        site.server.per_second = 5000
        greedy = ('d0', 'd1')

        def counts():
            return [len(million(site, n)) for n in greedy]
        for n in greedy:
            site.tell(n, 'torture', 'million')
        # The one that was told first filled the buffers on the way alone.
        wait(lambda: min(counts()) > 1000, 'both', 30)
        before = counts()
        enough = sum(before) + (10_000 if quick else 40_000)
        wait(lambda: sum(counts()) > enough, 'what both say', 60)
        for n in greedy:
            assert_in_order(million(site, n), n)
        a, b = (after - first for after, first in zip(counts(), before))
        if min(a, b) < 0.6 * max(a, b):
            raise AssertionError(f'unfair: {a} and {b}')
        return f'{a} and {b} events'


CASES = [a_million_events_against_a_slow_server, a_million_events_at_full_speed,
         a_stalled_server_loses_nothing_that_was_accepted,
         credit_is_shared_between_two_greedy_devices]
