"""A program in a terminal as a person sees it: in a tmux of its own."""

import os
import shlex
import subprocess

from gatewayd import wait_until

ENDED = "ended with "


class Screen:
    """socket: a path for tmux's own use. command: a list of words."""

    def __init__(self, socket, width, height, command, cwd=None):
        self.socket, self.width = socket, width
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "-s", "s",
                  f'{shlex.join(command)}; printf "%s%d\\n" "{ENDED}" $?; exec cat', cwd=cwd)

    def tmux(self, *args, cwd=None, text=None):
        env = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "screen"}
        env.pop("TMUX", None)
        return subprocess.run(["tmux", "-S", self.socket, *args], check=True, capture_output=True, text=True, env=env,
                              cwd=cwd, input=text).stdout

    def lines(self):
        """The screen, without the empty lines at its end."""
        return self.tmux("capture-pane", "-p", "-t", "s").rstrip("\n").splitlines() or [""]

    def whole(self):
        """All that was printed; a line that the terminal wrapped is one line, longer than the screen is wide."""
        return self.tmux("capture-pane", "-p", "-J", "-S", "-", "-t", "s").rstrip("\n").split("\n")

    def keys(self, *keys):
        self.tmux("send-keys", "-t", "s", *keys)

    def paste(self, text):
        self.tmux("load-buffer", "-", text=text)
        self.tmux("paste-buffer", "-t", "s")

    def wait(self, condition, what, seconds=None):
        wait_until(lambda: condition(self.lines()), what, seconds, log=self.lines)
        return self.lines()

    def ended(self):
        """The exit code; None while it runs."""
        return next((int(line[len(ENDED):]) for line in self.lines() if line.startswith(ENDED)), None)

    def close(self):
        self.tmux("kill-server")
