"""A server of IEC 61850 that means harm, to its client: the device is the same process all the time, comes back by
itself, and devices beside it notice nothing."""

import json
import os
import sys
import threading

from datagrams import counters, neighbours, site
from fault_site import ROOT, now, wait

sys.path.append(os.path.join(ROOT, 'tests', 'system'))

import eventer  # noqa: E402  (fault_site makes it findable)
import mms  # noqa: E402
from mms import Bits, Server, Unsigned, tlv, tpkt  # noqa: E402
from test_iec61850 import attributes, bits, config  # noqa: E402

LOST = 'FAILED_DUE_TO_COMMUNICATIONS_CONSTRAINT'


class Substation:
    """A server and the gateway beside it, with neighbours."""

    def __init__(self, prepare=None, **more):
        self.server = Server(attributes())
        if prepare:
            prepare(self.server)
        times = {'connect_timeout': 0.3, 'reconnect_delay': 0.05, 'response_timeout': 0.3, 'status_delay': 0.2,
                 'status_timeout': 0.3}
        conf = config(self.server.port, connection={**times, **more.pop('connection', {})}, **more)
        try:
            self.site = site({'module': 'hat.gateway.devices.iec61850.client', **conf})
        except BaseException:
            self.server.close()
            raise
        self.begin = now()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.server.close()
        self.site.__exit__(*exc)

    def words(self, kind):
        return [v for _, d, k, v in self.site.server.words if d == 'bay' and k == kind]

    def set_up(self, times):
        """The newest association, once reports have been set up that often in all."""
        self.server.wait_write('GI', times)
        return self.server.sessions[-1]

    def ask(self, name='c1', session='1'):
        self.site.server.notify([self.site.server.event(f'gateway/iec61850_client/bay/system/command/{name}', eventer.Json(
            {'session_id': session, 'action': 'OPERATE', 'value': True, 'test': False, 'checks': [],
             'origin': {'category': 'REMOTE_CONTROL', 'identification': 'me'}}))])

    def reports(self, s, value=1.5):
        """A report passes: nothing of what was before is in its way."""
        before = len(self.words('an'))
        s.report('events', bits(10), Bits('01'), [[value], Bits('0' * 13), mms.Utc(bytes(8))])
        wait(lambda: len(self.words('an')) > before, 'the report')
        if self.words('an')[-1].get('value') != value:
            raise AssertionError(f"{self.words('an')[-1]}")

    def end(self, text):
        """It has lived through, and so have the neighbours."""
        for n in self.site.names:
            wait(lambda n=n: self.site.server.ticks[n][-1][0] > self.begin, f'{n} ticks')
        p99 = neighbours(self.site, self.begin, now())
        if counters(self.site, 'bay')[1]:
            raise AssertionError('it was restarted')
        if p99 > 500:
            raise AssertionError(f'neighbours p99 {p99:.1f} ms')
        return f'{text}; neighbours p99 {p99:.1f} ms'


def server_that_dies(quick):
    """In the middle of whatever it does, again and again, and not there for a while."""
    rounds = 3 if quick else 20
    with Substation() as b:
        for i in range(1, rounds + 1):
            s = b.set_up(i)
            b.ask(session=str(i))
            wait(lambda i=i: len(b.words('c1')) >= i, 'the command is answered')
            if i % 2:
                s.close()
            else:
                b.server.refuse()
                s.close()
                wait(lambda: b.site.word('bay', 'status', 'DISCONNECTED'), 'it is lost')
                b.server._listen('127.0.0.1', b.server.port)
        b.reports(b.set_up(rounds + 1))
        return b.end(f'{rounds} deaths')


def lies():
    """Frames whose lengths lie, in each layer, and PDUs that are none."""
    def session(p):
        return tpkt(b'\x02\xf0\x80' + p)

    def mms_pdu(p):
        return mms.data(p)
    bodies = [tpkt(b'')[:3] + b'\x03', b'\x03\x00\xff\xff' + bytes(100), b'\x04\x00\x00\x08', tpkt(b'\xff\xf0\x80'),
              tpkt(b'\x00'), session(b''), session(b'\x01\xff\xff\xff'), session(b'\x0e\x50'), session(b'\x99\x00'),
              session(b'\x01\x00\x01\x00'), session(b'\x01\x00\x01\x00\x61\x84\xff\xff\xff\xff'),
              session(b'\x01\x00\x01\x00\x61\x80' + b'\x30\x80' * 200), mms_pdu(b''), mms_pdu(b'\xa1\x02\x02\x00'),
              mms_pdu(tlv(0xA1, tlv(0x02, b'\x7f\xff\xff\xff') + tlv(0xA4))), mms_pdu(b'\xa3\x84\x7f\xff\xff\xff'),
              mms_pdu(tlv(0xA3, b'\xa0\x80' * 300)), mms_pdu(tlv(0xA8)), mms_pdu(tlv(0xA0, tlv(0x02, b'\x01') + b'\x82')),
              mms_pdu(b'\xa2' * 60), mms_pdu(tlv(0xA3, tlv(0xA0, tlv(0xA1, tlv(0x80, b'RPT')) + tlv(0xA0, b'\xa2\x80' * 900))))]
    return bodies + [mms_pdu(os.urandom(n)) for n in (1, 7, 40, 900)] + [os.urandom(n) for n in (4, 33, 2000)]


def frames_that_lie(quick):
    """Each behind an association of its own; whatever it takes it for, it goes on or begins again."""
    tried = lies() * (1 if quick else 4)
    with Substation(connection={'status_delay': 0.05, 'status_timeout': 0.1}) as b:
        for n, lie in enumerate(tried, 1):
            s = b.set_up(n)
            s.send(lie)
            s.close()
        b.reports(b.set_up(len(tried) + 1))
        return b.end(f'{len(tried)} lies')


def silence_in_each_state(quick):
    """Nothing after the connection, after its transport, to requests, to a command, to status, and half a report."""
    with Substation(prepare=lambda s: setattr(s, 'silent', 'transport')) as b:
        for n, state in enumerate(('transport', 'associate', 'requests'), 1):
            b.server.silent = state
            lost = b.words('status').count('DISCONNECTED')
            wait(lambda lost=lost: b.words('status').count('DISCONNECTED') > lost + 1, f'it gives up: {state}')
        b.server.silent = None
        b.set_up(1)
        b.server.silent = 'requests'
        b.ask()
        wait(lambda: b.words('c1'), 'the command has failed')
        if b.words('c1')[-1].get('service_error') != LOST:
            raise AssertionError(f"{b.words('c1')}")
        b.server.silent = None
        s = b.set_up(2)
        sessions = len(b.server.sessions)
        half = mms.data(tlv(0xA3, tlv(0xA0, tlv(0xA1, tlv(0x80, b'RPT')) + tlv(0xA0, mms.encode('events') * 40))))
        s.send(half[:50])
        b.server.session(sessions + 1)
        b.reports(b.set_up(3))
        return b.end('6 silences')


def storm_of_reports(quick):
    """As fast as they can be sent, of a client that has its Event Server to wait for: all arrive, in order."""
    count = 20_000 if quick else 100_000
    with Substation(connection={'status_delay': 60, 'status_timeout': 60, 'response_timeout': 60}) as b:
        s = b.set_up(1)
        body = b''.join(mms.data(tlv(0xA3, tlv(0xA0, tlv(0xA1, tlv(0x80, b'RPT')) + tlv(0xA0, b''.join(
            mms.encode(v) for v in ('events', bits(10, 1), Unsigned(n % 65536), Bits('01'),
                                    [[float(n)], Bits('0' * 13), mms.Utc(bytes(8))]))))))
            for n in range(count))
        s.sock.settimeout(120)
        sender = threading.Thread(name="sender", target=s.send, args=(body,))
        sender.start()
        wait(lambda: any(k == 'an' and v['value'] == count - 1 for _, _, k, v in b.site.server.words[-100:]),
             'each report is registered', 120)
        sender.join()
        values = [v['value'] for v in b.words('an')]
        if values != list(range(count)) or len(b.server.sessions) != 1:
            raise AssertionError(f'{len(values)} of {count}, {len(b.server.sessions)} associations')
        for n in b.site.names:
            wait(lambda n=n: b.site.server.ticks[n][-1][0] > b.begin, f'{n} ticks')
        p99 = neighbours(b.site, b.begin, now())
        c, restarts = counters(b.site, 'bay')
        if restarts or c.get('sequence_gaps') or p99 > 3000:
            raise AssertionError(f'{json.dumps(c)}, neighbours p99 {p99:.1f} ms')
        return f'{count} reports, none lost; neighbours p99 {p99:.1f} ms'


def answers_that_nobody_asked_for(quick):
    """Each answer three times, answers to other numbers, and a server that never reads: one event a command."""
    count = 10 if quick else 100

    def thrice(s, invoke, service, names, values):
        if service != mms.WRITE or not names[0].item.endswith('Oper'):
            return False
        for i in (invoke, invoke, invoke + 1000, 0x7fffffff, invoke):
            s.answer(i, 0xA5, tlv(0x81))
            s.reject(i + 7)
        return True
    with Substation(connection={'status_delay': 60}) as b:
        b.set_up(1)
        b.server.hook = thrice
        for i in range(count):
            b.ask(session=str(i))
        wait(lambda: len(b.words('c1')) >= count, 'each command is answered')
        got = [(v['session_id'], v['success']) for v in b.words('c1')]
        if got != [(str(i), True) for i in range(count)]:
            raise AssertionError(f'{got}')
        if len(b.server.sessions) != 1:
            raise AssertionError('the connection was lost')
        return b.end(f'{count} commands, one event each')


CASES = [server_that_dies, frames_that_lie, silence_in_each_state, storm_of_reports, answers_that_nobody_asked_for]
