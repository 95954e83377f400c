"""What one thing costs gateway-eventd, or a slave, does not depend on how much there is: instructions, by callgrind."""

import os
import pathlib
import shutil
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / 'tests' / 'bench'))

import growth_rows  # noqa: E402

SANITIZED = os.environ.get('BUILD', 'build') != 'build'


@unittest.skipUnless(shutil.which('valgrind'), 'valgrind is not installed')
@unittest.skipIf(SANITIZED, 'valgrind does not run what a sanitizer was built into')
class Growth(unittest.TestCase):
    def check(self, kind, sizes, tool='growth_eventd'):
        [figures] = growth_rows.growth(tool, kind, sizes)
        self.assertLessEqual(figures[growth_rows.GROWTH], growth_rows.MOST, f'{kind}: {figures}')

    def test_latest_of_one_type(self):
        self.check('latest', [1000, 20_000])

    def test_time_series(self):
        for kind in ('last', 'page', 'since', 'all'):
            with self.subTest(kind):
                self.check(kind, [1000, 20_000])

    def test_an_event_among_clients(self):
        self.check('clients', [1, 256])

    def test_a_slave(self):
        for kind, sizes in (('write', [10, 1000]), ('read', [10, 1000]), ('start', [500, 5000])):
            with self.subTest(kind):
                self.check(kind, sizes, 'growth_slaves')


if __name__ == '__main__':
    unittest.main()
