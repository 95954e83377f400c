"""Programs in namespaces of their own, for tests of hosts that this one is not."""

import subprocess
import unittest


def may(*flags):
    return subprocess.run(["unshare", *flags, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


MOUNTS, NETWORK = may("-m"), may("-n", "-m")
LOOP = MOUNTS and subprocess.run(["unshare", "-m", "sh", "-c", """
    f=$(mktemp) && trap 'umount /mnt; rm -f "$f"' EXIT && truncate -s 1M "$f" && mkfs.ext4 -q -F "$f" && mount -o loop "$f" /mnt
    """], capture_output=True, check=False).returncode == 0
needs_loop = unittest.skipUnless(LOOP, "this machine gives no loop device with ext4")
needs_mounts = unittest.skipUnless(MOUNTS, "this machine gives no mount namespace")
needs_network = unittest.skipUnless(NETWORK, "this machine gives no network namespace")


def wrap(commands, *flags):
    """A command in front of a program: runs it in namespaces, after these shell commands."""
    return ["unshare", *flags, "sh", "-e", "-c", commands + '\nexec "$@"', "sh"]


def enter(pid, *command, flags=("-m",)):
    """Runs a command in the namespaces of a process."""
    r = subprocess.run(["nsenter", *flags, "-t", str(pid), *command], capture_output=True, text=True, timeout=60, check=False)
    if r.returncode:
        raise AssertionError(f"{command}: {r.stderr}")
    return r.stdout
