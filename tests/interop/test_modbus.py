"""Modbus master and slave against stacks that we did not write: pymodbus, hat-drivers, and libmodbus by way
of mbpoll and the simulated slave. Over TCP and pseudo-terminals, in each encoding that the peer knows."""
import asyncio
import contextlib
import os
import shutil
import socket
import struct
import subprocess
import threading
import unittest

import peers  # noqa: F401

try:
    from hat.drivers import modbus, serial, tcp
    import pymodbus
    from pymodbus import FramerType
    from pymodbus.client import ModbusSerialClient, ModbusTcpClient
    from pymodbus.datastore import (ModbusDeviceContext, ModbusSequentialDataBlock,
                                    ModbusServerContext)
    from pymodbus.server import ModbusSerialServer, ModbusTcpServer
except ImportError as e:
    raise unittest.SkipTest(f'peers are not importable: {e}')

import ports  # noqa: E402
from modbus_peer import Bridge, mbap  # noqa: E402
from runner_host import Runner  # noqa: E402
import test_modbus_master as masters  # noqa: E402
import test_modbus_slave as slaves  # noqa: E402

KINDS = ('TCP', 'RTU', 'ASCII')
FRAMERS = {'TCP': FramerType.SOCKET, 'RTU': FramerType.RTU, 'ASCII': FramerType.ASCII}
BUILD = os.environ.get('BUILD', 'build')
REMOTE = 'gateway/remote_device/'


class Loop:
    """An asyncio loop in a thread of its own, for peers that live in one."""

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        return self

    def run(self, coroutine, timeout=10):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()


class Between:
    """Stands between a master and a slave of Modbus TCP: odd(request, answer), both PDUs, says what the master gets,
    octets of the PDU or None for silence. once: it closes the connection after each answer."""

    def __init__(self, port, odd, once=False):
        self.upstream, self.odd, self.once = port, odd, once
        self.listener = ports.listen()
        self.port, self.connections = self.listener.getsockname()[1], 0
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        self.listener.close()

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                master = self.listener.accept()[0]
                self.connections += 1
                threading.Thread(target=self._serve, args=(master,), daemon=True).start()

    @staticmethod
    def _frame(stream):
        """Transaction, unit, PDU; EOFError at the end."""
        head = stream.read(7)
        if len(head) < 7:
            raise EOFError
        transaction, _, size, unit = struct.unpack('>HHHB', head)
        return transaction, unit, stream.read(size - 1)

    def _serve(self, master):
        slave = socket.create_connection(('127.0.0.1', self.upstream))
        with master, slave, master.makefile('rb') as asked, slave.makefile('rb') as answers:
            with contextlib.suppress(OSError, EOFError):
                while True:
                    transaction, unit, request = self._frame(asked)
                    slave.sendall(mbap(transaction, unit, request))
                    answer = self.odd(request, self._frame(answers)[2])
                    if answer is None:
                        continue
                    master.sendall(mbap(transaction, unit, answer))
                    if self.once:
                        return


def longer_data(request, answer):
    return bytes([answer[0], answer[1] + 2]) + answer[2:] + b'\xab\xcd' if answer[0] < 5 else answer


# What devices answer that are right, but not tidy.
ODD = {'octets behind': lambda request, answer: answer + b'\0\0',
       'the whole request of function 16': lambda request, answer: request if answer[0] == 16 else answer,
       'longer data': longer_data,
       'another value': lambda request, answer: answer[:3] + b'\x12\x34' if answer[0] == 6 else answer}


def silent(request, answer):
    """As a device that does not answer for register 2."""
    address, n = struct.unpack('>HH', request[1:5])
    return None if request[0] == 3 and address <= 2 < address + n else answer


class Case(unittest.TestCase):
    def setUp(self):
        self.loop = self.enterContext(Loop())

    def bridge(self):
        bridge = Bridge()
        self.addCleanup(bridge.stop)
        return bridge


class Master(Case):
    """Our master; the peer holds registers 0.. with values 100.., and takes writes."""

    def work(self, transport, kind, poll='HOLDING_REGISTER', wide=True):
        data = [{**masters.register(f'r{i}', i), 'data_type': poll} for i in range(4)]
        data += [masters.register('set', 8), masters.register('bits', 9, None, bit_offset=4,
                                                              bit_count=8),
                 masters.register('many', 10, None, bit_count=48),
                 {**masters.register('coils', 3, None), 'data_type': 'COIL', 'bit_count': 10}]
        conf = masters.master_conf(transport, [(1, data)], kind, request_timeout=1)
        r = Runner(masters.RUNNER, 'modbus_master', conf, {'system/remote_device/1/enable': True})
        self.addCleanup(r.stop)
        for i in range(4):
            r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': 100 + i,
                                                  'cause': 'INTERROGATE'})
        r.wait_event(REMOTE + '1/read/set', {'result': 'SUCCESS', 'value': 108,
                                             'cause': 'INTERROGATE'})
        writes = [('set', 4711), ('many', 0x112233445566), ('coils', 0b1011001110)]
        for name, value in writes + ([('bits', 0xa5)] if wide else []):
            r.send(f'system/remote_device/1/write/{name}', {'request_id': name, 'value': value})
            r.wait_event(f'{REMOTE}1/write/{name}', {'request_id': name, 'result': 'SUCCESS'})
        # On a new connection every value is said again.
        r.wait(lambda: any(e.type == REMOTE + '1/read/set' and e.payload['value'] == 4711 for e in r.events))
        r.stop()
        self.assertFalse([e for e in r.events if e.payload == 'DISCONNECTED' and
                          e.type != 'gateway/status' and 'remote' in e.type])

    def pymodbus_server(self, make):
        block = ModbusSequentialDataBlock(1, [100 + i for i in range(100)])
        context = ModbusServerContext(ModbusDeviceContext(
            hr=block, co=ModbusSequentialDataBlock(1, [0] * 100)), single=True)

        async def start():
            server = make(context)
            await server.serve_forever(background=True)
            return server
        server = self.loop.run(start())
        self.addCleanup(lambda: self.loop.run(server.shutdown()))
        return server

    def test_pymodbus_tcp(self):
        for kind in KINDS:
            with self.subTest(kind):
                port = slaves.free_port()
                self.pymodbus_server(lambda c: ModbusTcpServer(
                    c, framer=FRAMERS[kind], address=('127.0.0.1', port)))
                self.work(port, kind)

    def test_pymodbus_serial(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                b = self.bridge()
                self.pymodbus_server(lambda c: ModbusSerialServer(
                    c, framer=FRAMERS[kind], port=b.paths[1], baudrate=115200))
                self.work(masters.tty_conf(b.paths[0]), kind)

    def hat_slave(self, make):
        regs, coils = {i: 100 + i for i in range(100)}, {}

        async def on_request(_, req):
            if isinstance(req, modbus.ReadReq):
                return [regs.get(req.start_address + i, 0) for i in range(req.quantity)]
            if isinstance(req, modbus.WriteReq):
                into = coils if req.data_type == modbus.DataType.COIL else regs
                into.update({req.start_address + i: v for i, v in enumerate(req.values)})
            if isinstance(req, modbus.WriteMaskReq):
                regs[req.address] = modbus.apply_mask(regs[req.address], req.and_mask,
                                                      req.or_mask)
            return modbus.Success()
        resource = self.loop.run(make(on_request))
        self.addCleanup(lambda: self.loop.run(resource.async_close()))
        return regs

    def test_hat_drivers_tcp(self):
        for kind in KINDS:
            with self.subTest(kind):
                port = slaves.free_port()
                regs = self.hat_slave(lambda cb: modbus.create_tcp_server(
                    modbus.ModbusType[kind], tcp.Address('127.0.0.1', port), request_cb=cb))
                self.work(port, kind)
                self.assertEqual((109 & 0xf00f) | 0xa5 << 4, regs[9])

    def odd_answers(self, port):
        """port(): of a slave with fresh registers."""
        for name, odd in ODD.items():
            with self.subTest(name):
                between = Between(port(), odd)
                self.addCleanup(between.close)
                self.work(between.port, 'TCP')
                self.assertEqual(between.connections, 1)
        with self.subTest('closes after each answer'):
            between = Between(port(), lambda request, answer: answer, True)
            self.addCleanup(between.close)
            self.work(between.port, 'TCP')
            self.assertGreater(between.connections, 5)
        with self.subTest('silence for one register'):
            between = Between(port(), silent)
            self.addCleanup(between.close)
            conf = masters.master_conf(between.port, [(1, [masters.register(f'r{i}', i) for i in range(4)])],
                                       request_timeout=0.5)
            r = Runner(masters.RUNNER, 'modbus_master', conf, {'system/remote_device/1/enable': True})
            self.addCleanup(r.stop)
            for i in (0, 1, 3):
                r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': 100 + i, 'cause': 'INTERROGATE'})
            r.wait_event(f'{REMOTE}1/read/r2', {'result': 'TIMEOUT'})
            # It is asked for in parts after it was down twice.
            self.assertLessEqual(len([e for e in r.events if e.payload == 'DISCONNECTED']), 4)

    def test_odd_answers_of_pymodbus(self):
        def port():
            port = slaves.free_port()
            self.pymodbus_server(lambda c: ModbusTcpServer(c, framer=FramerType.SOCKET, address=('127.0.0.1', port)))
            return port
        self.odd_answers(port)

    def test_odd_answers_of_hat_drivers(self):
        def port():
            port = slaves.free_port()
            self.hat_slave(lambda cb: modbus.create_tcp_server(
                modbus.ModbusType.TCP, tcp.Address('127.0.0.1', port), request_cb=cb))
            return port
        self.odd_answers(port)

    def test_hat_drivers_serial(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                b = self.bridge()
                self.hat_slave(lambda cb: modbus.create_serial_slave(
                    modbus.ModbusType[kind], b.paths[1], request_cb=cb, baudrate=115200))
                self.work(masters.tty_conf(b.paths[0]), kind)

    def test_libmodbus(self):
        sim = subprocess.Popen([f'{BUILD}/tests/lib/modbus-sim', '--period', '0', '--registers',
                                '100'], stdout=subprocess.PIPE, text=True)
        self.addCleanup(sim.stdout.close)
        self.addCleanup(sim.wait)
        self.addCleanup(sim.terminate)
        port = int(sim.stdout.readline())
        data = [masters.register(f'r{i}', 60 + i) for i in range(4)]
        conf = masters.master_conf(port, [(1, data)])
        r = Runner(masters.RUNNER, 'modbus_master', conf, {'system/remote_device/1/enable': True})
        self.addCleanup(r.stop)
        for i in range(4):
            r.wait_event(f'{REMOTE}1/read/r{i}')
            r.send(f'system/remote_device/1/write/r{i}', {'request_id': 'x', 'value': 7 * i + 1})
            r.wait_event(f'{REMOTE}1/read/r{i}', {'result': 'SUCCESS', 'value': 7 * i + 1,
                                                  'cause': 'CHANGE'})


class Slave(Case):
    """Our slave, with a at holding register 10; writes are answered with success."""

    def start(self, conf):
        r = Runner(slaves.RUNNER, 'modbus_slave', conf, {'system/data/a': {'value': 0x1234}})
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready and r.opens)
        stop = threading.Event()
        self.addCleanup(stop.set)

        def answer():
            seen = 0
            while not stop.wait(0.005):
                for e in r.events[seen:]:
                    seen += 1
                    if e.type == 'gateway/write':
                        for d in e.payload['data']:
                            r.send(f'system/data/{d["name"]}', {'value': d['value']})
                        r.send('system/write', {'request_id': e.payload['request_id'],
                                                'success': True})
        threading.Thread(target=answer, daemon=True).start()
        return r

    def serial_conf(self, kind, path):
        conf = slaves.tcp_conf(kind)
        conf['transport'] = {**masters.tty_conf(path), 'response_timeout': 1,
                             'keep_alive_timeout': 10}
        return conf

    def with_pymodbus(self, client):
        with contextlib.closing(client):
            self.assertTrue(client.connect())
            self.assertEqual(client.read_holding_registers(10, count=1).registers, [0x1234])
            self.assertEqual(client.read_holding_registers(99, count=1).exception_code, 2)
            self.assertFalse(client.write_register(10, 77).isError())
            self.assertEqual(client.read_holding_registers(10, count=1).registers, [77])
            self.assertFalse(client.write_registers(10, [1, 0x22, 0x3344]).isError())
            self.assertEqual(client.read_holding_registers(10, count=3).registers,
                             [1, 0x22, 0x3344])
            self.assertFalse(client.write_coils(5, [True, False, True]).isError())
            self.assertEqual(client.read_coils(5, count=3).bits[:3], [True, False, True])
            self.assertFalse(client.mask_write_register(address=20, and_mask=0x0fff,
                                                        or_mask=0x9000).isError())
            self.assertEqual(client.read_holding_registers(20, count=1).registers, [0x9000])
            self.assertEqual(client.read_input_registers(7, count=1).registers, [0])
            self.assertEqual(client.read_discrete_inputs(9, count=1).bits[:1], [False])

    def test_pymodbus_tcp(self):
        for kind in KINDS:
            with self.subTest(kind):
                conf = slaves.tcp_conf(kind)
                self.start(conf)
                self.with_pymodbus(ModbusTcpClient(
                    '127.0.0.1', port=conf['transport']['local_port'], framer=FRAMERS[kind]))

    def test_pymodbus_serial(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                b = self.bridge()
                self.start(self.serial_conf(kind, b.paths[0]))
                self.with_pymodbus(ModbusSerialClient(b.paths[1], framer=FRAMERS[kind],
                                                      baudrate=115200))

    async def with_hat(self, create):
        master = await create
        try:
            kind = modbus.DataType.HOLDING_REGISTER
            self.assertEqual(list(await master.send(modbus.ReadReq(1, kind, 10, 1))), [0x1234])
            self.assertEqual(await master.send(modbus.ReadReq(1, kind, 99, 1)),
                             modbus.Error.INVALID_DATA_ADDRESS)
            self.assertEqual(await master.send(modbus.WriteReq(1, kind, 10, [1, 2, 0x300])),
                             modbus.Success())
            self.assertEqual(list(await master.send(modbus.ReadReq(1, kind, 10, 3))),
                             [1, 2, 0x300])
            self.assertEqual(await master.send(modbus.WriteMaskReq(1, 20, 0x0fff, 0x5000)),
                             modbus.Success())
            self.assertEqual(list(await master.send(modbus.ReadReq(1, kind, 20, 1))), [0x5000])
        finally:
            await master.async_close()

    def test_hat_drivers_tcp(self):
        for kind in KINDS:
            with self.subTest(kind):
                conf = slaves.tcp_conf(kind)
                self.start(conf)
                address = tcp.Address('127.0.0.1', conf['transport']['local_port'])
                self.loop.run(self.with_hat(modbus.create_tcp_master(
                    modbus.ModbusType[kind], address, response_timeout=2)))

    def test_hat_drivers_serial(self):
        for kind in ('RTU', 'ASCII'):
            with self.subTest(kind):
                b = self.bridge()
                self.start(self.serial_conf(kind, b.paths[0]))
                self.loop.run(self.with_hat(modbus.create_serial_master(
                    modbus.ModbusType[kind], b.paths[1], baudrate=115200, response_timeout=2)))

    def mbpoll(self, *args):
        if not shutil.which('mbpoll'):
            self.skipTest('mbpoll is not installed')
        p = subprocess.run(['mbpoll', '-0', '-1', '-q', *args], capture_output=True, text=True,
                           timeout=10)
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        return p.stdout

    def test_mbpoll(self):
        conf = slaves.tcp_conf()
        self.start(conf)
        tcp_args = ['-m', 'tcp', '-p', str(conf['transport']['local_port'])]
        b = self.bridge()
        self.start(self.serial_conf('RTU', b.paths[0]))
        rtu_args = ['-m', 'rtu', '-b', '115200', '-P', 'even']
        for args, where in ((tcp_args, '127.0.0.1'), (rtu_args, b.paths[1])):
            with self.subTest(where):
                self.assertIn('4660', self.mbpoll(*args, '-a', '1', '-r', '10', where))
                self.mbpoll(*args, '-a', '1', '-r', '10', where, '321')
                self.assertIn('321', self.mbpoll(*args, '-a', '1', '-r', '10', where))


if __name__ == '__main__':
    unittest.main()
