"""Vectors that the reference implementation makes anew, in every form that their format has: each must pass, and each
must fail once it is wrong."""

import collections
import enum
import json
import os
import random
import re
import struct
import subprocess
import tempfile
import unittest

from gatewayd import program

try:
    from hat import sbs
    from hat.drivers import chatter
    from hat.drivers.iec60870.encodings import iec101, iec103
    from hat.drivers.iec101 import encoder as msgs101
    from hat.drivers.iec104 import encoder as msgs104
    from hat.monitor.observer import common as observer
except ImportError:
    sbs = None

SEED = int(os.environ.get("SEED", "14"))
EACH = int(os.environ.get("VECTORS_EACH", "12"))


def plain(value):
    """As the format says."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$hex": bytes(value).hex()}
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return {"$float": str(value)}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 53:
        return {"$int": str(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"_type": type(value).__name__, **{k: plain(v) for k, v in value._asdict().items()}}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def choice(name, value):
    return {"$choice": name, "value": value}


# chatter.json, observer.json


def message(name, kind, data, first=True, owner=True, last=True, number=7, body=None):
    value = {"id": number, "first": number if first else number - 2, "owner": owner, "token": True, "last": last,
             "data": {"type": kind, "data": data}}
    text = chatter._sbs_repo.encode("HatChatter.Msg", value)
    size = len(text).to_bytes(max(1, (len(text).bit_length() + 7) // 8), "big")
    msg = {k: v for k, v in value.items() if k != "data"}
    return {"name": name, "direction": "c->s", "frame_hex": (bytes([len(size)]) + size + text).hex(), "msg": msg,
            "type": kind, "data_hex": bytes(data).hex(), "sbs": body, "value": body}


def chatter_file():
    vectors = []
    for number in (1, 7, 63, 64, 1 << 40):
        vectors += [message("ping", "HatChatter.Ping", b"", last=False, number=number),
                    message("pong", "HatChatter.Pong", b"", first=False, owner=False, number=number + 3)]
    for v in vectors[4:]:
        del v["sbs"], v["value"]
    short = dict(vectors[0], name="short", error="IndexError")
    short["frame_hex"] = short["frame_hex"][:-2]
    return {"vectors": vectors + [short]}


def observer_file():
    component = {"cid": 1, "mid": 2, "name": ("value", "n"), "group": ("none", None), "data": "null", "rank": 3,
                 "blessingReq": {"token": ("value", 9), "timestamp": ("value", 1.5)},
                 "blessingRes": {"token": ("none", None), "ready": True}}
    data = observer.sbs_repo.encode("HatObserver.MsgMaster", {"mid": 5, "components": [component]})
    return {"vectors": [message("master", "HatObserver.MsgMaster", data, body={"mid": 5, "components": []})]}


# sbs.json


def sbs_file():
    repo = sbs.Repository("module Test\nTOptOpt = Optional(Optional(Integer))\n"
                          "TMap = Array(Record { k: String  v: Float })\n")
    opt = [(choice("none", None), ("none", None)),
           (choice("value", choice("none", None)), ("value", ("none", None)))]
    opt += [(choice("value", choice("value", n)), ("value", ("value", n))) for n in (0, -1, 64, 1 << 40)]
    maps = [[], [("", 0.0)], [("k", -1.5), ("ž", 1e300), ("k", 2.0)], [(str(n), n / 3) for n in range(300)]]
    vectors = [{"type": "TOptOpt", "value": v, "hex": bytes(repo.encode("Test.TOptOpt", raw)).hex()}
               for v, raw in opt]
    for m in maps:
        value = [{"k": k, "v": v} for k, v in m]
        vectors.append({"type": "TMap", "value": value, "hex": bytes(repo.encode("Test.TMap", value)).hex()})
    malformed = [{"type": "TOptOpt", "hex": "8182", "why": "inner index out of range", "py": {"error": "IndexError"}},
                 {"type": "TMap", "hex": "82", "why": "declared 2, have 0", "py": {"error": "IndexError"}},
                 {"type": "TOptOpt", "hex": "80", "why": "none", "py": {"value": choice("none", None)}}]
    return {"vectors": vectors, "malformed": malformed}


# iec103.json


def octets(rng, n):
    return bytes(rng.randrange(256) for _ in range(n))


def u16(rng):
    return rng.choice((0, 1, 255, 256, 32768, 65535, rng.randrange(65536)))


def time_103(rng, seven):
    return iec103.Time(
        size=iec103.TimeSize.SEVEN if seven else iec103.TimeSize.FOUR, milliseconds=rng.randrange(60000),
        invalid=rng.random() < .5, substituted=rng.random() < .5, minutes=rng.randrange(60),
        summer_time=rng.random() < .5, hours=rng.randrange(24), day_of_week=rng.randrange(8) if seven else None,
        day_of_month=rng.randrange(1, 32) if seven else None, months=rng.randrange(1, 13) if seven else None,
        years=rng.randrange(100) if seven else None)


def fixed(rng, bits):
    return rng.randrange(-(1 << bits - 1), 1 << bits - 1) / (1 << bits - 1)


def real32(rng):
    return struct.unpack("<f", struct.pack("<f", rng.uniform(-1e6, 1e6)))[0]


GENERIC = {
    "NONE": lambda r: iec103.NoneValue(),
    "TEXT": lambda r: iec103.TextValue(octets(r, 5)),
    "BITSTRING": lambda r: iec103.BitstringValue([r.random() < .5 for _ in range(11)]),
    "UINT": lambda r: iec103.UIntValue(r.choice((0, 1, 255, 256, 70000, 1 << 62))),
    "INT": lambda r: iec103.IntValue(r.choice((0, 1, -1, 127, 128, -128, -129, -70000, 1 << 40))),
    "UFIXED": lambda r: iec103.UFixedValue(r.randrange(1 << 16) / (1 << 16)),
    "FIXED": lambda r: iec103.FixedValue(fixed(r, 16)),
    "REAL32": lambda r: iec103.Real32Value(real32(r)),
    "REAL64": lambda r: iec103.Real64Value(r.uniform(-1e9, 1e9)),
    "DOUBLE": lambda r: r.choice(list(iec103.DoubleValue)),
    "SINGLE": lambda r: r.choice(list(iec103.SingleValue)),
    "EXTENDED_DOUBLE": lambda r: r.choice(list(iec103.ExtendedDoubleValue)),
    "MEASURAND": lambda r: iec103.MeasurandValue(r.random() < .5, r.random() < .5, fixed(r, 13)),
    "TIME": lambda r: iec103.TimeValue(time_103(r, True)),
    "IDENTIFICATION": lambda r: iec103.IdentificationValue(iec103.Identification(*octets(r, 2))),
    "RELATIVE_TIME": lambda r: iec103.RelativeTimeValue(u16(r)),
    "IO_ADDRESS": lambda r: iec103.IoAddressValue(iec103.IoAddress(*octets(r, 2))),
    "DOUBLE_WITH_TIME": lambda r: double_with_time(r),
    "DOUBLE_WITH_RELATIVE_TIME": lambda r: double_with_relative(r),
    "MEASURAND_WITH_RELATIVE_TIME": lambda r: measurand_with_relative(r),
    "TEXT_NUMBER": lambda r: iec103.TextNumberValue(r.choice((0, 9, 300))),
    "INDEX": lambda r: iec103.IndexValue(r.choice((0, 9, 300))),
    "ARRAY": lambda r: generic(r, r.choice(("UINT", "REAL32", "BITSTRING", "MEASURAND")), 2),
}
# The reference cannot write it (it repeats -11 zeros, and reads one octet).
GENERIC["REPLY"] = lambda r: r.choice(list(iec103.ReplyValue))


def double_with_time(r):
    return iec103.DoubleWithTimeValue(r.choice(list(iec103.DoubleValue)), time_103(r, False), r.randrange(256))


def double_with_relative(r):
    return iec103.DoubleWithRelativeTimeValue(r.choice(list(iec103.DoubleValue)), u16(r), u16(r),
                                              time_103(r, False), r.randrange(256))


def measurand_with_relative(r):
    return iec103.MeasurandWithRelativeTimeValue(real32(r), u16(r), u16(r), time_103(r, False))


def generic(r, kind, most=3):
    """An array that its octets give back: of values of one size."""
    values = [GENERIC[kind](r) for _ in range(r.randrange(1, most + 1))]
    if kind in ("ARRAY",):
        values = values[:1]
    return iec103.ArrayValue(iec103.ValueType[kind], r.random() < .5, values)


def descriptive(r, kind):
    return iec103.DescriptiveData(r.choice(list(iec103.Description)), generic(r, kind))


def order(kind, r):
    return kind(r.choice(list(iec103.OrderType)), u16(r), r.choice(list(iec103.Channel)))


def elements(r):
    """Name of the type, its element, for every type."""
    e = iec103
    flag = r.random() < .5
    yield "TIME_TAGGED_MESSAGE", e.IoElement_TIME_TAGGED_MESSAGE(double_with_time(r))
    yield ("TIME_TAGGED_MESSAGE_WITH_RELATIVE_TIME",
           e.IoElement_TIME_TAGGED_MESSAGE_WITH_RELATIVE_TIME(double_with_relative(r)))
    yield "MEASURANDS_1", e.IoElement_MEASURANDS_1(GENERIC["MEASURAND"](r))
    yield ("TIME_TAGGED_MEASURANDS_WITH_RELATIVE_TIME",
           e.IoElement_TIME_TAGGED_MEASURANDS_WITH_RELATIVE_TIME(measurand_with_relative(r)))
    yield "IDENTIFICATION", e.IoElement_IDENTIFICATION(r.randrange(256), octets(r, 8), octets(r, 4))
    yield "TIME_SYNCHRONIZATION", e.IoElement_TIME_SYNCHRONIZATION(time_103(r, True))
    yield "GENERAL_INTERROGATION", e.IoElement_GENERAL_INTERROGATION(r.randrange(256))
    yield "GENERAL_INTERROGATION_TERMINATION", e.IoElement_GENERAL_INTERROGATION_TERMINATION(r.randrange(256))
    yield "MEASURANDS_2", e.IoElement_MEASURANDS_2(GENERIC["MEASURAND"](r))
    for kind in GENERIC:
        identified = [(e.Identification(*octets(r, 2)), descriptive(r, kind)) for _ in range(r.randrange(1, 3))]
        yield "GENERIC_DATA", e.IoElement_GENERIC_DATA(r.randrange(256), flag, not flag, identified)
        yield "GENERIC_IDENTIFICATION", e.IoElement_GENERIC_IDENTIFICATION(
            r.randrange(256), e.Identification(*octets(r, 2)), flag, not flag, [d for _, d in identified])
    yield "GENERAL_COMMAND", e.IoElement_GENERAL_COMMAND(r.choice(list(e.DoubleValue)), r.randrange(256))
    yield "GENERIC_COMMAND", e.IoElement_GENERIC_COMMAND(
        r.randrange(256), [(e.Identification(*octets(r, 2)), d) for d in e.Description])
    yield "LIST_OF_RECORDED_DISTURBANCES", e.IoElement_LIST_OF_RECORDED_DISTURBANCES(
        u16(r), flag, not flag, flag, r.random() < .5, time_103(r, True))
    for name in ("ORDER_FOR_DISTURBANCE_DATA_TRANSMISSION", "ACKNOWLEDGEMENT_FOR_DISTURBANCE_DATA_TRANSMISSION",
                 "END_OF_TRANSMISSION"):
        yield name, order(getattr(e, f"IoElement_{name}"), r)
    yield "READY_FOR_TRANSMISSION_OF_DISTURBANCE_DATA", e.IoElement_READY_FOR_TRANSMISSION_OF_DISTURBANCE_DATA(
        u16(r), u16(r), r.randrange(256), u16(r), u16(r), time_103(r, False))
    yield "READY_FOR_TRANSMISSION_OF_A_CHANNEL", e.IoElement_READY_FOR_TRANSMISSION_OF_A_CHANNEL(
        u16(r), r.choice(list(e.Channel)), *(e.Real32Value(real32(r)) for _ in range(3)))
    yield "READY_FOR_TRANSMISSION_OF_TAGS", e.IoElement_READY_FOR_TRANSMISSION_OF_TAGS(u16(r))
    yield "TRANSMISSION_OF_TAGS", e.IoElement_TRANSMISSION_OF_TAGS(
        u16(r), u16(r), [(e.IoAddress(*octets(r, 2)), r.choice(list(e.DoubleValue))) for _ in range(4)])
    yield "TRANSMISSION_OF_DISTURBANCE_VALUES", e.IoElement_TRANSMISSION_OF_DISTURBANCE_VALUES(
        u16(r), r.choice(list(e.Channel)), u16(r), [fixed(r, 16) for _ in range(r.randrange(1, 25))])


def iec103_file():
    rng = random.Random(SEED)
    encoder = iec103.encoder.Encoder()
    vectors = []
    for n in range(EACH):
        for kind, element in elements(rng):
            asdu = iec103.ASDU(iec103.AsduType[kind], rng.choice([*iec103.Cause, 99, 255]), rng.randrange(256),
                               [iec103.IO(iec103.IoAddress(*octets(rng, 2)), [element])])
            try:
                data = bytes(encoder.encode_asdu(asdu))
            except (ValueError, OverflowError):  # what it says and cannot write
                continue
            if len(data) > 253:
                continue
            try:
                asdu, rest = encoder.decode_asdu(data)
            except (ValueError, IndexError):
                continue
            if not rest:
                vectors.append({"name": f"{kind} {n}", "asdu_hex": data.hex(), "type_id": asdu.type.value,
                                "asdu": plain(asdu)})
    for bits in (4, 0x80, 0xfc):
        good = {"name": f"reserved bits {bits:#x}", "asdu_hex": f"14811401a010{2 | bits:02x}03",
                "asdu": plain(encoder.decode_asdu(bytes.fromhex("14811401a0100203"))[0])}
        vectors.append(good)
    vectors.append({"name": "unknown type", "asdu_hex": "02", "error": "IndexError"})
    vectors.append({"name": "unsupported", "asdu_hex": "63810101a0100203", "error": "AsduTypeError: 99"})
    return {"asdus": vectors}


# iec104.json, iec101.json: octets at random, as the reference reads them


def decoded(decode, data, vector):
    try:
        vector["msgs"] = [plain(m) for m in decode(data)]
    except Exception as e:  # whatever it says of octets that it does not take
        vector["error"] = f"{type(e).__name__}: {e}"
    return vector


# Rows of the standard that both parts have; the sizes of their elements.
TYPES = {1: 1, 3: 1, 5: 2, 7: 5, 9: 3, 11: 3, 13: 5, 15: 5, 20: 5, 21: 2, 30: 8, 31: 8, 32: 9, 33: 12, 34: 10,
         35: 10, 36: 12, 37: 12, 38: 10, 39: 11, 40: 11, 45: 1, 46: 1, 47: 1, 48: 3, 49: 3, 50: 5, 51: 4, 70: 1,
         100: 1, 101: 1, 102: 0, 103: 7, 105: 1, 110: 3, 111: 3, 112: 5, 113: 1}
ONLY_104 = {58: 8, 59: 8, 60: 8, 61: 10, 62: 10, 63: 12, 64: 11, 107: 9}
ONLY_101 = {2: 4, 4: 4, 6: 5, 8: 8, 10: 6, 12: 6, 14: 8, 16: 8, 17: 6, 18: 7, 19: 7, 104: 2, 106: 2}
TAGGED = [2, 4, 6, 8, 10, 12, 14, 16, 30, 31, 32, 33, 34, 35, 36, 37]
TAG = {k: 3 if k < 30 else 7 for k in TAGGED}


def right_time(rng, size):
    """One that the calendar has: what ours makes of others is its own affair."""
    ms = rng.randrange(60000)
    tag = [ms & 255, ms >> 8, rng.randrange(60) | rng.choice((0, 64))]
    if size == 7:
        tag += [rng.randrange(24), rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(70)]
    return bytes(tag)


def element(rng, kind, size):
    tag = TAG.get(kind) or (7 if kind in (38, 39, 40, *ONLY_104) or kind == 103 else 3 if kind in (17, 18, 19) else 0)
    return octets(rng, size - tag) + (right_time(rng, tag) if tag else b"")


def asdus(rng, types, sizes, decode, sequences=True):
    cause, common, io = sizes
    for kind, size in types.items():
        for n in range(EACH):
            count = 1 if kind > 44 else rng.choice((1, 1, 2, 3))
            def head(vsq):
                return (bytes([kind, vsq, rng.choice((3, 5, 6, 7, 20, 63)) | rng.choice((0, 64, 128))]) +
                        octets(rng, cause - 1) + octets(rng, common))
            data = head(count) + b"".join(octets(rng, io) + element(rng, kind, size) for _ in range(count))
            yield decoded(decode, data, {"name": f"{kind} {n}", "asdu_hex": data.hex()})
        if kind in TAGGED or kind < 22:
            tag = TAG.get(kind, 0)
            first = rng.randrange(200).to_bytes(io, "little")
            data = head(0x80 | 3) + first + b"".join(octets(rng, size - tag) for _ in range(3)) + right_time(rng, 7)[:tag]
            if tag == 0 and kind in (17, 18, 19):
                continue
            yield decoded(decode, data, {"name": f"sequence of {kind}", "asdu_hex": data.hex()})


def iec104_file():
    rng = random.Random(SEED)
    decoder = msgs104.Encoder()
    return {"asdus": list(asdus(rng, {**TYPES, **ONLY_104}, (2, 2, 3), lambda d: list(decoder.decode(d))))}


def iec101_file():
    rng = random.Random(SEED)
    vectors = []
    for cause, common, io in ((1, 1, 1), (2, 2, 3), (1, 2, 2), (2, 1, 3)):
        decoder = msgs101.Encoder(iec101.CauseSize(cause), iec101.AsduAddressSize(common), iec101.IoAddressSize(io))
        for v in asdus(rng, {**TYPES, **ONLY_101}, (cause, common, io), lambda d: list(decoder.decode(d))):
            vectors.append({**v, "cause_size": cause, "asdu_address_size": common, "io_address_size": io})
    frames = [{"name": "unknown function", "address_size": 1, "direction_valid": False, "frame_hex": "1045054a16",
               "error": "ValueError"}]
    return {"ft12_frames": frames, "asdus": vectors}


# modbus.json


def modbus_file():
    points = [["HOLDING_REGISTER", n, 0, 16, 1] for n in range(2100)]
    groups = []
    for start in range(0, 2100, 125):
        n = min(125, 2100 - start)
        groups.append({"data_type": "HOLDING_REGISTER", "interval": 1, "start_address": start, "quantity": n,
                       "names": [f"d{start + i}" for i in range(n)]})
    return {"frames": [{"name": "one", "modbus_type": "TCP", "direction": "REQUEST",
                        "frame_hex": "000000000006010100000001",
                        "adu": {"_type": "TcpAdu", "transaction_id": 0, "device_id": 1,
                                "pdu": {"_type": "ReadCoilsReq", "address": 0, "quantity": 1}}}],
            "read_grouping": [{"name": "2,100 points", "data": points, "groups": groups}]}


MAKERS = {"chatter": chatter_file, "observer": observer_file, "sbs": sbs_file, "iec103": iec103_file,
          "iec104": iec104_file, "iec101": iec101_file, "modbus": modbus_file}
PROGRAMS = {"chatter": "vec_hat", "observer": "vec_hat", "sbs": "vec_sbs", "iec103": "vec_iec103",
            "iec104": "vec_iec104", "iec101": "vec_iec104", "modbus": "vec_modbus"}


def run(folder, which):
    """For each file that the program says something about: (passed, failed, excepted); its output."""
    r = subprocess.run([program(f"tests/vectors/{which}"), folder], capture_output=True, text=True, timeout=120)
    counts = collections.defaultdict(lambda: (0, 0, 0))
    for m in re.finditer(r"^(\w+)\.json(?: \(\w+\))?: (\d+) passed, (\d+) failed, (\d+) excepted", r.stdout, re.M):
        counts[m[1]] = tuple(a + int(b) for a, b in zip(counts[m[1]], m.groups()[1:]))
    return counts, r.stdout, r.returncode


@unittest.skipUnless(sbs, "needs build/venv")
class TestVectors(unittest.TestCase):

    def setUp(self):
        subprocess.run(["make", "-s", "-C", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))),
                        *(os.path.join(os.environ.get("BUILD", "build"), "tests", "vectors", p)
                          for p in sorted(set(PROGRAMS.values())))], check=True, capture_output=True)

    def write(self, folder, name, content):
        with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as f:
            json.dump(content, f)

    def test_every_form_passes(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, make in MAKERS.items():
                content = make()
                self.write(folder, name, content)
                with self.subTest(name):
                    counts, said, _ = run(folder, PROGRAMS[name])
                    total = sum(len(v) for v in content.values())
                    if name in ("iec101",):
                        total -= len(content["ft12_frames"])
                    self.assertEqual(counts[name][1], 0, said)
                    self.assertEqual(sum(counts[name]), total, said[-2000:])
                    self.assertGreater(counts[name][0] + counts[name][2], 0)

    def test_what_is_wrong_fails(self):
        rng = random.Random(SEED)
        with tempfile.TemporaryDirectory() as folder:
            for name, make in MAKERS.items():
                if name == "observer":  # its one message is excepted
                    continue
                content = {k: [w for v in vectors for w in wrong(rng, v)] for k, vectors in make().items()}
                if name == "iec101":
                    content["ft12_frames"] = []
                self.write(folder, name, content)
                with self.subTest(name):
                    counts, _, status = run(folder, PROGRAMS[name])
                    total = sum(len(v) for v in content.values())
                    self.assertGreater(total, 0)
                    self.assertNotEqual(status, 0)
                    if name in ("iec101", "iec104"):
                        # What ours makes of a value is compared, not what is in no event.
                        self.assertGreater(counts[name][1], total * 0.9)
                    else:
                        self.assertEqual(counts[name][1:], (total, 0))

    def test_a_file_that_fails_hides_no_other(self):
        with tempfile.TemporaryDirectory() as folder:
            self.write(folder, "iec101", iec101_file())
            with open(os.path.join(folder, "iec104.json"), "w", encoding="utf-8") as f:
                f.write("{")
            counts, said, status = run(folder, "vec_iec104")
            self.assertNotEqual(status, 0)
            self.assertEqual(counts["iec104"], (0, 1, 0), said)
            self.assertGreater(counts["iec101"][0], 100)
            self.assertEqual(counts["iec101"][1], 0)


# Leaves that a message has and no event.
UNCOMPARED = {"size", "is_negative_confirm", "day_of_week", "payload_text", "mid", "time"}


def leaves(value, path=()):
    if isinstance(value, dict):
        for k, v in value.items():
            if not k.startswith("_") and k not in UNCOMPARED:
                yield from leaves(v, (*path, k))
    elif isinstance(value, list):
        for n, v in enumerate(value):
            yield from leaves(v, (*path, n))
    elif isinstance(value, (bool, int)):
        yield path


def wrong(rng, vector):
    """The vector with one of its numbers or flags changed, if it is one that says what its octets mean."""
    body = next((k for k in ("asdu", "msgs", "msg", "value", "groups") if k in vector), None)
    if "error" in vector or "why" in vector or body is None or "Master" in str(vector.get("type")):
        return
    paths = [p for p in leaves(vector[body]) if body != "msgs" or {"data", "command"} & set(p)]
    if not paths:
        return
    vector = json.loads(json.dumps(vector))
    at, path = vector[body], rng.choice(paths)
    if not path:
        vector[body] = not at if isinstance(at, bool) else at + 1
    else:
        for key in path[:-1]:
            at = at[key]
        v = at[path[-1]]
        at[path[-1]] = not v if isinstance(v, bool) else v + 1
    yield vector


if __name__ == "__main__":
    unittest.main()
