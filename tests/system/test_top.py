#!/usr/bin/env python3
"""gatewayctl top: what a person sees of it in a terminal (tmux) of three widths, and what its keys do."""
import json
import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'lib'))
from gatewayd import Gateway, probe  # noqa: E402
from screen import Screen  # noqa: E402


class TopScreen(Screen):
    def __init__(self, g, width, *args):
        super().__init__(os.path.join(g.dir, f'tmux-{width}'), width, 24, g.ctl.argv('top', *args))

    def selected(self):
        """The line in reverse video."""
        shown = self.tmux('capture-pane', '-p', '-e', '-t', 's').splitlines()
        return ''.join(line for line in shown if '\x1b[7m' in line)


class Top(unittest.TestCase):
    def serve(self):
        devices = [probe('busy', interval_ms=5, values=20), probe('calm', interval_ms=500), probe('off'),
                   *(probe(f'many{i:02}') for i in range(30))]
        g = Gateway({'devices': devices})
        self.addCleanup(g.close)
        g.wait_connected()
        g.enable('busy', 'calm')
        g.wait_state(['busy', 'calm'], 'running')
        return g

    def screen(self, *args):
        s = TopScreen(*args)
        self.addCleanup(s.close)
        return s

    @unittest.skipUnless(shutil.which('tmux'), 'tmux is not installed')
    def test_three_widths(self):
        g = self.serve()
        for width, there, gone in ((60, ('NAME', 'STATE', 'CPU %', 'EVENTS/S', 'ERRORS'), ('PID', 'TYPE')),
                                   (80, ('NAME', 'STATE', 'CPU %', 'EVENTS/S', 'ERRORS', 'REMOTES', 'LINK'), ()),
                                   (200, ('NAME', 'TYPE', 'STATE', 'CPU %', 'EVENTS/S', 'ERRORS', 'ERRORS/S', 'REMOTES',
                                          'LINK', 'PID'), ())):
            with self.subTest(width):
                s = self.screen(g, width)
                lines = s.wait(lambda lines: len(lines) > 4 and lines[3].startswith('busy ') and
                               ' - ' not in lines[3][:lines[2].find('EVENTS')], 'the busy one is first')
                self.assertRegex(lines[0], r'^2 of 33 running, \d+\.\d events/s, CPU \d+\.\d %, by CPU')
                for word in there:
                    self.assertIn(word, lines[2].replace('ERRORS/S', 'ERRORS ERRORS/S'))
                for word in gone:
                    self.assertNotIn(word, lines[2])
                self.assertTrue(lines[-1].startswith('q quit'), lines[-1])
                self.assertTrue(all(len(line) <= width for line in lines))
                self.assertEqual(len(lines), 24)
                s.keys('q')
                s.wait(lambda lines: 'ended with 0' in '\n'.join(lines), 'the end')

    @unittest.skipUnless(shutil.which('tmux'), 'tmux is not installed')
    def test_keys(self):
        g = self.serve()
        s = self.screen(g, 100)
        s.wait(lambda lines: len(lines) > 3 and 'by CPU' in lines[0] and lines[3].startswith('busy'), 'the list')
        for key, word in (('e', 'by events'), ('x', 'by errors'), ('n', 'by name')):
            s.keys(key)
            s.wait(lambda lines: word in lines[0], word)
        s.wait(lambda lines: lines[3].startswith('busy') and lines[4].startswith('calm'), 'sorted by name')
        s.keys('End', 'Down', 'j')
        s.wait(lambda lines: 'many00' in s.selected(), 'the third is selected')
        # Beyond the last line of the screen the list scrolls.
        s.keys(*['j'] * 32)
        s.wait(lambda lines: s.selected().find('off ') >= 0 and not lines[3].startswith('busy'), 'the last one')
        self.assertTrue(s.lines()[2].startswith('NAME'))
        s.keys('/')
        s.keys('cal')
        s.wait(lambda lines: "1 with 'cal_'" in lines[0] and lines[3].startswith('calm'), 'the filter')
        s.keys('Enter')
        s.wait(lambda lines: "with 'cal'" in lines[0], 'the filter stays')
        s.keys('Enter')
        s.wait(lambda lines: any('events below' in line for line in lines), 'show of the device')
        s.keys('q')
        s.wait(lambda lines: "with 'cal'" in lines[0], 'the list again')
        s.keys('Escape')
        s.wait(lambda lines: 'with' not in lines[0], 'no filter')
        # gatewayd goes away, and comes back.
        g.stop()
        s.wait(lambda lines: lines[1] != '', 'a message')
        g.start()
        s.wait(lambda lines: '33 running' in lines[0] and lines[1] == '', 'it is back')
        s.keys('C-c')
        s.wait(lambda lines: 'ended with 0' in '\n'.join(lines), 'the end')

    def test_without_a_terminal(self):
        g = self.serve()
        lines = g.ctl.text('top', '--sort', '-events_per_s').splitlines()
        self.assertRegex(lines[0], r'^NAME +TYPE +STATE +CPU % +EVENTS/S +ERRORS +ERRORS/S')
        self.assertRegex(lines[1], r'^busy +probe +running +\d+\.\d +\d+\.\d +0 +0\.0')
        self.assertEqual(len(lines), 34)
        rows = g.ctl('top', 'busy', 'off')
        self.assertEqual([r['name'] for r in rows], ['busy', 'off'])
        self.assertGreater(rows[0]['cpu'], 0)
        self.assertGreater(rows[0]['events_per_s'], 100)
        self.assertIsNone(rows[1]['cpu'])
        self.assertEqual(list(rows[0]), 'name type state cpu events_per_s errors errors_per_s remotes link pid'.split())
        r = g.ctl.run('top', 'nonsense')
        self.assertEqual(r.returncode, 1)
        self.assertIn('nonsense', r.stderr)
        json.dumps(rows)


if __name__ == '__main__':
    unittest.main()
