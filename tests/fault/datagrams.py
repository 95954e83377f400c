"""Datagrams that nobody asked for: storms of traps, agents that flood, senders that lie. Devices beside them must not
notice, and what is lost is counted."""

import json
import multiprocessing
import os
import socket
import subprocess
import time

from fault_site import BUILD, RUNNER, Site, now, percentile, wait

import snmp  # noqa: E402  (fault_site makes it findable)

OBJECT = '1.3.6.1.4.1.9.1.0'
NEIGHBOURS = 5


def site(device):
    torture = [{'name': f'd{i}', 'runner': RUNNER, 'type': 'torture'} for i in range(NEIGHBOURS)]
    s = Site(NEIGHBOURS, conf={'devices': [*torture, device]})
    try:
        kind = device['module'].removeprefix('hat.gateway.devices.').replace('.', '_')
        s.server.notify([s.server.event(f'gateway/{kind}/{device["name"]}/system/enable', snmp_enable())])
        wait(lambda: s.word(device['name'], 'running', True), f"{device['name']} running")
    except BaseException:
        s.close()
        raise
    return s


def snmp_enable():
    import eventer
    return eventer.Json(True)


def listener(port):
    return {'name': 'traps', 'module': 'hat.gateway.devices.snmp.trap_listener', 'local_host': '127.0.0.1',
            'local_port': port, 'users': [{'name': 'u', 'authentication': {'type': 'SHA', 'password': 'password1'},
                                           'privacy': None}],
            'remote_devices': [{'version': v, key: None, 'name': 'r', 'oids': [OBJECT], 'string_hex_oids': []}
                               for v, key in (('V2C', 'community'), ('V3', 'context'))]}


def counters(s, name):
    out = subprocess.run([os.path.join(BUILD, 'gatewayctl'), '--socket', os.path.join(s.dir, 'control'), '--json',
                          'show', name], capture_output=True, timeout=20, check=True).stdout
    (row,) = json.loads(out)
    return row['runner_counters'], len(row['obituaries'])


def send(port, datagrams, per_second, seconds, sent):
    """In a process of its own: as many in each millisecond as make that many in a second."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(('127.0.0.1', port))
        begin, n = time.monotonic(), 0
        while (past := time.monotonic() - begin) < seconds:
            while n < past * per_second:
                try:
                    s.send(datagrams[n % len(datagrams)])
                except ConnectionRefusedError:
                    pass
                n += 1
            time.sleep(0.001)
        sent.value = n


def storm(port, datagrams, per_second, seconds):
    sent = multiprocessing.Value('i', 0)
    p = multiprocessing.Process(target=send, args=(port, datagrams, per_second, seconds, sent))
    p.start()
    p.join()
    return sent.value


def free_port():
    with snmp.bound() as s:
        return s.getsockname()[1]


def neighbours(s, since, until):
    """p99 of their ticks' delays, all of one process each."""
    for n in s.names:
        if len({x[1] for x in s.server.ticks[n]}) != 1:
            raise AssertionError(f'{n} was restarted')
    delays = [d for n in s.names for t, _, _, d in s.server.ticks[n] if since <= t <= until]
    if not delays:
        raise AssertionError('no ticks')
    return percentile(delays, .99)


def weather(s, datagrams, port, per_second, seconds):
    """Calm, storm: (p99 of the neighbours before, during, sent)."""
    t = now()
    wait(lambda: now() - t > 2, 'calm')
    calm = neighbours(s, t, now())
    t = now()
    sent = storm(port, datagrams, per_second, seconds)
    return calm, neighbours(s, t, now()), sent


def everything_is_counted(s, sent, names):
    """Until each datagram was taken, dropped or lost."""
    def total():
        c, restarts = counters(s, 'traps')
        if restarts:
            raise AssertionError(f'restarted {restarts} times')
        # The kernel tells how many it lost with the next one that it gives.
        storm(s.port, [b'x'], 100, 0.05)
        return sum(c.get(n, 0) for n in (*names, 'lost_in_socket')) >= sent
    wait(total, 'each datagram is counted')
    return counters(s, 'traps')[0]


def storm_of_traps(quick):
    """50,000 in a second, more than the Event Server takes."""
    port = free_port()
    trap = snmp.trap_v2c([(OBJECT, snmp.INTEGER, b'\1')])
    with site(listener(port)) as s:
        s.port = port
        calm, during, sent = weather(s, [trap], port, 50_000, 1 if quick else 3)
        c = everything_is_counted(s, sent, ['traps', 'bad_messages'])
        # The Event Server here is a Python program, which is what everybody waits for: a device's share of what
        # is under way, no longer.
        if during > 3000:
            raise AssertionError(f'neighbours p99 {calm:.1f} -> {during:.1f} ms')
        return (f"{sent} sent, {c['traps']} taken, {c.get('lost_in_socket', 0)} lost and counted; "
                f'neighbours p99 {calm:.1f} -> {during:.1f} ms')


def storm_of_strangers(quick):
    """Senders without the key: each datagram another engine."""
    port = free_port()
    body = snmp.pdu(snmp.TRAP, 1, snmp.trap_bindings([(OBJECT, snmp.INTEGER, b'\1')]))
    forged = [snmp.v3(body, 1, snmp.AUTH, b'\x80\0\0\0' + i.to_bytes(4, 'big'), 1, 1, 'u', 'SHA', bytes(20))
              for i in range(1000)]
    with site(listener(port)) as s:
        s.port = port
        calm, during, sent = weather(s, forged, port, 20_000, 1 if quick else 3)
        c = everything_is_counted(s, sent, ['wrong_digests', 'bad_messages'])
        if c.get('traps') or during > 20 * max(calm, 1):
            raise AssertionError(f'neighbours p99 {calm:.1f} -> {during:.1f} ms, {c}')
        return f"{sent} sent, {c['wrong_digests']} refused; neighbours p99 {calm:.1f} -> {during:.1f} ms"


def agent_that_floods(quick):
    """A hundred answers to each request: garbage, forged reports, somebody else's, and at last the right one."""
    def answer(agent, m, address):
        if not m.engine:
            return None
        right = agent.usual(m)
        noise = [os.urandom(60), b'\x30\x84\xff\xff\xff\xff', *(agent.report(m, n) for n in range(1, 7))]
        return [noise[i % len(noise)] for i in range(100)] + right
    agent = snmp.Agent({OBJECT: (snmp.INTEGER, b'\1')}, ('u', 'SHA', 'password1'), answer=answer)
    device = {'name': 'agent', 'module': 'hat.gateway.devices.snmp.manager', 'version': 'V3', 'context': None,
              'user': 'u', 'authentication': {'type': 'SHA', 'password': 'password1'}, 'privacy': None,
              'remote_host': '127.0.0.1', 'remote_port': agent.port, 'connect_delay': 1, 'request_timeout': 5,
              'request_retry_count': 0, 'request_retry_delay': 0, 'polling_delay': 0, 'polling_oids': [OBJECT],
              'string_hex_oids': []}
    try:
        with site(device) as s:
            t = now()
            wait(lambda: len(agent.messages) > (50 if quick else 300), 'polls go on')
            p99 = neighbours(s, t, now())
            said = [v for _, d, _, v in s.server.words if d == 'agent']
            if 'DISCONNECTED' in said:
                raise AssertionError(f'{said}')
            return f'{len(agent.messages)} requests answered, neighbours p99 {p99:.1f} ms'
    finally:
        agent.stop()


def said(s, name):
    return [v for _, d, _, v in s.server.words if d == name]


def polled(port, **more):
    return {'name': 'agent', 'module': 'hat.gateway.devices.snmp.manager', 'version': 'V2C', 'community': 'public',
            'remote_host': '127.0.0.1', 'remote_port': port, 'connect_delay': 0.1, 'request_timeout': 0.1,
            'request_retry_count': 1, 'request_retry_delay': 0.05, 'polling_delay': 0.02, 'polling_oids': [OBJECT],
            'string_hex_oids': [], **more}


def agent_that_dies(quick):
    """Again and again, and comes back at the same port: the device is the same process all the time."""
    values = {OBJECT: (snmp.INTEGER, b'\1')}
    agent = snmp.Agent(values)
    port, rounds = agent.port, 2 if quick else 10
    try:
        with site(polled(port)) as s:
            t = now()
            for i in range(rounds):
                wait(lambda a=agent: len(a.messages) > 3, 'polls')
                agent.stop()
                wait(lambda i=i: said(s, 'agent').count('DISCONNECTED') > i, 'it is lost')
                agent = snmp.Agent(values, port=port)
            wait(lambda: said(s, 'agent').count('CONNECTED') > rounds, 'it is back')
            p99 = neighbours(s, t, now())
            if counters(s, 'agent')[1]:
                raise AssertionError('it was restarted')
            return f'{rounds} deaths, neighbours p99 {p99:.1f} ms'
    finally:
        agent.stop()


def answers_from_another_address(quick):
    """Somebody on the machine answers each request first, with the right number, and floods: a connected socket
    hears nobody but the agent."""
    with snmp.bound() as stranger:
        def answer(agent, m, address):
            forged = snmp.v12(snmp.V2C, snmp.pdu(snmp.RESPONSE, m.request_id, [
                snmp.binding(OBJECT, snmp.tlv(snmp.INTEGER, b'\x63'))]))
            for _ in range(200):
                stranger.sendto(forged, address)
            return agent.usual(m)
        agent = snmp.Agent({OBJECT: (snmp.INTEGER, b'\1')}, answer=answer)
        try:
            with site(polled(agent.port, request_timeout=5)) as s:
                t = now()
                wait(lambda: len(agent.messages) > (30 if quick else 200), 'polls go on')
                p99 = neighbours(s, t, now())
                values = {v['data']['value'] for v in said(s, 'agent') + said(s, OBJECT) if isinstance(v, dict)}
                read = {v['data']['value'] for _, d, _, v in s.server.words
                        if d == 'agent' and isinstance(v, dict) and v.get('data')}
                if (values | read) - {1} or 'DISCONNECTED' in said(s, 'agent'):
                    raise AssertionError(f'{values | read} {said(s, "agent")}')
                return f'{len(agent.messages)} requests, 200 forged answers each; neighbours p99 {p99:.1f} ms'
        finally:
            agent.stop()


def echo_reply(identifier, sequence, data):
    head = bytes(4) + identifier.to_bytes(2, 'big') + sequence.to_bytes(2, 'big') + data
    total = sum(int.from_bytes((head + b'\0')[i:i + 2], 'big') for i in range(0, len(head), 2))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return head[:2] + (~total & 0xffff).to_bytes(2, 'big') + head[4:]


def forged_echo_replies(quick):
    """A flood of replies that answer no request: none is taken for an answer."""
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        return 'skipped: no raw sockets'
    host = {'name': 'here', 'host': '127.0.0.1', 'ping_delay': 0.1, 'ping_timeout': 1, 'retry_count': 1,
            'retry_delay': 0.05}
    with raw, site({'name': 'net', 'module': 'hat.gateway.devices.ping', 'remote_devices': [host]}) as s:
        wait(lambda: 'AVAILABLE' in said(s, 'net'), 'the host')
        t, count = now(), 0
        end = t + (1 if quick else 5)
        while now() < end:
            for i in range(100):
                raw.sendto(echo_reply(count % 65536, i, os.urandom(16)), ('127.0.0.1', 0))
                count += 1
        p99 = neighbours(s, t, now())
        wait(lambda: counters(s, 'net')[0].get('replies', 0) > 5, 'counters')
        c, restarts = counters(s, 'net')
        if restarts or c['replies'] > c['requests'] or 'NOT_AVAILABLE' in said(s, 'net')[3:]:
            raise AssertionError(f'{said(s, "net")} {c}')
        return f'{count} replies; neighbours p99 {p99:.1f} ms'


CASES = [storm_of_traps, storm_of_strangers, agent_that_floods, agent_that_dies, answers_from_another_address,
         forged_echo_replies]
