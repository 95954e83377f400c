"""The two sides of a comparison: a device of hat-gateway in this process, and one of ours in its runner."""

import logging
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(ROOT, "tests", n) for n in ("lib", "system", "interop")]

from hat_device import Reference  # noqa: E402
from runner_host import Runner  # noqa: E402

logging.disable(logging.CRITICAL)  # the reference logs a trace for each refused request
LIBEXEC = os.path.join(ROOT, os.environ.get("BUILD", "build"), "libexec")


def theirs(family, kind, info, conf, latest=None):
    return Reference(info, conf, latest)


def ours(family, kind, info, conf, latest=None):
    return Runner(os.path.join(LIBEXEC, family), kind, conf, latest, log_level=3)


theirs.ours, ours.ours = False, True


def connected(device, connect):
    """What connect() has connected to a server that the device opens some time after it is there."""
    def tried():
        try:
            return connect()
        except ConnectionRefusedError:
            return None
    return device.wait(tried)


def seen(events):
    """What was registered, in order."""
    return [(e.type, e.payload, e.stamp) for e in events]


def by_type(events):
    """The payloads of each type, in order: of sources that are not in step with one another."""
    found = {}
    for e in events:
        found.setdefault(e.type, []).append((e.payload, e.stamp))
    return found


class Known(dict):
    """Differences that stand in the manuals, counted by their reason."""

    def __call__(self, reason, n=1):
        self[reason] = self.get(reason, 0) + n


known = Known()
