"""A systemd of its own as process 1 of new namespaces, above the files of this host: what is written there is in
memory and gone with it, its network is only a loopback. Needs root and a writable cgroup2 tree."""

import contextlib
import os
import shutil
import subprocess
import tempfile

from gatewayd import wait_until

# Run in the new namespaces: $1 a folder for mounts, $2 what lies above the files of $3. Nothing of the host
# can be written by it but null and its like: /proc/sys and /sys are read-only.
BOOT = r"""
set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp -a "$2/." "$1/upper"
mount -t overlay none -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
echo >etc/fstab # the host's disks are nobody's business here
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs none dev
for d in null zero full random urandom; do
    touch dev/$d
    mount --bind /dev/$d dev/$d
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs none run
mount -t tmpfs none tmp
ip link set lo up
exec chroot . env -i container=gatewayd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd systemd.unit=sysinit.target --log-target=null
"""


def cgroup2():
    with open("/proc/mounts", encoding="utf-8") as f:
        return next((fields[1] for fields in map(str.split, f) if fields[2] == "cgroup2"), None)


class Box:
    """lower: the root of another system in place of this host's. Raises OSError where this machine does not let one
    be made."""

    def __init__(self, layer, lower="/"):
        self.lower = lower
        self.folder = tempfile.mkdtemp(prefix="gatewayd-box-")
        self.process, self.cgroup = None, None
        try:
            self._boot(layer)
        except (OSError, AssertionError, subprocess.TimeoutExpired) as e:
            self.close()
            raise OSError(f"no systemd in a namespace: {e}") from e

    def _boot(self, layer):
        root = cgroup2()
        if os.geteuid() != 0 or not root or not shutil.which("nsenter"):
            raise OSError("not root, no cgroup2 or no nsenter")
        cgroup = os.path.join(root, os.path.basename(self.folder))
        os.mkdir(cgroup)
        self.cgroup = cgroup
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", 'echo $$ >"$1/cgroup.procs" && shift && exec unshare --cgroup --pid --fork --kill-child '
                 '--mount --uts --ipc --net sh -c "$@"', "sh", cgroup, BOOT, "sh", self.folder, layer, self.lower],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_up, "systemd is up", 20)

    def _is_up(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
                raise OSError(log.read().strip())
        r = self.run("systemctl", "is-system-running")
        return r.stdout.strip() in ("running", "degraded")

    def argv(self, *command):
        """The words that run a command in it; None before it has a process 1."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            init = f.read().split()
        return init and [
            "nsenter", "-t", init[0], "-m", "-p", "-n", "-i", "-u", "-C", "-r", "-w", "env", "-i",
            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=screen", *command]

    def run(self, *command):
        argv = self.argv(*command)
        if not argv:
            return subprocess.CompletedProcess(command, 1, "", "not started")
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=180, check=False)

    def write(self, path, text):
        r = self.run("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path)
        assert r.returncode == 0, r.stderr

    def close(self):
        if self.process:
            self.process.kill()  # --kill-child: its systemd too, and with that all that it started
            self.process.wait()
        if self.cgroup:
            with contextlib.suppress(AssertionError):
                wait_until(self._drop_cgroup, "the control group is empty", 10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _drop_cgroup(self):
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        return not os.path.exists(self.cgroup)
