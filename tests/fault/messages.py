"""A message centre that means harm, to the SMPP client: no message is lost without a word, none is sent twice, the
device is the same process all the time, and devices beside it notice nothing."""

import os
import struct

from datagrams import counters, neighbours, said, site
from fault_site import now, wait

import eventer  # noqa: E402  (fault_site makes it findable)
from smsc import BIND, DELIVER, ENQUIRE, NACK, RESPONSE, SUBMIT, Smsc, pdu  # noqa: E402

SHORT = b'\0\0\0' + b'49\0' + b'\0\0' + b'1\0' + bytes(10)  # the body of a deliver_sm


def client(port, **more):
    return {'name': 'sms', 'module': 'hat.gateway.devices.smpp.client',
            'remote_address': {'host': '127.0.0.1', 'port': port}, 'ssl': False, 'system_id': 's', 'password': 'p',
            'enquire_link_delay': 0.2, 'enquire_link_timeout': 0.2, 'connect_timeout': 0.3, 'reconnect_delay': 0.05,
            'short_message': True, 'priority': 'URGENT', 'data_coding': 'DEFAULT', 'message_encoding': 'ascii',
            'message_timeout': 20, **more}


class Centre:
    """A message centre and the gateway beside it, with neighbours."""

    def __init__(self, **more):
        self.smsc = Smsc()
        try:
            self.site = site(client(self.smsc.port, **more))
        except BaseException:
            self.smsc.close()
            raise
        self.begin = now()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.smsc.close()
        self.site.__exit__(*exc)

    def wait_ticks(self):
        """Neighbours have ticked since the beginning: there is something to look at."""
        for n in self.site.names:
            wait(lambda n=n: self.site.server.ticks[n][-1][0] > self.begin, f'{n} ticks')

    def ask(self, text):
        self.site.server.notify([self.site.server.event('gateway/smpp_client/sms/system/message', eventer.Json(
            {'address': '1', 'message': text}))])

    def end(self, text):
        """It has lived through, and so have the neighbours."""
        self.wait_ticks()
        p99 = neighbours(self.site, self.begin, now())
        if counters(self.site, 'sms')[1]:
            raise AssertionError('it was restarted')
        if p99 > 500:
            raise AssertionError(f'neighbours p99 {p99:.1f} ms')
        return f'{text}; neighbours p99 {p99:.1f} ms'

    def delivers(self, s, text='still'):
        """A message passes: nothing of what was before is in its way."""
        results = len(self.results())
        self.ask(text)
        while True:
            p = s.take()
            if p is None:
                raise AssertionError('the connection ended')
            if p.command == ENQUIRE:
                s.say(ENQUIRE | RESPONSE, 0, p.sequence)
            if p.command == SUBMIT:
                break
        s.say(SUBMIT | RESPONSE, 0, p.sequence, b'1\0')
        wait(lambda: len(self.results()) > results, 'the result')
        if not self.results()[-1].get('success'):
            raise AssertionError(f'{self.results()[-1]}')

    def results(self):
        return [v for _, d, kind, v in self.site.server.words if d == 'sms' and kind == 'message']


def lengths_that_lie(quick):
    lies = [struct.pack('>I', n) + b'\0\0\0\x15' + bytes(8) for n in (0, 1, 15, 0x10001, 0x7fffffff, 0xffffffff)]
    lies += [pdu(DELIVER, 0, 9, b'\0\0\0' + b'4' * 70), pdu(DELIVER, 0, 9, SHORT[:-1] + b'\xff'),
             pdu(BIND | RESPONSE, 0, 1, b'x' * 60000), pdu(SUBMIT | RESPONSE, 0, 1, b'no end'), os.urandom(400)]
    with Centre() as c:
        for lie in lies * (1 if quick else 5):
            s = c.smsc.bound()
            s.raw(lie)
            s.close()
        s = c.smsc.bound()
        c.delivers(s)
        return c.end(f'{len(lies)} kinds')


def sequence_numbers_used_again(quick):
    """Each answer many times, and answers to what was never asked: one result a message."""
    count = 20 if quick else 200
    with Centre(enquire_link_delay=None) as c:
        s = c.smsc.bound()
        for i in range(count):
            c.ask(f'm{i}')
            m = s.take_message()
            if m.text.decode() != f'm{i}':
                raise AssertionError(f'{m.text} is sent in place of m{i}')
            for sequence in (m.sequence, m.sequence, m.sequence - 1, m.sequence + 1, 0, 0xffffffff, m.sequence):
                s.say(SUBMIT | RESPONSE, 0, sequence & 0xffffffff, b'1\0')
                s.say(NACK, 3, (sequence - 5) & 0xffffffff)
            wait(lambda i=i: len(c.results()) > i, 'the result')
        if len(c.results()) != count:
            raise AssertionError(f'{len(c.results())} results of {count} messages')
        return c.end(f'{count} messages, one result each')


def flood_of_deliver_sm(quick):
    """More than anybody sends, and each is answered; then one that never reads the answers."""
    rounds = 20 if quick else 200
    with Centre(enquire_link_delay=None) as c:
        s = c.smsc.bound()
        for _ in range(rounds):
            s.raw(pdu(DELIVER, 0, 8, SHORT) * 1000)
            for _ in range(1000):
                if s.take().command != DELIVER | RESPONSE:
                    raise AssertionError('no answer')
        c.delivers(s)
        s.sock.settimeout(2)
        try:
            while True:
                s.raw(pdu(DELIVER, 0, 8, SHORT) * 1000)
        except (TimeoutError, OSError):
            pass
        s.close()
        s = c.smsc.bound()
        c.delivers(s)
        return c.end(f'{rounds},000 answered, and one that never reads is left')


def bind_refused_for_ever(quick):
    """The delay is kept, and messages wait and are told when their time is over."""
    seconds = 2 if quick else 8
    with Centre(message_timeout=1, reconnect_delay=0.1) as c:
        c.ask('waits')
        attempts, end = 0, now() + seconds
        while now() < end:
            s = c.smsc.session()
            s.bind(0x0e)
            s.close()
            attempts += 1
        if attempts > seconds / 0.1 + 2:
            raise AssertionError(f'{attempts} attempts in {seconds} s')
        wait(lambda: c.results(), 'the message is told to be lost')
        if c.results()[0].get('success'):
            raise AssertionError('sent?')
        c.delivers(c.smsc.bound())
        return c.end(f'{attempts} attempts in {seconds} s')


def silence_in_each_state(quick):
    """Nothing after the connection, after the bind, after enquire_link, after submit_sm, in the middle of a PDU."""
    with Centre() as c:
        s = c.smsc.session()  # says nothing: the time-out of the connection ends it
        if s.take() is None or s.take() is not None:
            raise AssertionError('before the bind')
        s = c.smsc.session()
        s.raw(pdu(BIND | RESPONSE, 0, 1, b'x\0')[:10])
        while s.take() is not None:
            pass
        s = c.smsc.bound()  # enquire_link is not answered
        while s.take() is not None:
            pass
        s = c.smsc.bound()
        c.ask('unanswered')
        while s.take() is not None:
            pass
        wait(lambda: c.results(), 'the message in flight is told')
        if len(c.results()) != 1 or c.results()[0].get('success'):
            raise AssertionError(f'{c.results()}')
        s = c.smsc.bound()
        c.delivers(s)
        return c.end(f"5 silences, {said(c.site, 'sms').count('DISCONNECTED')} times lost")


CASES = [lengths_that_lie, sequence_numbers_used_again, flood_of_deliver_sm, bind_refused_for_ever,
         silence_in_each_state]
