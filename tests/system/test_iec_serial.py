"""The serial IEC 60870-5 devices against each other, over lines that lose, double, delay, damage, split
and merge frames, and over lines that are unplugged."""
import json
import os
import signal
import sys
import time
import tty
import unittest

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'lib'))

import iec_serial as lib  # noqa: E402
from runner_host import QUERY  # noqa: E402
from serial_bridge import Bridge, Faults  # noqa: E402

COUNT = 150
ENABLE = 'system/remote_device/{}/enable'
STATUS = 'gateway/remote_device/{}/status'


class Case(lib.Case):
    def line(self, *args, **kwargs):
        """A line that outlives the runners."""
        return self.enterContext(Bridge(*args, **kwargs))

    def pair(self, line, addresses, balanced=False, data=(), buffers=(), baud=9600, **keys):
        slave = self.start('iec101_slave', lib.slave101(
            line.b, addresses, list(data), balanced, buffers, baud, **keys))
        master = self.start('iec101_master', lib.master101(
            line.a, [lib.remote(a, balanced, **({} if balanced else keys.get('polls', {})))
                     for a in addresses], balanced, baud),
            {ENABLE.format(a): True for a in addresses})
        return master, slave


class BadLine(Case):

    FAULTS = Faults(drop=0.02, twice=0.02, delay=0.02, corrupt=0.03, split=0.1)

    def values(self, master):
        return [e.payload['data']['value'] for e in master.events if '/data/scaled/' in e.type]

    def run_line(self, balanced):
        conf = {'send_retry_count': 30, 'response_timeout': 0.1 * lib.SLOW}
        line = self.line(faults=self.FAULTS, seed=3)
        slave = self.start('iec101_slave', lib.slave101(
            line.b, [1], [lib.point('SCALED', 1, 1)], balanced, keep_alive=60,
            **(conf if balanced else {})))
        master = self.start('iec101_master', lib.master101(
            line.a, [lib.remote(1, balanced, **conf)], balanced), {ENABLE.format(1): True})
        master.wait_event(STATUS.format(1), 'CONNECTED')
        slave.wait(lambda: any(e.type == 'gateway/connections' and e.payload
                               for e in slave.events), 30)
        for i in range(COUNT):
            slave.send('system/data/scaled/1/1', lib.scaled(i))
            if i % 10 == 0:
                master.send('system/remote_device/1/command/scaled/1/7', {
                    'is_test': False, 'cause': 'ACTIVATION',
                    'command': {'value': i, 'select': False}})
        master.wait(lambda: len(self.values(master)) >= COUNT, 120)
        slave.wait(lambda: len(self.commands(slave)) >= COUNT // 10, 60)
        self.assertEqual(self.values(master), list(range(COUNT)))
        self.assertEqual(self.commands(slave), list(range(0, COUNT, 10)))
        self.assertGreater(sum(line.hurt.values()), 20)
        self.assertNotIn('DISCONNECTED', [e.payload for e in master.events])

    def commands(self, slave):
        return [e.payload['command']['value'] for e in slave.events if '/command/' in e.type]

    def test_unbalanced(self):
        self.run_line(False)

    def test_balanced(self):
        self.run_line(True)


class Frozen(Case):

    def test_an_answer_that_is_there_came_in_time(self):
        """Whatever the runner did not do in the meantime: nothing is asked twice."""
        station, line = os.openpty()
        tty.setraw(line)
        self.addCleanup(os.close, station)
        self.addCleanup(os.close, line)
        r = self.start('iec101_master', lib.master101(os.ttyname(line), [lib.remote(1)]), {ENABLE.format(1): True})

        reset, confirmed = bytes.fromhex('1040014116'), bytes.fromhex('1000010116')
        self.assertEqual(os.read(station, 5), reset)
        r.process.send_signal(signal.SIGSTOP)
        os.write(station, confirmed)
        time.sleep(0.4 * lib.SLOW)  # twice what it waits for
        r.process.send_signal(signal.SIGCONT)
        self.assertNotEqual(os.read(station, 5), reset)
        r.wait_event(STATUS.format(1), 'CONNECTED')


class FlowControl(Case):

    def test_a_command_that_is_held_back_is_not_done_later(self):
        station = lib.Remote()
        self.addCleanup(station.close)
        conf = lib.master101(station.path, [lib.remote(1)])
        conf['flow_control']['xonxoff'] = True
        r = self.start('iec101_master', conf, {ENABLE.format(1): True})
        at = r.wait_event(STATUS.format(1), 'CONNECTED')
        os.write(station.fd, b'\x13')  # XOFF
        r.send('system/remote_device/1/command/scaled/1/7', {
            'is_test': False, 'cause': 'ACTIVATION', 'command': {'value': 5, 'select': False}})
        at = r.wait_event(STATUS.format(1), 'DISCONNECTED', after=at)
        os.write(station.fd, b'\x11')  # XON
        r.wait_event(STATUS.format(1), 'CONNECTED', after=at)
        self.assertEqual([asdu for asdu in station.taken if asdu[0] == 49], [])


class Replug(Case):

    def test_master_and_slave_come_back(self):
        data = [lib.point('SCALED', 1, 1, 'b')]
        line = self.line()
        master, slave = self.pair(line, [1], False, data, [{'name': 'b', 'size': 10}])
        at = master.wait_event(STATUS.format(1), 'CONNECTED')
        line.unplug()
        at = master.wait_event(STATUS.format(1), 'DISCONNECTED', at)
        self.assertEqual(master.events[at].type, 'gateway/status')
        self.assertEqual(master.events[at].payload, 'DISCONNECTED')
        slave.wait(lambda: slave.events[-1].payload == [])
        slave.send('system/data/scaled/1/1', lib.scaled(5))
        line.plug()
        at = master.wait_event('gateway/status', 'CONNECTED', at)
        at = master.wait_event(STATUS.format(1), 'CONNECTED', at)
        master.wait_event('gateway/remote_device/1/data/scaled/1/1', lib.scaled(5), at)

    def test_tty_that_comes_later(self):
        conf = lib.master101('/nonexistent/tty', [lib.remote(1)])
        r = self.start('iec101_master', conf, {ENABLE.format(1): True})
        at = r.wait_event('gateway/status', 'DISCONNECTED')
        at = r.wait_event('gateway/status', 'CONNECTING', at)
        r.wait_event('gateway/status', 'DISCONNECTED', at)
        self.assertTrue(r.ready)
        self.assertLess(len(r.opens), 20)

    def test_no_delay_is_no_loop(self):
        """A tty that does not open is tried twenty times a second at most, whatever is configured."""
        end, gone = os.openpty()
        path = os.ttyname(gone)
        os.close(end)
        self.addCleanup(os.close, gone)
        starts = time.monotonic()
        remotes = [lib.remote(1)]
        runners = [
            self.start('iec101_master', lib.master101('/nonexistent/tty', remotes, reconnect_delay=0)),
            self.start('iec103_master', {**lib.master103(path, remotes), 'reconnect_delay': 0}),
            self.start('iec101_slave', lib.slave101(path, [1], [], reconnect_delay=0))]
        for r in runners:
            r.wait(lambda: len(r.opens) >= 5)
        most = 22 * (time.monotonic() - starts) + 3
        for r in runners:
            self.assertLess(len(r.opens), most)


class Raw(Case):
    """A slave under the frames of a master that goes by the letter."""

    def connect(self, *args, **keys):
        raw = lib.RawMaster()
        self.addCleanup(raw.close)
        slave = self.start('iec101_slave', {
            **lib.slave101(raw.path, [1], *args, keep_alive=60, **keys), 'silent_interval': 0})
        slave.wait(lambda: 'connected' in slave.links)
        return raw, slave

    def test_buffer_larger_than_the_queue(self):
        """What the link's queue of 65536 messages has no room for comes after it, and answers have room."""
        count, values = 66000, 200
        raw, slave = self.connect([lib.point('SCALED', 1, 1, 'b')], False,
                                  [{'name': 'b', 'size': count}])
        slave.send_events([['system/data/scaled/1/1'.split('/'), [0, 0], None, json.dumps(lib.scaled(n))]
                           for n in range(values)], count // values)
        slave.send('system/command/single/1/1', {})  # refused: everything before was taken
        slave.wait(lambda: any('refused' in line for line in slave.log), 60)
        raw.ask(raw.RESET)
        raw.ask(raw.DATA, bytes.fromhex('64010600 0100 000000 14'))
        slave.send('system/data/scaled/1/1', lib.scaled(-1))
        asdus = list(iter(raw.poll, None))
        asdus += list(iter(raw.poll, None))
        found = [int.from_bytes(a[-3:-1], 'little', signed=True) for a in asdus if a[2] == 3]
        expected = [n % values for n in range(count)] + [-1]
        self.assertEqual(len(found), len(expected))
        self.assertEqual(found, expected)
        self.assertEqual([a[:3].hex() for a in asdus if a[2] != 3], ['640107', '0b0114', '64010a'])

    def test_refused_once(self):
        """An ASDU of several objects that is not served comes back once."""
        raw, _ = self.connect([])
        raw.ask(raw.RESET)
        read = bytes.fromhex('66030500 0100 010000 020000 030000')
        self.assertEqual(raw.ask(raw.DATA, read).hex(), '1020012116')  # ACD: there is something to fetch
        self.assertEqual(raw.poll(), bytes.fromhex('66036e00 0100 010000 020000 030000'))
        self.assertIsNone(raw.poll())


class Predecessor(Case):

    RESET, CONFIRM = '1040014116', '1000010116'

    def test_answer_to_a_killed_master(self):
        """What it asked last is confirmed to its successor: that is not the confirmation of a reset."""
        master, slave = os.openpty()
        tty.setraw(slave)
        self.addCleanup(os.close, master)
        self.addCleanup(os.close, slave)
        conf = lib.master103(os.ttyname(slave), [lib.remote(1)])
        frame = lambda: os.read(master, 300).hex()  # noqa: E731
        first = lib.start('iec103_master', conf, {ENABLE.format(1): True})
        self.assertEqual(frame(), self.RESET)
        first.process.kill()
        first.process.wait()
        second = self.start('iec103_master', conf, {ENABLE.format(1): True})
        second.wait_event('gateway/status', 'CONNECTED')
        os.write(master, bytes.fromhex(self.CONFIRM))
        self.assertEqual(frame(), self.RESET)
        self.assertEqual(frame(), self.RESET)  # not answered yet
        os.write(master, bytes.fromhex(self.CONFIRM))
        second.wait_event(STATUS.format(1), 'CONNECTED')


class Overtaken(lib.Host):
    """Events come while the answer to the runner's query is under way."""

    def __init__(self, *args, newer, **keys):
        self.newer = newer
        super().__init__(*args, **keys)

    def _on_message(self, kind, number, body):
        if kind == QUERY:
            for suffix, payload in self.newer.items():
                self.send(suffix, payload)
        super()._on_message(kind, number, body)


class Newer(Case):
    """What comes as an event is newer than what the query finds."""

    def start(self, *args, **keys):
        self.runners.append(Overtaken(lib.EXECUTABLE, *args, **keys))
        return self.runners[-1]

    def test_state_of_a_slave(self):
        raw = lib.RawMaster()
        self.addCleanup(raw.close)
        conf = lib.slave101(raw.path, [1], [lib.point('SCALED', 1, n) for n in (1, 2)], keep_alive=60)
        slave = self.start('iec101_slave', conf, {
            f'system/data/scaled/1/{n}': lib.scaled(n) for n in (1, 2)},
            newer={'system/data/scaled/1/1': lib.scaled(7)})
        slave.wait(lambda: 'connected' in slave.links)
        raw.ask(raw.RESET)
        raw.ask(raw.DATA, bytes.fromhex('64010600 0100 000000 14'))
        self.assertEqual([raw.poll().hex() for _ in range(3)], [
            '640107000100' '000000' '14',
            '0b0214000100' '010000' '070000' '020000' '020000',
            '64010a000100' '000000' '14'])

    def test_enabled_remotes_of_a_master(self):
        for kind, conf in ('iec101_master', lib.master101), ('iec103_master', lib.master103):
            with self.subTest(kind):
                line = self.line()
                master = self.start(kind, conf(line.a, [lib.remote(a) for a in (1, 2, 3)]), {
                    ENABLE.format(1): True, ENABLE.format(2): False, ENABLE.format(3): True},
                    newer={ENABLE.format(1): False, ENABLE.format(2): True})
                for a in (2, 3):
                    master.wait_event(STATUS.format(a), 'CONNECTING')
                self.assertFalse([e for e in master.events if e.type == STATUS.format(1)])


class Protection(Case):
    """iec103_master with a device to which nothing happens by itself."""

    def master(self):
        station = lib.Remote()
        self.addCleanup(station.close)
        master = self.start('iec103_master', lib.master103(station.path, [lib.remote(1)]), {ENABLE.format(1): True})
        master.wait_event(STATUS.format(1), 'CONNECTED')
        return station, master

    def test_session_id_is_any_json(self):
        station, master = self.master()
        for n, session in enumerate((list(range(100)), 'x' * 5000, None, {'a': [{}, 1.5, '\x00']}, '\u20ac' * 5000)):
            with self.subTest(n):
                master.send('system/remote_device/1/command/1/160/16', {'session_id': session, 'value': 'ON'})
                master.wait(lambda: len(station.taken) > n)
                rii = station.taken[n][7]
                station.queue.append(bytes([1, 0x81, 20, 1, 160, 16, 2, 0, 0, 0, 0, rii]))
                found = master.wait(lambda: [
                    e.payload for e in master.events if '/command/' in e.type][n:])
                self.assertEqual(found, [{'session_id': session, 'success': True}])
        master.send('system/remote_device/1/command/1/160/16', {'session_id': 'x' * 55000, 'value': 'ON'})
        master.wait(lambda: any('its session_id is too long' in line for line in master.log))

    def test_a_value_survives_its_tag(self):
        station, master = self.master()
        now = time.localtime()
        summer = 0x80 * (now.tm_isdst > 0)
        tags = {20: bytes([0, 0, now.tm_min, now.tm_hour | summer]),
                21: bytes([0, 0, now.tm_min | 0x80, now.tm_hour | summer]), 22: bytes([0xff] * 4),
                23: bytes([0, 0, 61, now.tm_hour | summer])}
        for inf, tag in tags.items():
            station.queue.append(bytes([1, 0x81, 1, 1, 160, inf, 0xfe]) + tag + b'\0')
        for inf in tags:
            at = master.wait_event(f'gateway/remote_device/1/data/double/1/160/{inf}',
                                   {'cause': 'SPONTANEOUS', 'value': 'ON'})  # reserved bits are masked
            self.assertEqual(master.stamps[at - 1] is not None, inf == 20)


class Tags(Case):
    """iec101_master: what a time tag may be."""

    def test_tags(self):
        station = lib.Remote()
        self.addCleanup(station.close)
        master = self.start('iec101_master', lib.master101(station.path, [lib.remote(1)]), {ENABLE.format(1): True})
        master.wait_event(STATUS.format(1), 'CONNECTED')
        tag = bytes.fromhex('3930220d4e0b17')
        head = bytes.fromhex('0300 0100')
        for n, t in enumerate((tag, tag[:2] + b'\xa2' + tag[3:], bytes(7), tag[:5] + b'\x0d' + tag[6:])):
            station.queue.append(b'\x1e\x01' + head + bytes([n, 0, 0]) + b'\x01' + t)
        # Sequences: a tag in each element, and one behind the last.
        station.queue.append(b'\x1e\x82' + head + bytes([10, 0, 0]) + b'\x01' + tag + b'\x01' + tag)
        station.queue.append(b'\x1e\x82' + head + bytes([20, 0, 0]) + b'\x01\x01' + tag)
        for io, stamped in ((0, True), (1, False), (2, False), (3, False), (10, True), (11, True), (20, True), (21, True)):
            at = master.wait_event(f'gateway/remote_device/1/data/single/1/{io}', lib.single('ON'))
            self.assertEqual(master.stamps[at - 1] is not None, stamped, io)


class Stamps(Case):
    """Requests carry no tag here: a source timestamp that no tag holds does not refuse them."""

    STAMPS = ((-5, 0), (4000000000, 0))

    def test_iec101(self):
        station = lib.Remote()
        self.addCleanup(station.close)
        master = self.start('iec101_master', lib.master101(station.path, [lib.remote(1)]), {ENABLE.format(1): True})
        master.wait_event(STATUS.format(1), 'CONNECTED')
        address = 'system/remote_device/1/'
        for n, stamp in enumerate(self.STAMPS):
            master.send(address + 'command/single/1/5', {'is_test': False, 'cause': 'ACTIVATION', 'command': {
                'value': 'ON', 'select': False, 'qualifier': 0}}, stamp)
            master.send(address + 'interrogation/1', {'is_test': False, 'cause': 'ACTIVATION', 'request': 20}, stamp)
            master.send(address + 'counter_interrogation/1', {
                'is_test': False, 'cause': 'ACTIVATION', 'request': 5, 'freeze': 'READ'}, stamp)
            master.wait(lambda: [a[0] for a in station.taken] == [45, 100, 101] * (n + 1))

    def test_iec103(self):
        station = lib.Remote()
        self.addCleanup(station.close)
        master = self.start('iec103_master', lib.master103(station.path, [lib.remote(1)]), {ENABLE.format(1): True})
        master.wait_event(STATUS.format(1), 'CONNECTED')
        address = 'system/remote_device/1/'
        for n, stamp in enumerate(self.STAMPS):
            master.send(address + 'command/1/160/16', {'session_id': n, 'value': 'ON'}, stamp)
            master.wait(lambda: [a[0] for a in station.taken] == [20] * (n + 1))
            station.queue.append(bytes([1, 0x81, 20, 1, 160, 16, 2, 0, 0, 0, 0, station.taken[-1][7]]))
            master.wait_event('gateway/remote_device/1/command/1/160/16', {'session_id': n, 'success': True})


class Stop(Case):

    def test_last_events(self):
        line = self.line()
        master, slave = self.pair(line, [1])
        master.wait_event(STATUS.format(1), 'CONNECTED')
        slave.wait_event('gateway/connections', [{'connection_id': 1, 'address': 1}])
        for r in (slave, master):
            self.assertEqual(r.stop(), 0)
        self.runners.clear()
        self.assertEqual([(e.type, e.payload) for e in slave.events[-1:]], [('gateway/connections', [])])
        self.assertEqual([e.payload for e in slave.events].count([]), 2)
        self.assertEqual([(e.type, e.payload) for e in master.events[-2:]], [
            (STATUS.format(1), 'DISCONNECTED'), ('gateway/status', 'DISCONNECTED')])


class Line(Case):

    def test_one_dead_remote_of_many(self):
        """A remote device that never answers costs the others one attempt a reconnect_delay."""
        line = self.line()
        slave = self.start('iec101_slave', lib.slave101(
            line.b, [1, 2], [lib.point('SCALED', 1, 1)]))
        remotes = [lib.remote(a, reconnect_delay=1) for a in (1, 2, 3)]
        master = self.start('iec101_master', lib.master101(line.a, remotes),
                            {ENABLE.format(a): True for a in (1, 2, 3)})
        for a in (1, 2):
            master.wait_event(STATUS.format(a), 'CONNECTED')
        for i in range(20):
            slave.send('system/data/scaled/1/1', lib.scaled(i))
            start = time.monotonic()
            for a in (1, 2):
                master.wait_event(f'gateway/remote_device/{a}/data/scaled/1/1', lib.scaled(i))
            self.assertLess(time.monotonic() - start, 0.7 * lib.SLOW)

    def test_hostile_bytes(self):
        """Anything may come from the line: the runner lives and connects."""
        import random
        noise = random.Random(5)
        line = self.line()
        master = self.start('iec101_master', lib.master101(line.a, [lib.remote(1)]),
                            {ENABLE.format(1): True})
        master.wait_event('gateway/status', 'CONNECTED')
        fd = os.open(line.b, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        for _ in range(300):
            try:
                os.read(fd, 4096)
                os.write(fd, b'\xe5' + bytes(noise.choice(b'\x10\x68\xe5\x16\x08\x01\x00')
                                           for _ in range(noise.randrange(60))))
            except BlockingIOError:
                pass
            time.sleep(0.002)
        os.close(fd)
        self.start('iec101_slave', lib.slave101(line.b, [1], [lib.point('SCALED', 1, 1)]))
        at = len(master.events)
        slave = self.runners[-1]
        slave.wait(lambda: any(e.payload for e in slave.events), 20)
        slave.send('system/data/scaled/1/1', lib.scaled(3))
        master.wait_event('gateway/remote_device/1/data/scaled/1/1', lib.scaled(3), at, 20)


class Whole(unittest.TestCase):
    """A gateway with both ends of a line, in its strictest sandbox."""

    def test_gateway(self):
        import gatewayd
        gatewayd.program('gatewayd')
        line = self.enterContext(Bridge())
        module = 'hat.gateway.devices.iec101.'
        conf = {'event_server': {'built_in': {}}, 'devices': [
            {'module': module + 'master', **lib.master101(line.a, [lib.remote(1)]), 'name': 'm'},
            {'module': module + 'slave', **lib.slave101(
                line.b, [1], [lib.point('SCALED', 1, 1)]), 'name': 's'}]}
        gate = self.enterContext(gatewayd.Gateway(conf))
        gate.enable('m', 's')
        gate.wait_state(['m', 's'], 'running')
        gate.ctl('send', 'm', 'remote_device/1/enable', 'true')
        status = 'gateway/iec101_master/m/gateway/remote_device/1/'
        self.latest(gate, 'm', status + 'status', 'CONNECTED')
        gate.ctl('send', 's', 'data/scaled/1/1', json.dumps(lib.scaled(77)))
        self.latest(gate, 'm', status + 'data/scaled/1/1', lib.scaled(77))
        line.unplug()
        self.latest(gate, 'm', status + 'status', 'DISCONNECTED')
        line.plug()
        self.latest(gate, 'm', status + 'status', 'CONNECTED')
        self.assertEqual(gate.status('m')['restarts'], 0)

    def latest(self, gate, name, suffix, payload):
        def found():
            rows = [r for t, r in gate.events().items() if t.endswith(suffix)]
            return rows and rows[-1]['payload'] == payload
        gate.wait(found, f'{suffix} {payload}')


class Config(Case):

    def refused(self, device_type, conf):
        r = self.start(device_type, conf)
        self.runners.pop()
        r.wait(lambda: r.closed)
        self.assertEqual(r.stop(), 78)
        return {path: text for _, path, text in r.config_errors}

    def test_every_fault_is_named(self):
        conf = lib.master101('/dev/null', [lib.remote(255), lib.remote(3), lib.remote(3)])
        errors = self.refused('iec101_master', conf)
        # The last of two devices of one address counts: a warning, not a fault.
        self.assertEqual(set(errors), {'remote_devices[0].address', 'remote_devices[1].address'})
        conf = lib.master101('/dev/null', [{**lib.remote(1), 'response_timeout': 0}], baudrate='fast')
        del conf['silent_interval']
        errors = self.refused('iec101_master', conf)
        self.assertEqual(len(errors), 3)
        conf = lib.slave101('/dev/null', [1], [lib.point('SINGLE', 1, 1, 'nobody')] +
                            [lib.point('SINGLE', 2, 2)] * 3)
        errors = self.refused('iec101_slave', conf)
        self.assertEqual(set(errors), {'data[0].buffer', 'data[2]', 'data[3]'})
        self.assertEqual(errors['data[3]'], 'SINGLE 2 2 again: this one counts, not data[2]')
        conf = lib.master101('/dev/null', [], link_type='OTHER')
        self.assertEqual(set(self.refused('iec101_master', conf)), {'link_type'})
        self.assertEqual(len(self.refused('iec103_master', lib.master103('/dev/null', [
            lib.remote(255)]))), 1)


if __name__ == '__main__':
    unittest.main()
