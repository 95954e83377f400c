"""Runs scenarios with one seed after another until the time is over, and says where the two sides differ."""

import concurrent.futures
import contextlib
import importlib
import io
import multiprocessing
import os
import random
import sys
import time
import traceback

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
import sides  # noqa: E402, F401  (finds tests/lib)

MODULES = ("same_yaml", "same_modbus", "same_iec", "same_snmp", "same_ping", "same_smpp", "same_iec61850")
SHOWN = 10  # differences that are printed whole


def scenarios():
    found = {}
    for name in MODULES:
        found.update(importlib.import_module(name).SCENARIOS)
    wanted = os.environ.get("SAME", "").split()
    return {n: s for n, s in found.items() if not wanted or n in wanted}


def differences(theirs, ours):
    """Lines of what only one side has."""
    if theirs == ours:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return [f"{k}: {line}" for k in sorted({*theirs, *ours}, key=str)
                for line in differences(theirs.get(k), ours.get(k))]
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) == len(ours) and all(isinstance(x, (list, dict)) for x in (*theirs, *ours)):
            return [f"{i}: {line}" for i, (a, b) in enumerate(zip(theirs, ours)) for line in differences(a, b)]
        n = next((i for i, (a, b) in enumerate(zip(theirs, ours)) if a != b), min(len(theirs), len(ours)))
        return [f"at {n} of {len(theirs)} and {len(ours)}:", *(
            f"  {side} {x!r:.600}" for side, values in (("theirs", theirs), ("ours  ", ours)) for x in values[n:n + 3])]
    return [f"theirs {theirs!r:.600}", f"ours   {ours!r:.600}"]


def play(name, seed):
    """Differences of one run, as text; what was known; how much was compared."""
    from sides import known, ours, theirs
    scenario = scenarios()[name]
    known.clear()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            a = scenario(random.Random(f"{name} {seed}"), theirs)
            b = scenario(random.Random(f"{name} {seed}"), ours)
        lines = differences(a, b)
        count = sum(len(v) if hasattr(v, "__len__") else 1 for v in a.values())
    except Exception:
        lines, count = traceback.format_exc().splitlines(), 0
    if lines:
        lines += said.getvalue().splitlines()[-8:]
    return name, seed, lines, dict(known), count


def main():
    seconds, seed = float(os.environ.get("SECONDS", "60")), int(os.environ.get("SEED", time.time_ns() % 10**6))
    names, end = list(scenarios()), time.monotonic() + seconds
    passed = failed = compared = 0
    reasons, times, pending = {}, {}, set()
    print(f"same: seed {seed}, {seconds:.0f} s: {', '.join(names)}", flush=True)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(int(os.environ.get("JOBS", "4")), context) as pool:
        while time.monotonic() < end or pending:
            while len(pending) < 8 and time.monotonic() < end:
                turn = sum(times.values())
                name = names[turn % len(names)]
                times[name] = times.get(name, 0) + 1
                pending.add(pool.submit(play, name, seed + turn // len(names)))
            done, pending = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_COMPLETED)
            for name, at, lines, known, count in (f.result() for f in done):
                compared += count
                for reason, n in known.items():
                    reasons[reason] = reasons.get(reason, 0) + n
                passed, failed = passed + (not lines), failed + bool(lines)
                if lines:
                    print(f"FAIL SAME={name} SEED={at}", *(lines if failed <= SHOWN else lines[:6]), sep="\n    ", flush=True)
    print("same: runs:", ", ".join(f"{n} {c}" for n, c in times.items()))
    for reason, n in sorted(reasons.items()):
        print(f"same: known, {n} times: {reason}")
    print(f"same: {compared} events, octets and documents compared")
    print(f"same: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
