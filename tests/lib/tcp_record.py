"""A proxy that keeps what went through one TCP connection, and what tshark says of it."""

import socket
import struct
import subprocess
import tempfile
import threading


class Recorder:
    """Listens, and passes each connection on to port; frames: (from the client, octets) of each read."""

    def __init__(self, port):
        self.to = port
        self.frames = []
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            for pair in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, a, b, by_client):
        try:
            while data := a.recv(65536):
                with self._lock:
                    self.frames.append((by_client, data))
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self._socket.close()

    def pcap(self, port):
        """Raw IPv4 packets of one connection to that port, so that dissectors know it."""
        out = [struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101)]
        seq = {True: 1, False: 1}
        with self._lock:
            frames = [(c, d[i:i + 32768]) for c, d in self.frames for i in range(0, len(d), 32768)]
        for n, (by_client, data) in enumerate(frames):
            ports = (40000, port) if by_client else (port, 40000)
            tcp = struct.pack(">HHIIBBHHH", *ports, seq[by_client], seq[not by_client], 0x50, 0x18, 65535, 0, 0)
            seq[by_client] += len(data)
            hosts = (b"\n\0\0\1", b"\n\0\0\2")
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), n & 0xffff, 0, 64, 6, 0,
                             *(hosts if by_client else hosts[::-1]))
            packet = ip + tcp + data
            out.append(struct.pack("<IIII", n, 0, len(packet), len(packet)) + packet)
        return b"".join(out)

    def tshark(self, port, *arguments):
        """What tshark prints of it, a line each."""
        with tempfile.NamedTemporaryFile(suffix=".pcap") as f:
            f.write(self.pcap(port))
            f.flush()
            done = subprocess.run(["tshark", "-n", "-r", f.name, *arguments], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
