"""Imported first by the tests that need a peer: the folders of their helpers, where the peers' packages come first."""

import os
import sys

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(TESTS)
LIB = os.path.join(TESTS, "lib")
SYSTEM = os.path.join(TESTS, "system")

for folder in (LIB, SYSTEM):
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.append(folder)
