"""The reader of JSON beside Python's: thousands of texts of a seed, right ones and ones with a few bytes changed."""

import json
import os
import random
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import BUILD  # noqa: E402

SEED = int(os.environ.get("SEED", "20261128"))
TEXTS = 20000
MAX_DEPTH = 32
PIECES = ["{", "}", "[", "]", ",", ":", '"', "\\", "\\u", "\\ud83d", "\\ude00", "\\u0000", "null", "true", "false", "0", "-",
          "1e5", ".", " ", "\n", "\x00", "\x1f", "\x7f", "\u017e", "\U0001f600", "//", "NaN", "Infinity", "'"]


class Refused(ValueError):
    pass


def no_constant(word):
    raise Refused(word)


def depth_of(value):
    if isinstance(value, Members):
        return 1 + max((depth_of(v) for _, v in value), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


class Members(list):
    """An object as its members, in their order and with duplicates."""


class Number(str):
    """As it is written."""


def judge(text):
    """What we are to make of the bytes: Python's tree; None where it is refused by it, or by our limits."""
    try:
        value = json.loads(text.decode("utf-8"), parse_int=Number, parse_float=Number, parse_constant=no_constant,
                           object_pairs_hook=Members)
    except (ValueError, RecursionError):
        return None
    if depth_of(value) > MAX_DEPTH or not is_ours(value):
        return None
    return [value]


def is_ours(value):
    """Without half surrogates, which UTF-8 cannot say, and without NUL in a key."""
    if isinstance(value, Members):
        return all("\0" not in k and is_ours(k) and is_ours(v) for k, v in value)
    if isinstance(value, list):
        return all(map(is_ours, value))
    return not isinstance(value, str) or not any("\ud800" <= c <= "\udfff" for c in value)


class Texts:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def string(self):
        r = self.random
        parts = []
        for _ in range(r.choice([0, 1, 3, 7, 8, 9, 20])):
            c = r.choice(["a", "Z", " ", "/", "\u017e", "\u20ac", "\U0001f600", "\x7f", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
                          "\\u00e9", "\\ud83d\\ude00", "\\uFFFD", "\\b\\f\\r\\t"])
            parts.append(c)
        return '"' + "".join(parts) + '"'

    def number(self):
        r = self.random
        return r.choice(["", "-"]) + r.choice(["0", "7", "12", "12345678901234567890"]) + r.choice(["", ".0", ".5", ".125"]) + \
            r.choice(["", "", "e5", "E+07", "e-3"])

    def value(self, depth=0):
        r = self.random
        kind = r.randrange(8 if depth < 5 else 5)
        space = r.choice(["", "", "", " ", "\n\t", "\r"])
        if kind == 0:
            return r.choice(["null", "true", "false"])
        if kind < 3:
            return self.string()
        if kind < 5:
            return self.number()
        count = r.choice([0, 1, 2, 5])
        if kind == 5:
            return "[" + space + ("," + space).join(self.value(depth + 1) for _ in range(count)) + space + "]"
        members = (self.string() + space + ":" + space + self.value(depth + 1) for _ in range(count))
        return "{" + space + ("," + space).join(members) + space + "}"

    def text(self):
        r = self.random
        if r.random() < 0.1:
            return "".join(r.choice(PIECES) for _ in range(r.randrange(1, 12))).encode()
        if r.random() < 0.02:
            n = r.randrange(28, 37)
            return ("[" * n + "]" * n).encode()
        data = bytearray(self.value().encode())
        for _ in range(r.choice([0, 0, 1, 1, 2])):
            at = r.randrange(len(data) + 1)
            change = r.randrange(4)
            if change == 0:
                del data[at:at + r.randrange(1, 4)]
            elif change == 1:
                data[at:at] = r.choice(PIECES).encode()
            elif change == 2 and at < len(data):
                data[at] = r.randrange(256)
            else:
                del data[at:]
        return bytes(data)


class Json(unittest.TestCase):
    def test_as_python(self):
        texts = Texts(SEED)
        all_texts = [texts.text() for _ in range(TEXTS)]
        r = subprocess.run([os.path.join(BUILD, "tests/lib/json-check")], capture_output=True, timeout=600,
                           input=b"".join(struct.pack("<I", len(t)) + t for t in all_texts))
        self.assertEqual(r.returncode, 0, "the check and the tree disagree")
        answers = r.stdout.decode("utf-8").split("\n")[:-1]
        self.assertEqual(len(answers), TEXTS)
        taken = 0
        for text, answer in zip(all_texts, answers):
            expected = judge(text)
            if answer.startswith("!"):
                self.assertIsNone(expected, (SEED, text, answer))
                continue
            taken += 1
            self.assertEqual(expected, judge(answer.encode()), (SEED, text, answer))
            self.assertIsNotNone(expected, (SEED, text, answer))
        self.assertGreater(taken, TEXTS / 4)
        self.assertLess(taken, TEXTS * 3 / 4)


if __name__ == "__main__":
    unittest.main()
