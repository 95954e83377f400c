"""Runs a program as an older kernel would: python3 old_kernel.py VERSION PROGRAM [ARG...]

Each system call that came after Linux VERSION answers "Function not implemented". What a kernel may lack
otherwise (a version of Landlock's ABI, a line in /proc) stays as it is."""

import ctypes
import errno
import os
import sys

LAST = 499
# The calls that came with a version. Their numbers are the same on every architecture.
CAME = {
    (5, 1): range(424, 428), (5, 2): range(428, 434), (5, 3): (434, 435), (5, 6): (437, 438), (5, 8): (439,),
    (5, 9): (436,), (5, 10): (440,), (5, 11): (441,), (5, 12): (442,), (5, 13): (444, 445, 446), (5, 14): (443, 447),
    (5, 15): (448,), (5, 16): (449,), (5, 17): (450,), (6, 5): (451,), (6, 6): (452, 453), (6, 7): (454, 455, 456),
    (6, 8): range(457, 462), (6, 10): (462,), (6, 13): range(463, LAST + 1),
}
ALLOW, ERRNO, EQUAL, P_PIDFD = 0x7FFF0000, 0x00050000, 4, 3


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def version(text):
    return tuple(map(int, text.split(".")))


def missing(kernel):
    """The calls that a kernel of this version has not."""
    return sorted(n for came in CAME if came > kernel for n in CAME[came])


def become(kernel):
    """This process is on that kernel from now on."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                           ctypes.c_void_p]
    ctx = ctypes.c_void_p(lib.seccomp_init(ALLOW))

    def refuse(error, number, compare=None):
        if lib.seccomp_rule_add_array(ctx, ERRNO | error, number, 1 if compare else 0,
                                      ctypes.byref(compare) if compare else None):
            raise OSError(f"no filter for call {number}")

    for number in missing(kernel):
        refuse(errno.ENOSYS, number)
    if kernel < (5, 4):
        refuse(errno.EINVAL, lib.seccomp_syscall_resolve_name(b"waitid"), Compare(0, EQUAL, P_PIDFD, 0))
    if lib.seccomp_load(ctx):
        raise OSError("the filter is not taken")


if __name__ == "__main__":
    become(version(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
