"""A device of hat-gateway in this process, with the manners of runner_host.Runner. Needs the interpreter of
build/venv; imported before this folder is in sys.path, whose hat.py would be another hat."""

import asyncio
import threading
import time
import unittest

import hat.event.common as event
from hat import aio

from patience import WAIT_S
from runner_host import Event, Runner

PREFIX = ("gateway", "type", "dev")


class EventerClient(aio.Resource):
    """What a device of hat-gateway needs of the Event Server."""

    def __init__(self, latest, events):
        self._async_group = aio.Group()
        self._latest, self._events = latest, events

    @property
    def async_group(self):
        return self._async_group

    async def register(self, events, with_response=False):
        for e in events:
            t = e.source_timestamp
            self._events.append(Event("/".join(e.type[3:]), e.payload.data, time.monotonic(), t and (t.s, t.us)))

    async def query(self, params):
        return event.QueryResult([make_event(t, p) for t, p in self._latest.items()], False)


def make_event(suffix, payload, stamp=None):
    return event.Event(event.EventId(1, 1, 1), (*PREFIX, *suffix.split("/")), event.now(),
                       stamp and event.Timestamp(*stamp), event.EventPayloadJson(payload))


class Reference:
    """info: of the device's module; latest: as of Runner."""

    def __init__(self, info, conf, latest=None):
        self.events = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

        async def create():
            return await aio.call(info.create, conf, EventerClient(latest or {}, self.events), PREFIX)
        self._device = self._run(create())

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    def send(self, suffix, payload, stamp=None):
        self._run(aio.call(self._device.process_event, make_event(suffix, payload, stamp)))

    def wait(self, what, timeout=WAIT_S):
        deadline = time.monotonic() + timeout
        while not (value := what()):
            assert time.monotonic() < deadline, self.events[-10:]
            time.sleep(0.005)
        return value

    wait_event = Runner.wait_event

    def stop(self):
        self._run(self._device.async_close())
        self._loop.call_soon_threadsafe(self._loop.stop)


class LoopCase(unittest.TestCase):
    def loop(self):
        """A loop of asyncio in a thread, until the test ends. Returns what runs a coroutine in it."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()

        def end():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
        self.addCleanup(end)
        return lambda c: asyncio.run_coroutine_threadsafe(c, loop).result(60)
