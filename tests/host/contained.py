"""Becomes a program in a container: python3 contained.py ROOT SETTINGS, where SETTINGS is a file of JSON with user,
group, environment, words, and calls: how the profile of a container's runtime answers (a list of [action, name,
conditions], and otherwise). No capability is left, and none can come back."""

import ctypes
import json
import os
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load(seccomp, calls, otherwise):
    def action(error):
        return ALLOW if error is None else ERRNO | error

    seccomp.seccomp_init.restype = ctypes.c_void_p
    seccomp.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.c_void_p]
    ctx = ctypes.c_void_p(seccomp.seccomp_init(action(otherwise)))
    for error, name, conditions in calls:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number == -1 or error == otherwise:
            continue
        compare = (Compare * len(conditions))(*(Compare(*c) for c in conditions))
        if seccomp.seccomp_rule_add_array(ctx, action(error), number, len(conditions), compare) < 0:
            sys.exit(f"no rule for {name}")
    if seccomp.seccomp_load(ctx):
        sys.exit("the profile is not taken")


def main():
    root, path = sys.argv[1:]
    with open(path, encoding="utf-8") as f:
        settings = json.load(f)
    libc, seccomp = ctypes.CDLL(None), ctypes.CDLL("libseccomp.so.2")
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(*[settings["group"]] * 3)
    os.setresuid(*[settings["user"]] * 3)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if settings["calls"]:
        load(seccomp, settings["calls"], settings["otherwise"])
    os.execve(settings["words"][0], settings["words"], settings["environment"])


if __name__ == "__main__":
    main()
