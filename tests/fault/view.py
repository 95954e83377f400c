"""gateway-web and other observers: ended, stopped, flooded or hostile, they cost the devices nothing."""

import grp
import json
import os
import signal
import socket
import subprocess
import threading

from fault_site import BUILD, Site, alive, disorder, now, wait

DEVICES = 20


class View:
    """gateway-web before the site, with one page open."""

    def __init__(self, site):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, 'gateway-web'), '--socket', os.path.join(site.dir, 'observe'), '--listen', '127.0.0.1:0',
             '--assets', site.dir], stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        self.port = int(line.rsplit(':', 1)[1].rstrip('/\n'))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        self.page = self.open('/api/v1/watch')
        while b'"rows"' not in self.page.recv(65536):
            pass

    def open(self, path):
        s = socket.create_connection(('127.0.0.1', self.port), timeout=20)
        s.sendall(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
        return s

    def close(self):
        self.page.close()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def beside(act):
    """What act(site, view) does, and that nobody noticed."""
    group = grp.getgrgid(os.getgid()).gr_name
    with Site(DEVICES, conf={'control': {'observe_group': group}}) as site:
        view = View(site)
        try:
            pids, start = {n: site.runner(n) for n in site.names}, now()
            cpu = site.cpu_ms()
            said = act(site, view)
            end = now()
            for n in site.names:
                wait(lambda n=n: site.server.ticks[n][-1][0] > end, f'{n} ticks on')
                lost, repeated, reordered, restarts = disorder(site.server.ticks[n], start, end)
                if lost or repeated or reordered or restarts or site.runner(n) != pids[n] or not alive(pids[n]):
                    raise AssertionError(f'{n}: {lost} lost, {restarts} restarts')
            turn = site.info()['longest_turn_minute_us']
            used = (site.cpu_ms() - cpu) / 10 / max(end - start, 0.01)
            return f'{said}; {end - start:.1f} s, {used:.1f} % of a core, longest turn {turn / 1000:.1f} ms'
        finally:
            view.close()


def gateway_web_is_killed():
    def act(site, view):
        view.process.kill()
        wait(lambda: site.info()['clients'] == 1, 'its connections are gone')
        return 'its connections are gone'
    return beside(act)


def gateway_web_hangs():
    """Stopped with a stream of frames and of events open: what waits for it is bounded."""
    def act(site, view):
        streams = [view.open(f'/api/v1/{what}/torture/{n}') for n in site.names[:5] for what in ('watch', 'trace')]
        wait(lambda: site.info()['clients'] >= 10, 'they are open')
        rss = site.rss_kib()
        view.process.send_signal(signal.SIGSTOP)
        since = now()
        wait(lambda: now() - since > 2, 'it hangs for a while')
        grown = site.rss_kib() - rss
        view.process.send_signal(signal.SIGCONT)
        for s in streams:
            s.close()
        if grown > 16 * 1024:
            raise AssertionError(f'{grown} KiB more')
        return f'{grown} KiB more in gatewayd'
    return beside(act)


def gateway_web_is_flooded():
    """Requests, connections and half requests as fast as they go."""
    def act(site, view):
        until, counts = now() + 3, {}

        def flood(path, whole):
            n = 0
            while now() < until:
                try:
                    with socket.create_connection(('127.0.0.1', view.port), timeout=5) as s:
                        s.sendall(f'GET {path} HTTP/1.1\r\nHost: localhost\r\n'.encode() + (b'\r\n' if whole else b''))
                        n += 1
                        if whole:
                            s.recv(4096)
                except OSError:
                    pass
            counts[path, whole] = n
        threads = [threading.Thread(target=flood, args=a) for a in (
            ('/api/v1/status', True), ('/api/v1/events', True), ('/metrics', True), ('/api/v1/show/torture/d0', True),
            ('/', False))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return f'{sum(counts.values())} requests'
    return beside(act)


def an_observer_floods():
    """A taken-over gateway-web: as many connections and requests as it gets, of the dearest kinds."""
    def act(site, view):
        until, asked = now() + 3, [0]
        path = os.path.join(site.dir, 'observe')
        words = [json.dumps({'command': c, **more}).encode() for c, more in (
            ('metrics', {}), ('status', {}), ('show', {'names': site.names}), ('health', {'all': True}),
            ('restart', {'names': site.names}), ('watch', {}))]

        def flood(word):
            while now() < until:
                try:
                    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                        s.settimeout(2)
                        s.connect(path)
                        while now() < until:
                            s.send(word)
                            s.recv(1 << 18)
                            asked[0] += 1
                except OSError:
                    pass
        threads = [threading.Thread(target=flood, args=(w,)) for w in words]
        for t in threads:
            t.start()
        answered = 0
        while now() < until:
            answered += bool(site.info())
        for t in threads:
            t.join()
        if not answered:
            raise AssertionError('nobody else was answered')
        return f'{asked[0]} answers for it, {answered} for another client'
    return beside(act)


def _case(f):
    def case(quick):
        return f()
    case.__name__ = f.__name__
    return case


CASES = [_case(f) for f in (gateway_web_is_killed, gateway_web_hangs, gateway_web_is_flooded, an_observer_floods)]
