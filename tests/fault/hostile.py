"""A hostile remote end for each device type, and each way to harm: a matrix of two tables. Twenty devices beside it lose
nothing, and the operator's `disable` works within a second."""

import os
import random
import re
import socket
import threading
import time

from datagrams import echo_reply, free_port, listener, polled
from fault_site import ROOT, RUNNER, SANITIZED, Site, disorder, now, percentile, wait
from messages import SHORT, client
from substation import config, lies

import iec104  # noqa: E402  (fault_site makes them findable)
import iec_serial  # noqa: E402
import modbus_peer  # noqa: E402
import snmp  # noqa: E402
from gatewayd import Ctl  # noqa: E402
from iec101_station import octets  # noqa: E402
from smsc import BIND, DELIVER, RESPONSE, pdu  # noqa: E402

NEIGHBOURS = 20
NOISE_MS = 1000          # of a machine that does other things, beside twice the calm p99
QUICK_ROWS = 6
TURN_MS = 20 if not SANITIZED else 200
GROWTH_KIB = 16 * 1024   # of the supervisor: windows of all devices, and the heap's slack
DISABLE_S = 1.0
SINGLE, INTERROGATION, SPONTANEOUS, ACTIVATION = 1, 100, 3, 6


# --- what each says: bytes that begin a connection, and the n-th frame, each of something else ---

def registers(n):
    return modbus_peer.mbap(n % 65536, n % 256, b'\x03\x02' + n.to_bytes(4, 'big')[2:])


def requests(n):
    return modbus_peer.mbap(n % 65536, 1, b'\x03' + (n % 65536).to_bytes(2, 'big') + b'\0\1')


def points104(n):
    return iec104.i(n % 32768, 0, iec104.asdu(SINGLE, SPONTANEOUS, n % 65536, [(n % (1 << 24), b'\1')]))


def interrogations104(n):
    return iec104.i(n % 32768, 0, iec104.asdu(INTERROGATION, ACTIVATION, 1, [(0, b'\x14')]))


def points101(n):
    return octets(0x08, 1, iec104.asdu(SINGLE, SPONTANEOUS, n % 65536, [(n % (1 << 24), b'\1')]))


def interrogations101(n):
    return octets(0x53 | (n % 2) << 5, 1, iec104.asdu(INTERROGATION, ACTIVATION, 1, [(0, b'\x14')]))


def relays(n):
    return octets(0x08, 1, bytes([1, 0x81, 1, n % 256, n // 256 % 256, n % 256, 1, 0, 0, 0, 0, 0]))


def deliveries(n):
    return pdu(DELIVER, 0, n % 0x7fffffff + 1, SHORT.replace(b'49\0', b'%d\0' % n, 1))


def reports(n, known=lies()):
    return known[n % len(known)]


def answers(n):
    return snmp.v12(snmp.V2C, snmp.pdu(snmp.RESPONSE, n, [snmp.binding(f'1.3.6.1.4.1.9.{n}', snmp.tlv(snmp.INTEGER, b'\1'))]))


def traps(n):
    return snmp.trap_v2c([(f'1.3.6.1.4.1.9.{n}.0', snmp.INTEGER, b'\1')])


def replies(n):
    return echo_reply(n % 65536, n // 65536 % 65536, n.to_bytes(16, 'big'))


# --- over what they say it ---

class Stream:
    """Bytes to and from one gateway, over TCP; it listens, or connects."""

    def __init__(self, listens, port):
        self.listens, self.port = listens, port
        self.listener = socket.create_server(('127.0.0.1', port)) if listens else None

    def begin(self):
        """A connection, or None: none within 0.1 s."""
        try:
            if self.listens:
                self.listener.settimeout(0.1)
                s = self.listener.accept()[0]
            else:
                s = socket.create_connection(('127.0.0.1', self.port), timeout=0.5)
        except OSError:
            time.sleep(0.01)
            return None
        s.settimeout(0.1)
        return s

    def close(self):
        if self.listener:
            self.listener.close()


class Datagrams:
    """To the address whose datagram came last, or to a port."""

    def __init__(self, listens, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.settimeout(0.1)
        self.port = None if listens else port
        if listens:
            self.sock.bind(('127.0.0.1', port))

    def begin(self):
        return self

    def sendall(self, data):
        try:
            if self.port is None:
                self.port = self.sock.recvfrom(65536)[1][1]
            self.sock.sendto(data, ('127.0.0.1', self.port))
        except ConnectionRefusedError:
            pass

    def close(self):
        pass


class Echoes(Datagrams):
    def __init__(self, listens, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)

    def sendall(self, data):
        self.sock.sendto(data.ljust(8, b'\0'), ('127.0.0.1', 0))  # the kernel reads the header


class Line:
    """The other end of a serial line."""

    def __init__(self, listens, port):
        self.master, slave = os.openpty()
        self.path = os.ttyname(slave)
        self.slave = slave
        os.set_blocking(self.master, False)

    def begin(self):
        return self

    def sendall(self, data):
        try:
            os.write(self.master, data)
        except BlockingIOError:
            try:
                os.read(self.master, 65536)
            except BlockingIOError:
                time.sleep(0.001)

    def close(self):
        pass


def modbus(port):
    return {'module': 'hat.gateway.devices.modbus.master', 'connection': {
        'modbus_type': 'TCP', 'transport': {'type': 'TCP', 'host': '127.0.0.1', 'port': port}, 'connect_timeout': 0.5,
        'connect_delay': 0.1, 'request_timeout': 0.2, 'request_delay': 0, 'request_retry_immediate_count': 1,
        'request_retry_delayed_count': 0, 'request_retry_delay': 0.1}, 'remote_devices': [
            {'device_id': 1, 'timeout_poll_delay': 0.1, 'data': [{
                'name': 'v', 'interval': 0, 'data_type': 'HOLDING_REGISTER', 'start_address': 0, 'bit_offset': 0,
                'bit_count': 16}]}]}


def slave(port):
    return {'module': 'hat.gateway.devices.modbus.slave', 'modbus_type': 'TCP', 'transport': {
        'type': 'TCP', 'local_host': '127.0.0.1', 'local_port': port, 'remote_hosts': None, 'max_connections': 8,
        'response_timeout': 2, 'keep_alive_timeout': 60}, 'data': []}


def ping(port):
    return {'module': 'hat.gateway.devices.ping', 'remote_devices': [
        {'name': 'here', 'host': '127.0.0.1', 'ping_delay': 0.1, 'ping_timeout': 1, 'retry_count': 1, 'retry_delay': 0.05}]}


def serial(kind, conf):
    return {'module': f'hat.gateway.devices.{kind}', **conf}


# Device type: its configuration, the other end and whether that listens, what begins a connection, the n-th frame.
TYPES = {
    'modbus_master': (modbus, Stream, True, b'', registers),
    'modbus_slave': (slave, Stream, False, b'', requests),
    'iec101_master': (lambda p: serial('iec101.master', iec_serial.master101(p, [iec_serial.remote(1)])), Line, True, b'',
                      points101),
    'iec101_slave': (lambda p: serial('iec101.slave', iec_serial.slave101(p, [1], [])), Line, False, b'', interrogations101),
    'iec103_master': (lambda p: serial('iec103.master', iec_serial.master103(p, [iec_serial.remote(1)])), Line, True, b'',
                      relays),
    'iec104_master': (iec104.master_conf, Stream, True, iec104.u(iec104.STARTDT_CON), points104),
    'iec104_slave': (iec104.slave_conf, Stream, False, iec104.u(iec104.STARTDT_ACT), interrogations104),
    'iec61850_client': (lambda p: {'module': 'hat.gateway.devices.iec61850.client', **config(p)}, Stream, True, b'', reports),
    'ping': (ping, Echoes, False, b'', replies),
    'smpp_client': (client, Stream, True, pdu(BIND | RESPONSE, 0, 1, b'x\0'), deliveries),
    'snmp_manager': (polled, Datagrams, True, b'', answers),
    'snmp_trap_listener': (listener, Datagrams, False, b'', traps),
}


# --- what they do with a connection, until stop is set ---

def inventing(s, hello, frame, stop):
    s.sendall(hello)
    for n in range(1 << 20):
        if stop.is_set():
            return
        if isinstance(s.end, socket.socket):
            s.sendall(b''.join(frame(n * 20 + k) for k in range(20)))
        else:
            s.sendall(frame(n))
        drain(s)


def storming(s, hello, frame, stop):
    """Never reads."""
    same = [frame(n) for n in range(50)]
    s.sendall(hello)
    for n in range(1 << 30):
        if stop.is_set():
            return
        s.sendall(same[n % 50])


def dribbling(s, hello, frame, stop):
    for byte in hello + b''.join(frame(n) for n in range(1000)):
        if stop.is_set():
            return
        s.sendall(bytes([byte]))
        time.sleep(0.002)


def closing(s, hello, frame, stop):
    s.sendall(hello + frame(0)[:-1])
    stop.wait(0.01)


def silent(s, hello, frame, stop):
    stop.wait(0.5)


BEHAVIOURS = [inventing, storming, dribbling, closing, silent]


def drain(said):
    if not isinstance(said.end, socket.socket):
        return
    said.end.setblocking(False)
    try:
        while said.end.recv(65536):
            pass
    except BlockingIOError:
        pass
    finally:
        said.end.settimeout(0.1)


class Said:
    """Counts what is said to a connection."""

    def __init__(self, end, count):
        self.end, self.count = end, count

    def sendall(self, data):
        if data:
            self.end.sendall(data)
        self.count[0] += len(data)


def harm(end, behaviour, hello, frame, stop, count):
    while not stop.is_set():
        s = end.begin()
        try:
            if s:
                count[1] += 1
                behaviour(Said(s, count), hello, frame, stop)
        except OSError:
            pass
        finally:
            if isinstance(s, socket.socket):
                s.close()


class Beside:
    """The neighbours, and one device of each type, which are all disabled."""

    def __init__(self, types):
        self.ends, devices = {}, []
        for t in types:
            conf, end, listens, _, _ = TYPES[t]
            port = free_port()
            self.ends[t] = end(listens, port)
            where = self.ends[t].path if end is Line else port
            devices.append({**conf(where), 'name': t, 'limits': {'stop_ms': 400}})
        torture = [{'name': f'd{i}', 'runner': RUNNER, 'type': 'torture', 'period_ms': 25} for i in range(NEIGHBOURS)]
        self.site = Site(NEIGHBOURS, conf={'devices': [*torture, *devices]})
        self.ctl = Ctl(os.path.join(self.site.dir, 'control'))

    def close(self):
        self.site.close()
        for e in self.ends.values():
            e.close()

    def delays(self, since, until):
        return percentile([d for n in self.site.names for t, _, _, d in self.site.server.ticks[n] if since <= t <= until], .99)

    def spend(self, seconds):
        t = now()
        wait(lambda: now() - t > seconds, 'a while')
        return t, now()

    def disable(self, name):
        """The one place that says how soon an operator gets rid of a device. A busy machine takes its time to run
        gatewayctl at all: as long as for another command, twice."""
        t = now()
        self.ctl('info')
        own = now() - t
        t = now()
        self.ctl('disable', name)
        wait(lambda: self.site.word(name, 'running', False, t), f'{name} stops')
        took = self.site.word(name, 'running', False, t) - t
        if took > DISABLE_S + 2 * own:
            raise AssertionError(f'disable took {took:.2f} s, info {own:.2f} s')
        return took

    def row(self, t, behaviour, seconds):
        site, stop, count = self.site, threading.Event(), [0, 0]
        calm = self.delays(*self.spend(0.3))
        rss = site.rss_kib()
        begin = now()
        self.ctl('enable', t)
        wait(lambda: site.word(t, 'running', True, begin), f'{t} running', 10)
        thread = threading.Thread(target=harm, args=(self.ends[t], behaviour, *TYPES[t][3:], stop, count), daemon=True)
        thread.start()
        try:
            wait(lambda: count[1] and (count[0] or behaviour is silent), 'the harm')
            self.spend(seconds)
            took = self.disable(t)
        finally:
            stop.set()
            thread.join()
        end = now()
        for n in site.names:
            wait(lambda n=n: site.server.ticks[n][-1][0] > end, f'{n} ticks on')
            if any(disorder(site.server.ticks[n], begin, end)):
                raise AssertionError(f'{n}: lost, repeated, out of order, restarts: '
                                     f'{disorder(site.server.ticks[n], begin, end)}')
        p99, grown, turn = self.delays(begin, end), site.rss_kib() - rss, site.info()['longest_turn_cpu_us'] / 1000
        if p99 > 2 * calm + NOISE_MS or grown > GROWTH_KIB or turn > TURN_MS:
            raise AssertionError(f'p99 {calm:.1f} -> {p99:.1f} ms, {grown} KiB more, longest turn {turn:.1f} ms of CPU')
        return p99, took, turn


def table():
    """The types of the supervisor's table."""
    with open(os.path.join(ROOT, 'supervisor', 'config', 'device_type.c'), encoding='utf-8') as f:
        return set(re.findall(r'\.type = "(\w+)"', f.read()))


def every_device_type_has_a_hostile_end(quick):
    if table() != set(TYPES):
        raise AssertionError(f'no simulated device, or no device type: {sorted(table() ^ set(TYPES))}')
    return f'{len(TYPES)} types, {len(BEHAVIOURS)} behaviours'


def raw_sockets():
    try:
        Echoes(False, 0).sock.close()
        return True
    except PermissionError:
        return False


def hostile_remote_ends(quick):
    """FAULT=quick: a few of the rows, by a seed that is printed."""
    seed = int(os.environ.get('FAULT_SEED', random.randrange(1 << 16)))
    types = [t for t in TYPES if t != 'ping' or raw_sockets()]
    rows = [(t, b) for t in types for b in BEHAVIOURS]
    if quick:
        random.Random(seed).shuffle(rows)
        rows = rows[:QUICK_ROWS]
    worst, failed = (0, 0, 0), []
    beside = Beside(types)
    try:
        for t, b in rows:
            try:
                got = beside.row(t, b, 0.5 if quick else 3)
                worst = tuple(map(max, worst, got))
                print(f'      {t} {b.__name__}: p99 {got[0]:.1f} ms, disabled after {got[1]:.2f} s', flush=True)
            except AssertionError as e:
                failed.append(f'{t} {b.__name__}: {e}')
                if beside.site.word(t, 'running', True):
                    beside.ctl('disable', t)
    finally:
        beside.close()
    if failed:
        raise AssertionError(f'FAULT_SEED={seed}: ' + '; '.join(failed))
    return (f'FAULT_SEED={seed}, {len(rows)} rows; worst: p99 {worst[0]:.1f} ms, disabled after {worst[1]:.2f} s, longest turn '
            f'{worst[2]:.1f} ms of CPU')


CASES = [every_device_type_has_a_hostile_end, hostile_remote_ends]
