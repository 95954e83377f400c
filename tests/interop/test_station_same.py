"""The same station, a device of each type but modbus_master (test_dropin.py), the same configuration, the same peers: what hat-gateway registers
and sends, gatewayd registers and sends."""

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import eventer
import iec_serial
from gatewayd import program, wait_until
from iec104 import Asdu, Peer, Station, asdu, free_port, master_conf, slave_conf

try:
    import hat_site
except ImportError:
    hat_site = None

ZONE = 'Europe/Zagreb'
LAST = 4242  # the object address of what ends a step
SINGLE, ACT, ACT_CON = 1, 6, 7
GOOD = {'invalid': False, 'not_topical': False, 'substituted': False, 'blocked': False}
MEASURED = {**GOOD, 'overflow': False}
ODD = {'invalid': True, 'not_topical': False, 'substituted': True, 'blocked': False}
COUNTED = {'invalid': False, 'adjusted': True, 'overflow': False, 'sequence': True}
PROTECTED = {**ODD, 'time_invalid': True}

# 2024-02-29 13:34:12.345 and, in summer, 2023-07-03 00:00:59.999; the last is marked as substituted. Tags that are
# marked invalid differ: hat-gateway believes them.
TIMES = [bytes.fromhex(t) for t in ('3930220d9d0218', '5fea0080230717', '3930620d9d0218')]

# Type: octets of the elements. Types from 30 on have seven more, a time.
DATA = {1: ('00', '01', 'f1', '50'), 3: ('00', '01', '02', 'f3'), 5: ('3f00', '40f1', 'c001'),
        7: ('0102030400', 'ffffffff81'), 9: ('004000', 'ff7f01', '008000', '010000'),
        11: ('ffff00', '0080f0'), 13: ('0000c03f00', '0000c07f00', '0000807f00', 'cdcccc3d01'),
        15: ('0700000000', 'ffffff7fe3', '0000008020'), 20: ('0100800000', 'ffffffff91'),
        21: ('0040', '0180')}
TAGGED = {1: 30, 3: 31, 5: 32, 7: 33, 9: 34, 11: 35, 13: 36, 15: 37}
EVENTS = {38: ('01e803', 'fa0000'), 39: ('3ff1e803', '01000100'), 40: ('0f00e803', '01f1ffff')}
CAUSES = (1, 2, 3, 5, 11, 12, 20, 21, 36, 37, 41, 6, 14, 63)

COMMANDS = {45: ('00', '81', '7d'), 46: ('01', '82', '7e'), 47: ('01', '82'), 48: ('004000', '008080'),
            49: ('d20400', '008080'), 50: ('0000c03f00', '0000807f80'), 51: ('01020304',)}


def hexes(texts):
    return [bytes.fromhex(t) for t in texts]


def pushed(tagged):
    """ASDUs of data, as a station sends them."""
    n = 0
    for kind, elements in DATA.items():
        elements = hexes(elements)
        yield asdu(kind, 3, 1, [(100 + i, e) for i, e in enumerate(elements)])
        yield asdu(kind, 20, 300, [(70000, e) for e in elements], sq=True, originator=9)
        if kind in TAGGED:
            for t in TIMES:
                n += 1
                yield asdu(TAGGED[kind], 3, 1, [(200, elements[n % len(elements)] + t)])
    for kind, elements in EVENTS.items():
        yield asdu(kind, 3, 1, [(300 + i, e + TIMES[0]) for i, e in enumerate(hexes(elements))])
    for cause in CAUSES:
        yield asdu(1, cause, 1, [(5, b'\1')])
    yield asdu(1, 3, 1, [(6, b'\1')], test=True)
    yield asdu(70, 4, 1, [(0, b'\0')])
    yield asdu(103, 7, 1, [(0, TIMES[0])])
    for kind, elements in COMMANDS.items():
        for i, e in enumerate(hexes(elements)):
            yield asdu(kind, (7, 9, 10, 44, 45, 46, 47, 3)[(kind + i) % 8], 1, [(400, e)], negative=i == 1,
                       test=i == 2)
            if tagged:
                yield asdu(kind + 13, 7, 1, [(401, e + TIMES[i])])
    for request, cause in ((20, 7), (20, 10), (36, 7), (0, 44), (20, 20)):
        yield asdu(100, cause, 1, [(0, bytes([request]))], negative=cause == 44)
        yield asdu(101, cause, 65535, [(0, bytes([request & 0x3f | 0x40]))])


def last(n):
    """What a station sends at the end of a step."""
    return asdu(SINGLE, 3, 1, [(LAST + n, b'\1')])


def orders():
    """System events that a master makes messages of."""
    values = {'single': ('OFF', 'ON'), 'double': ('INTERMEDIATE', 'OFF', 'ON', 'FAULT'),
              'regulating': ('LOWER', 'HIGHER'), 'normalized': (0.5, -1, 0.25, 0),
              'scaled': (-32768, 32767), 'floating': (1.5, 'inf', '-inf', -0.1),
              'bitstring': ([1, 2, 3, 255],)}
    n = 0
    for kind, several in values.items():
        for value in several:
            n += 1
            command = {'value': value}
            if kind != 'bitstring':
                command['select'] = n % 2 == 0
            if kind in ('single', 'double', 'regulating'):
                command['qualifier'] = n % 32
            stamp = [None, eventer.Timestamp(1700000000 + n, 345678), eventer.Timestamp(1690000000, 0)][n % 3]
            yield f'command/{kind}/1/{n}', {'is_test': n % 5 == 0, 'command': command, 'cause': (
                'ACTIVATION', 'DEACTIVATION', 5, 6)[n % 4]}, stamp
    for request in (20, 36, 0, 255):
        yield f'interrogation/{request}', {'is_test': False, 'request': request,
                                           'cause': 'DEACTIVATION' if request == 0 else 'ACTIVATION'}, None
    for i, freeze in enumerate(('READ', 'FREEZE', 'FREEZE_AND_RESET', 'RESET')):
        yield 'counter_interrogation/65535', {'is_test': i == 1, 'request': i + 5, 'freeze': freeze,
                                              'cause': 'ACTIVATION'}, None
    good = {'is_test': False, 'cause': 'ACTIVATION',
            'command': {'value': 'ON', 'select': False, 'qualifier': 0}}
    for name, bad in (('command/single/1/1', {}), ('command/single/1/1', 7), ('command/none/1/1', good),
                      ('command/single/1', good), ('command/single/1/1', {**good, 'cause': 'NONE'}),
                      ('interrogation/1', {'is_test': False}), ('interrogation', good),
                      ('nothing', good)):
        yield name, bad, None
    yield f'command/single/1/{LAST}', good, None


POINTS = [{'data_type': t, 'asdu_address': a, 'io_address': 10 * i + a, 'buffer': 'b' if a == 2 else None}
          for a in (1, 2) for i, t in enumerate((
              'SINGLE', 'DOUBLE', 'STEP_POSITION', 'BITSTRING', 'NORMALIZED', 'SCALED', 'FLOATING',
              'BINARY_COUNTER', 'PROTECTION', 'PROTECTION_START', 'PROTECTION_COMMAND', 'STATUS'))]
# By type, as gatewayd answers interrogations, to fill its ASDUs; hat-gateway has the order of the configuration.
CONFIGURED = [POINTS[0], {**POINTS[0], 'io_address': LAST}, *POINTS[1:]]
STARTS = {k: k in ('general', 'l2', 'reverse') for k in ('general', 'l1', 'l2', 'l3', 'ie', 'reverse')}
VALUES = {
    'SINGLE': {'value': 'ON', 'quality': ODD}, 'DOUBLE': {'value': 'FAULT', 'quality': GOOD},
    'STEP_POSITION': {'value': {'value': -64, 'transient': True}, 'quality': MEASURED},
    'BITSTRING': {'value': [1, 2, 3, 4], 'quality': MEASURED},
    'NORMALIZED': {'value': -0.5, 'quality': {**ODD, 'overflow': True}},
    'SCALED': {'value': -2, 'quality': MEASURED}, 'FLOATING': {'value': 'nan', 'quality': MEASURED},
    'BINARY_COUNTER': {'value': -7, 'quality': COUNTED},
    'PROTECTION': {'value': 'ON', 'quality': PROTECTED, 'elapsed_time': 1000},
    'PROTECTION_START': {'value': STARTS, 'quality': PROTECTED, 'duration_time': 65535},
    'PROTECTION_COMMAND': {'value': {k: STARTS[k] for k in ('general', 'l1', 'l2', 'l3')},
                           'quality': {**PROTECTED, 'invalid': False}, 'operating_time': 0},
    'STATUS': {'value': {'value': [i % 3 == 0 for i in range(16)],
                         'change': [i % 2 == 0 for i in range(16)]}, 'quality': MEASURED}}


def given(points):
    """System events of data: first those that are there at the start, then changes."""
    for n, p in enumerate(points):
        kind = p['data_type']
        tagged = kind.startswith('PROTECTION') or n % 2 and kind != 'STATUS'  # as types of ASDUs are
        stamp = eventer.Timestamp(1700000000 + n, 345678) if tagged else None
        yield (f"data/{kind.lower()}/{p['asdu_address']}/{p['io_address']}",
               {'is_test': n % 7 == 3, 'cause': ('SPONTANEOUS', 'BACKGROUND_SCAN', 'INTERROGATED_GROUP02', 7)[n % 4],
                'data': VALUES[kind]}, stamp)


def asked(tagged):
    """ASDUs of a master that both slaves answer alike."""
    for common in (1, 2, 65535):
        yield asdu(100, ACT, common, [(0, b'\x14')], originator=5)
        yield asdu(101, ACT, common, [(0, b'\x05')], test=common == 1)
    yield asdu(100, 8, 1, [(0, b'\x14')])
    yield asdu(101, 8, 1, [(0, b'\x05')])
    for kind, elements in COMMANDS.items():
        for i, e in enumerate(hexes(elements)):
            yield asdu(kind, (ACT, 8, ACT)[i], 1 + i, [(10, e)], originator=i, test=i == 2)
            if tagged:
                yield asdu(kind + 13, ACT, 1, [(11, e + TIMES[i])])
    yield asdu(103, ACT, 1, [(0, TIMES[0])])


# Requests that slaves answer otherwise than hat-gateway's, as gateway-iec101(7) and gateway-iec104(7) say: the types
# and causes of its answers, 'n' where negative, and of ours (IEC 60870-5-101 clause 7.2.3 has what is not known
# confirmed negatively; a read is answered by the data; data of a group carry its cause).
DIFFERENT = (
    # request, iec104_slave of hat-gateway and ours, iec101_slave of hat-gateway and ours
    (asdu(102, 5, 1, [(1, b'')]), ('102 44', '1 5'), ('102 44', '1 5')),
    (asdu(102, 5, 1, [(9999, b'')]), ('102 44', '102 47n'), ('102 44', '102 47n')),
    (asdu(102, 5, 9, [(1, b'')]), ('102 44', '102 46n'), ('102 44', '102 46n')),
    (asdu(104, ACT, 1, [(0, b'\xaa\x55')]), ('', '104 44n'), ('104 44', '104 44n')),
    (asdu(107, ACT, 1, [(0, b'\1\0' + TIMES[0])]), ('107 44', '107 7'), ('', '107 44n')),
    (asdu(105, ACT, 1, [(0, b'\1')]), ('105 44', '105 44n'), ('105 44', '105 44n')),
    (asdu(110, ACT, 1, [(1, b'\0\x40\1')]), ('110 44', '110 44n'), ('110 44', '110 44n')),
    (asdu(113, ACT, 1, [(1, b'\1')]), ('113 44', '113 44n'), ('113 44', '113 44n')),
    (asdu(200, ACT, 1, [(1, b'\1')]), ('', '200 44n'), ('', '200 44n')),
    (asdu(100, ACT, 9, [(0, b'\x14')]), ('100 7, 100 10', '100 46n'), ('100 7, 100 10', '100 46n')),
    (asdu(101, ACT, 9, [(0, b'\5')]), ('101 7, 101 10', '101 46n'), ('101 7, 101 10', '101 46n')),
    (asdu(101, ACT, 2, [(0, b'\1')]), ('101 7, 37 37, 101 10', '101 7, 37 38, 101 10'),
     ('101 7, 37 37, 101 10', '101 7, 37 38, 101 10')),
    (asdu(100, ACT, 9, [(0, b'\0')]), ('100 7, 100 10', '100 46n'), ('100 7, 100 10', '100 46n')),
    (asdu(101, ACT, 9, [(0, b'\x45')]), ('101 7, 101 10', '101 46n'), ('101 7, 101 10', '101 46n')),
)


def answers(connection):
    """System events of answers to commands."""
    for i, (cause, negative) in enumerate((
            ('ACTIVATION_CONFIRMATION', False), ('ACTIVATION_CONFIRMATION', True),
            ('DEACTIVATION_CONFIRMATION', False), ('ACTIVATION_TERMINATION', False),
            ('UNKNOWN_TYPE', True), ('UNKNOWN_IO_ADDRESS', True), (3, False))):
        yield f'command/single/1/{i}', {
            'connection_id': connection, 'is_test': i == 1, 'is_negative_confirm': negative, 'cause': cause,
            'command': {'value': 'ON', 'select': i == 2, 'qualifier': i}}, (
                eventer.Timestamp(1700000000, 345678) if i % 2 else None)
    yield 'command/single/1/1', {'connection_id': 77, 'is_test': False, 'is_negative_confirm': False,
                                 'cause': ACT_CON, 'command': {'value': 'ON', 'select': True,
                                                               'qualifier': 0}}, None
    yield 'data/single/9/9', {'is_test': False, 'cause': 3, 'data': VALUES['SINGLE']}, None
    yield 'data/single/1/1', {'is_test': False, 'cause': 3, 'data': {'value': 'MAYBE'}}, None


SIZES = {1: 1, 3: 1, 5: 2, 7: 5, 9: 3, 11: 3, 13: 5, 15: 5, 20: 5, 21: 2, 30: 8, 31: 8, 32: 9, 33: 12,
         34: 10, 35: 10, 36: 12, 37: 12, 38: 10, 39: 11, 40: 11}


def objects(data):
    """The objects of an ASDU, each with its header: how many go into one is nobody's business."""
    a = Asdu(data)
    # Data that were interrogated carry the originator of the interrogation (IEC 60870-5-101 clause 7.2.4);
    # hat-gateway's carry 0.
    originator = 0 if a.type in SIZES else a.originator
    # Types with a time tag do not answer an interrogation of the station or a group: gatewayd sends the type without
    # one, and no events of protection equipment; hat-gateway sends what it has.
    if 20 <= a.cause <= 36 and a.type in EVENTS:
        return []
    untagged = {t: k for k, t in TAGGED.items()}.get(a.type)
    if 20 <= a.cause <= 36 and untagged:
        cut = [data[6:][n:n + 3 + SIZES[untagged]] for n in range(0, len(data) - 6, 3 + SIZES[a.type])]
        return objects(bytes([untagged]) + data[1:6] + b''.join(cut))
    head = f'{a.type} cause {data[2]} originator {originator} common {a.common} '
    size = SIZES.get(a.type, len(a.element) if a.count == 1 else 0)
    body = data[6:]
    if a.type in (103, 6):
        body = body[:3] + bytes(len(body) - 3)
    if a.sq:
        return [f'{head}io {a.address + i} {a.element[i * size:(i + 1) * size].hex()}' for i in range(a.count)]
    return [f'{head}io {int.from_bytes(body[at:at + 3], "little")} {body[at + 3:at + 3 + size].hex()}'
            for at in range(0, len(body), 3 + size)]


def all_objects(asdus):
    return [o for a in asdus for o in objects(a)]


class Site:
    """One gateway with six devices, each beside its peer; what it registered and sent."""

    TYPES = {'rtu': 'iec104_master', 'scada': 'iec104_slave', 'bus': 'iec101_master',
             'out': 'iec101_slave', 'relay': 'iec103_master', 'panel': 'modbus_slave'}

    def __init__(self, folder, argv, now):
        self.now = now
        self.wire, self.different = {}, {'scada': [], 'out': []}
        self.server = eventer.EventerServer()
        self.station, self.port, self.panel = Station(), free_port(), free_port()
        self.bus, self.relay, self.centre = iec_serial.Remote(7), iec_serial.Remote(5), iec_serial.RawMaster(3)
        path = os.path.join(folder, 'gateway.json')
        with open(path, 'w', encoding='utf-8') as f:
            json.dump(self.conf(), f)
        for kind, payload, stamp in given(POINTS):
            for name in ('scada', 'out'):
                e = self.server.event(self.type(name, 'system', kind), eventer.Json(payload), stamp)
                self.server.latest[e.type] = e
        for name, address in (('bus', 7), ('relay', 5)):
            self.server.preset(self.type(name, 'system', f'remote_device/{address}/enable'), eventer.Json(True))
        self.log = open(os.path.join(folder, 'log'), 'w+', encoding='utf-8')
        self.process = subprocess.Popen(
            [*argv, path], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, 'RUNTIME_DIRECTORY': folder, 'STATE_DIRECTORY': folder})
        self.server.wait(lambda: self.server.clients, 20)

    def conf(self):
        line = {'bus': self.bus.path, 'relay': self.relay.path, 'out': self.centre.path}
        buffers = [{'name': 'b', 'size': 8}]
        confs = {
            'rtu': master_conf(self.station.port, time_sync_delay=600),
            'scada': slave_conf(self.port, CONFIGURED, buffers=buffers),
            'bus': iec_serial.master101(line['bus'], [iec_serial.remote(7, time_sync_delay=600)]),
            'out': iec_serial.slave101(line['out'], [3], CONFIGURED, buffers=buffers, keep_alive=30),
            'relay': iec_serial.master103(line['relay'], [iec_serial.remote(5, time_sync_delay=600)]),
            'panel': {'modbus_type': 'TCP', 'transport': {
                'type': 'TCP', 'local_host': '127.0.0.1', 'local_port': self.panel, 'remote_hosts': None,
                'max_connections': None, 'response_timeout': 10, 'keep_alive_timeout': None}, 'data': [
                    {'name': 'a', 'device_id': 1, 'data_type': 'HOLDING_REGISTER', 'start_address': 0,
                     'bit_offset': 0, 'bit_count': 32}]}}
        return {'name': 'station', 'event_server': {'eventer_server': {
            'host': '127.0.0.1', 'port': self.server.port}}, 'devices': [
                {**c, 'name': name, 'module': 'hat.gateway.devices.' + self.TYPES[name].replace('_', '.')}
                for name, c in confs.items()]}

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        for x in (self.server, self.station, self.bus, self.relay, self.centre, self.log):
            x.close()

    def type(self, name, source, kind):
        return ('gateway', self.TYPES[name], name, source, *kind.split('/'))

    def tell(self, name, *events, below=''):
        self.server.notify([self.server.event(self.type(name, 'system', below + kind), eventer.Json(payload), stamp)
                            for kind, payload, stamp in events])

    def wait(self, name, kind, payload=None, start=0):
        return self.server.wait_event(self.type(name, 'gateway', kind),
                                      None if payload is None else eventer.Json(payload), 15, start)

    def events(self, name):
        """What the device registered: its type, payload, and source timestamp where that is of the field."""
        found = []
        for e in self.server.find(self.type(name, 'gateway', '*')):
            kind, payload = '/'.join(e.type[4:]), e.payload and e.payload.data
            if kind == 'connections':
                payload = [{k: v['host'] if k in ('local', 'remote') else v for k, v in c.items()}
                           for c in payload]
            if kind == 'write':
                payload = {**payload, 'request_id': None}
            stamp = e.source_timestamp
            found.append((kind, payload, bool(stamp) if kind == 'running' else stamp))
        return found[1:] if found and found[0][:2] == ('running', False) else found  # see test_dropin.py

    def enable(self, name, on=True):
        start = len(self.server.registered)
        self.tell(name, ('enable', on, None))
        self.wait(name, 'running', on, start)


def take(peer, until):
    """ASDUs from a connection, with the one that until() knows."""
    found = []
    while not found or not until(Asdu(found[-1])):
        found.append(peer.asdu(ack=True).data)
    return found


def play_rtu(site):
    site.enable('rtu')
    peer = site.station.accept()
    site.wait('rtu', 'status', 'CONNECTED')
    for n, data in enumerate(pushed(True)):
        peer.send(data)
    peer.send(last(0))
    site.wait('rtu', f'data/single/1/{LAST}')
    site.tell('rtu', *orders())
    wire = take(peer, lambda a: a.address == LAST)
    peer.close()
    peer = site.station.accept()
    wire += take(peer, lambda a: a.type == 103)
    peer.send(last(1))
    site.wait('rtu', f'data/single/1/{LAST + 1}')
    site.enable('rtu', False)
    peer.expect_end()
    return all_objects(wire)


def play_bus(site):
    site.enable('bus')
    site.wait('bus', 'remote_device/7/status', 'CONNECTED')
    site.bus.queue.extend([*pushed(False), last(0)])
    site.wait('bus', f'remote_device/7/data/single/1/{LAST}')
    site.tell('bus', *orders(), below='remote_device/7/')
    wait_until(lambda: site.bus.taken and Asdu(site.bus.taken[-1]).address == LAST, 'the last order', 15)
    site.tell('bus', ('remote_device/7/enable', False, None))
    site.wait('bus', 'remote_device/7/status', 'DISCONNECTED')
    site.enable('bus', False)
    return all_objects(site.bus.taken)


END = (f'data/single/1/{LAST}', {'is_test': False, 'cause': 3, 'data': VALUES['SINGLE']}, None)


def play_slave(site, name, connection, ask, take_until):
    """ask(octets) of a master; take_until(condition) is what it got."""
    wire = []
    for data in asked(name == 'scada'):
        ask(data)
    ask(asdu(100, 8, 1, [(0, b'\x63')]))
    wire += take_until(lambda a: a.type == 100 and a.element == b'\x63')
    for events in (given(POINTS[:12] + POINTS[18:]), answers(connection)):
        site.tell(name, *events, END)
        wire += take_until(lambda a: a.address == LAST)
    for n, (request, *_) in enumerate(DIFFERENT):
        ask(request)
        ask(asdu(100, 8, 1, [(0, bytes([n]))]))
        got = [Asdu(a) for a in take_until(lambda a: a.type == 100 and a.cause == 9 and a.element == bytes([n]))]
        site.different[name].append(', '.join(f'{a.type} {a.cause}{"n" * a.negative}' for a in got[:-1]))
    return wire


def play_scada(site):
    site.enable('scada')
    peer = Peer(socket.create_connection(('127.0.0.1', site.port)))
    peer.startdt()
    site.tell('scada', *given(POINTS[12:22]), END)
    wire = []
    while not wire or Asdu(wire[-1]).address != LAST:
        wire.append(peer.asdu().data)
    start = len(site.server.registered)
    peer.close()  # without an acknowledgement: the buffer has them still
    site.wait('scada', 'connections', [], start)
    peer = Peer(socket.create_connection(('127.0.0.1', site.port)))
    peer.startdt()
    wire += play_slave(site, 'scada', 2, peer.send, lambda until: take(peer, until))
    other = Peer(socket.create_connection(('127.0.0.1', site.port)))
    site.server.wait(lambda: [e for e in site.events('scada') if e[0] == 'connections' and len(e[1]) == 2])
    start = len(site.server.registered)
    peer.close()
    site.server.wait(lambda: len(site.events('scada')[-1][1]) == 1)
    other.close()
    site.wait('scada', 'connections', [], start)
    site.enable('scada', False)
    return all_objects(wire)


def play_out(site):
    site.enable('out')
    master = site.centre

    def connected():
        try:
            return master.ask(master.RESET, seconds=0.3)
        except TimeoutError:
            return None  # the tty is not open yet
    wait_until(connected, 'a connection', 15)

    def take_until(until):
        found = []

        def more():
            data = master.poll()
            if data:
                found.append(data)
            return data and until(Asdu(data))
        wait_until(more, 'the last answer', 15)
        return found
    wire = play_slave(site, 'out', 1, lambda data: master.ask(master.DATA, data), take_until)
    site.enable('out', False)
    return all_objects(wire)


def time103(when):
    """The four octets of a time of day, in this process's zone."""
    t = time.localtime(when)
    ms = t.tm_sec * 1000 + 321
    return bytes([ms & 0xff, ms >> 8, t.tm_min, t.tm_hour | 0x80 * (t.tm_isdst > 0)])


def pushed103(now):
    """ASDUs of a protection device."""
    for cause in (1, 7, 9, 11, 12, 20, 31, 99):
        yield bytes([1, 0x81, cause, 5, 160, 16, cause & 3]) + time103(now) + b'\0'
    for hours in (-13, -11, 11, 13):
        yield bytes([1, 0x81, 1, 5, 160, 17, 2]) + time103(now + hours * 3600) + b'\0'
    wrong = bytearray(time103(now))
    wrong[3] ^= 0x80
    yield bytes([1, 0x81, 1, 5, 160, 18, 2, *wrong, 0])
    yield bytes([2, 0x81, 1, 5, 160, 19, 1, 0x2c, 1, 7, 0, *time103(now), 0])
    yield bytes([2, 0x81, 1, 6, 160, 20, 2, 0x2c, 1, 7, 0, *time103(now), 0])
    yield bytes([3, 4, 2, 5, 160, 144]) + b''.join(v.to_bytes(2, 'little') for v in (8, 0x7ff8, 0x8003, 0xfff9))
    yield bytes([3, 1, 2, 5, 160, 144, 0, 0x40])
    yield bytes([9, 9, 2, 5, 160, 148]) + b''.join((i << 3 | i & 3).to_bytes(2, 'little') for i in range(
        0x0ff0, 0x0ff9))
    yield bytes([5, 0x81, 4, 5, 160, 3, 2]) + b'STATION \1\2\3\4'
    yield bytes([4, 0x81, 1, 5, 160, 73, 0, 0, 0x80, 0x3f]) + b'\0\0\0\0' + time103(now)
    yield bytes([23, 0x80, 31, 5, 160, 0])


def play_relay(site):
    site.enable('relay')
    address = 'remote_device/5/'
    site.wait('relay', address + 'status', 'CONNECTED')
    site.relay.queue.extend([*pushed103(site.now), bytes([1, 0x81, 1, 5, 160, 255, 1]) + time103(site.now) + b'\0'])
    site.wait('relay', address + 'data/double/5/160/255')
    wire = []

    def asked(kind):
        return [a for a in site.relay.taken if a[0] == kind]
    for i, value in enumerate(('ON', 'OFF', 'ON')):
        site.tell('relay', (f'command/5/160/{20 + i}', {'session_id': ['any', i], 'value': value}, None), below=address)
        wait_until(lambda: len(asked(20)) > i, 'a command', 15)
        a = asked(20)[i]
        wire.append(a[:-1])  # the return information identifier is anybody's choice
        site.relay.queue.append(bytes([1, 0x81, 21 if i == 1 else 20, 5, 160, 20 + i, a[6]]) + time103(site.now) + a[7:])
        site.wait('relay', address + f'command/5/160/{20 + i}')
    site.tell('relay', ('interrogation/5', None, None), below=address)
    wait_until(lambda: asked(7), 'an interrogation', 15)
    a = asked(7)[0]
    wire.append(a[:-1])  # so is the scan number
    site.relay.queue.append(bytes([1, 0x81, 9, 5, 160, 30, 1]) + time103(site.now) + a[6:])
    site.relay.queue.append(bytes([8, 0x81, 10, 5, 255, 0]) + a[6:])
    site.wait('relay', address + 'interrogation/5')
    for bad in (('command/5/160/1', {}), ('command/5/160/1', {'session_id': 1, 'value': 'NONE'}), ('command/5/160', 1),
                ('nothing', 1)):
        site.tell('relay', (*bad, None), below=address)
    site.tell('relay', (address + 'enable', False, None))
    site.wait('relay', address + 'status', 'DISCONNECTED')
    site.enable('relay', False)
    return [a.hex() for a in [x[:6] for x in asked(6)] + wire]


def play_panel(site):
    site.enable('panel')
    sock = socket.create_connection(('127.0.0.1', site.panel))
    sock.settimeout(15)
    wire = []

    def send(pdu):
        sock.sendall(struct.pack('>HHHB', 1, 0, 1 + len(pdu), 1) + pdu)

    def ask(pdu):
        send(pdu)
        return sock.recv(300)
    for success in (True, False):
        start = len(site.server.registered)
        send(b'\x10\0\0\0\2\4\x12\x34\x56\x78')
        e = site.server.wait_event(site.type('panel', 'gateway', 'write'), None, 15, start)
        site.tell('panel', ('write', {'request_id': e.payload.data['request_id'], 'success': success}, None))
        wire.append(sock.recv(300))
    site.tell('panel', ('data/nothing', {'value': 1}, None), ('data/a', {'value': 0xffff0001}, eventer.now()))
    wire.append(wait_until(lambda: (got := ask(b'\3\0\0\0\2'))[-1] == 1 and got, 'the value', 15))
    wire.append(ask(b'\3\0\1\0\2'))
    start = len(site.server.registered)
    sock.close()
    site.wait('panel', 'connections', [], start)
    site.enable('panel', False)
    return [w.hex() for w in wire]


PLAYS = {'rtu': play_rtu, 'bus': play_bus, 'scada': play_scada, 'out': play_out, 'relay': play_relay,
         'panel': play_panel}


@unittest.skipUnless(hat_site, 'needs build/venv')
class SameStation(unittest.TestCase):

    maxDiff = None

    def setUp(self):
        self.enterContext(unittest.mock.patch.dict(os.environ, TZ=ZONE))
        time.tzset()
        self.addCleanup(time.tzset)

    def run_one(self, argv, now, ours):
        with tempfile.TemporaryDirectory(prefix='gatewayd-same-') as folder:
            site = Site(folder, argv, now)
            try:
                for name, play in PLAYS.items():
                    site.wire[name] = play(site)
                for i, (name, found) in enumerate(site.different.items(), 1):
                    self.assertEqual(found, [row[i][ours] for row in DIFFERENT], name)
                return {name: (site.events(name), site.wire[name]) for name in PLAYS}
            except BaseException:
                site.log.seek(0)
                print(site.log.read()[-6000:], file=sys.stderr)
                raise
            finally:
                site.close()

    def test_same(self):
        start, now = time.monotonic(), int(time.time())
        theirs = self.run_one([os.path.join(hat_site.HAT, 'hat-gateway'), '--conf'], now, False)
        ours = self.run_one([program('gatewayd'), '--config'], now, True)
        for name in PLAYS:
            for i, what in enumerate(('events', 'wire')):
                with self.subTest(f'{name} {what}'):
                    self.assertEqual(ours[name][i], theirs[name][i])
        count = sum(len(x) for pair in ours.values() for x in pair)
        print(f'    same station: {count} events and objects compared in {time.monotonic() - start:.0f} s',
              flush=True)


if __name__ == '__main__':
    unittest.main()
