#!/usr/bin/python3 -I
"""A runner of a stranger that tries what its configuration lists under "attempts" (Python expressions), says how each
ended, "said INDEX=done" or the error, in lines of several, and then behaves."""
import array
import ctypes
import errno
import json
import os
import resource
import signal
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
parent = os.getppid()


def call(name, *args):
    """A function of the C library; an error is an OSError."""
    result = getattr(libc, name)(*args)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def number(nr, *args):
    """A system call whose number is the same on every machine."""
    return call("syscall", nr, *args)


def process(start):
    """A child that ends at once, where there may be one."""
    if start() == 0:
        os._exit(0)


def write(path, flags=os.O_CREAT):
    os.close(os.open(path, os.O_WRONLY | flags, 0o600))


s = socket.socket(fileno=3)
s.setblocking(True)
_, fds, _, _ = socket.recv_fds(s, 65536, 1)
conf = json.loads(os.pread(fds[0], 1 << 24, 0))
room = ctypes.create_string_buffer(4096)  # what calls that fill a structure may fill
said = []
for n, attempt in enumerate(conf["attempts"]):
    try:
        eval(attempt)
        said.append(f"{n}=done")
    except (OSError, ValueError) as e:
        said.append(f"{n}={errno.errorcode.get(getattr(e, 'errno', None), type(e).__name__)}")
for n in range(0, len(said), 12):
    print("said", *said[n:n + 12], flush=True)
print("said all", flush=True)
s.send(bytes([32, 0, 0, 0, 2, 0, 0, 0, 0x90]))
s.send(bytes([34, 0, 0, 0, 0, 0, 0, 0, 0x90]))
while True:
    packet = s.recv(65536)
    if not packet or packet[0] == 7:
        break
    if packet[0] == 6:
        s.send(bytes([38, 0, 0, 0]) + packet[4:8] + b"\x90")
