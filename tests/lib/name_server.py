"""A name server that knows IPv4 addresses."""

import socket
import threading


def _answer(names, addresses):
    while True:
        try:
            query, peer = names.recvfrom(512)
        except OSError:
            return
        end = query.index(b"\0", 12) + 5
        found = addresses if query[end - 4:end - 2] == b"\0\1" else []
        records = b"".join(b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(a) for a in found)
        names.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([len(found)]) + b"\0\0\0\0" + query[12:end] + records, peer)


def name_server(address, addresses=None):
    """On port 53 of address: each name has these addresses; without a list it is silent. Returns its socket, to be
    closed."""
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((address, 53))
    if addresses is not None:
        threading.Thread(target=_answer, args=(names, addresses), daemon=True).start()
    return names
