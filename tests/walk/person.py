"""A person at a terminal in a bare Debian 12, and where the machine is."""

import os
import re
import shutil
import socket
import subprocess
import tempfile

from screen import Screen

PROMPT = re.compile(r"\[(\d+)\]\$$")
HEIGHT = 300  # so that a screen holds all that a command prints
USER = "ada"

# Enters the system in folder $1 with this host's network: packages come from Debian's mirror.
ENTER = r"""
set -e
cd "$1"
mount -t proc proc proc
mount -t tmpfs none dev
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
shift
exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=screen LANG=C.UTF-8 "$@"
"""


def unpack(archive, source):
    """A bare Debian with the user, who may use sudo, and the sources in her home. Returns its folder."""
    root = tempfile.mkdtemp(prefix="gatewayd-walk-", dir="/var/tmp")
    os.chmod(root, 0o755)
    subprocess.run(["tar", "-xf", archive, "-C", root, "--numeric-owner", "--exclude=./dev/*"], check=True)
    shutil.copy("/etc/resolv.conf", os.path.join(root, "etc", "resolv.conf"))
    with open(os.path.join(root, "etc", "dpkg", "dpkg.cfg.d", "walk"), "w", encoding="ascii") as f:
        f.write("force-unsafe-io\n")  # the machine is thrown away
    with open(os.path.join(root, "etc", "hosts"), "w", encoding="ascii") as f:
        f.write(f"127.0.0.1 localhost {socket.gethostname()}\n")
    home = os.path.join(root, "home", USER, "gatewayd")
    subprocess.run(["chroot", root, "useradd", "-m", "-s", "/bin/bash", "-G", "sudo", USER], check=True)
    with open(os.path.join(root, "etc", "sudoers.d", USER), "w", encoding="ascii") as f:
        f.write(f"{USER} ALL=(ALL) NOPASSWD: ALL\n")
    os.mkdir(home)
    archived = subprocess.run(["git", "archive", "HEAD"], cwd=source, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", home], input=archived, check=True)
    subprocess.run(["chroot", root, "chown", "-R", f"{USER}:", f"/home/{USER}"], check=True)
    return root


def with_network(root, *command):
    """The words that run a command of the system in root."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "sh", "-c", ENTER, "sh", root,
            *command]


class Person(Screen):
    """bash in a terminal of some width. enter: the words that run a command where the person is."""

    def __init__(self, folder, width, enter, before=""):
        super().__init__(os.path.join(folder, f"tmux-{width}-{os.urandom(4).hex()}"), width, HEIGHT,
                         [*enter, "su", "-", USER, "-w", "TERM", "--session-command", "exec bash --norc"])
        self.paste("PS1='[$?]$ '; export LESS=FRSX; cd gatewayd; clear\n" + before)
        self.wait(lambda lines: PROMPT.match(lines[-1]), "a prompt")

    def begin(self, command):
        self.keys("C-l")
        self.wait(lambda lines: len(lines) == 1 and PROMPT.match(lines[0]), "an empty screen")
        self.tmux("clear-history", "-t", "s")
        self.paste(command + "\n")

    def run(self, command, code=0, seconds=30, fits=True):
        """What it prints; each line has to fit, unless it is a log or a compiler's, and the exit code to be that."""
        self.begin(command)
        first = command.split("\n")[0][:20]
        self.wait(lambda lines: len(lines) > 1 and first in lines[0] and PROMPT.match(lines[-1]),
                  f"the end of {command}", seconds)
        whole = [line.rstrip() for line in self.whole()]
        printed = whole[1 + command.count("\n"):-1]
        wide = [line for line in printed if len(line) > self.width]
        assert not (fits and wide), (command, self.width, wide)
        ended = int(PROMPT.match(whole[-1])[1])
        assert ended == code, (command, ended, printed)
        return printed
