"""A failure ends in what an operator can do about it: each is caused for real, and the sentence is read where a
person would look for it: in the log, in `show`, in `info`, or in gatewayctl's own words."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import iec104  # noqa: E402
import pki  # noqa: E402
import snmp  # noqa: E402
from eventer import EventerServer  # noqa: E402
from gatewayd import BUILD, Gateway, program  # noqa: E402
from modbus_peer import Registers, Slave  # noqa: E402
from smsc import RESPONSE, Smsc  # noqa: E402
from test_iec104_tls import TlsStation, server_context  # noqa: E402
from test_modbus_master import master_conf, register  # noqa: E402
from test_ping import host  # noqa: E402
from test_smpp import client_conf  # noqa: E402
from test_snmp_manager import A, USER, conf as manager_conf  # noqa: E402

TIMES = {"connect_timeout": 0.5, "connect_delay": 1, "request_timeout": 0.2, "request_delay": 0,
         "request_retry_immediate_count": 0, "request_retry_delayed_count": 0, "request_retry_delay": 0}
NAMESPACES = os.geteuid() == 0 and subprocess.run(
    ["unshare", "-n", "ip", "link", "set", "lo", "up"], stderr=subprocess.DEVNULL, check=False).returncode == 0


def master(**transport):
    if "host" in transport:
        transport = {"type": "TCP", **transport}
    else:
        transport = {"type": "SERIAL", "baudrate": 9600, "bytesize": "EIGHTBITS", "parity": "NONE", "stopbits": "ONE",
                     "flow_control": {"xonxoff": False, "rtscts": False, "dsrdtr": False}, "silent_interval": 0.01,
                     **transport}
    return {"module": "modbus_master", "remote_devices": [],
            "connection": {"modbus_type": "TCP" if "host" in transport else "RTU", "transport": transport, **TIMES}}


def slave(address, port):
    return {"module": "modbus_slave", "modbus_type": "TCP", "data": [],
            "transport": {"type": "TCP", "local_host": address, "local_port": port, "remote_hosts": None,
                          "max_connections": None, "response_timeout": 1, "keep_alive_timeout": None}}


def unit(port, number, start=0):
    conf = master_conf(port, [(number, [register("x", start)])])
    conf["remote_devices"][0]["enabled"] = True
    return {"module": "modbus_master", **conf}


def station(port, **security):
    tls = {"cert_path": None, "key_path": None, "verify_cert": True, "ca_path": None, **security}
    return {**iec104.master_conf(port), "module": "iec104_master", "security": tls if security else None}


def manager(port, version="V2C", **more):
    return {"module": "snmp_manager", **manager_conf(port, version, **more)}


def shout(server, words):
    """Serves another protocol."""
    while True:
        try:
            with server.accept()[0] as s:
                s.sendall(words)
                s.recv(1000)
        except ConnectionError:
            pass
        except OSError:
            return


class Case(unittest.TestCase):
    def check(self, rows, **options):
        """rows: name -> (device, text). Each device says its text in the log, and in `show`."""
        conf = {"devices": [{**device, "name": name, "enabled": True} for name, (device, _) in rows.items()]}
        with Gateway(conf, **options) as g:
            for name, (_, text) in rows.items():
                with self.subTest(name):
                    g.wait(lambda: any(f" {name}: " in line and text in line for line in g.log()),
                           f"{name}: {text} in the log")
                    g.wait(lambda: text in g.ctl.text("show", name), f"{text} in show {name}")


class Here(Case):
    def modbus(self):
        def silence(device, transaction, number, pdu):
            return True

        def refuse(device, transaction, number, pdu):
            device.reply(transaction, number, bytes([pdu[0] | 0x80, 11]))
            return True

        rows = {}
        for name, start, answer, text in (
                ("absent", 0, silence, "no answer within 0.2 s; check device_id, the line"),
                ("behind", 0, refuse, "gateway target device failed to respond; check device_id"),
                ("register", 500, None, "illegal data address; compare data_type and start_address")):
            device = Slave(device=Registers({0: 7}))
            self.addCleanup(device.stop)
            device.device.refused.add(500)
            device.on_request = answer
            rows[name] = unit(device.port, 1, start), text
        return rows

    def sockets(self):
        taken, closed = socket.socket(), socket.socket()
        for s in taken, closed:
            self.addCleanup(s.close)
            s.bind(("127.0.0.1", 0))
        taken.listen()
        full = socket.create_server(("127.0.0.1", 0), backlog=0)  # drops what comes beyond its queue, as a firewall does
        self.addCleanup(full.close)
        for _ in range(3):
            s = socket.socket()
            self.addCleanup(s.close)
            s.setblocking(False)
            s.connect_ex(full.getsockname())
        return {
            "silent": (master(host="127.0.0.1", port=full.getsockname()[1]),
                       "within 0.5 s; check the peer's power, cable and address"),
            "refused": (master(host="127.0.0.1", port=closed.getsockname()[1]),
                        "Connection refused; check the port, and that the peer's server runs"),
            "taken": (slave("127.0.0.1", taken.getsockname()[1]),
                      "Address already in use; 'ss -lntup' shows which program has that port"),
            "elsewhere": (slave("192.0.2.1", 19997), "Cannot assign requested address; no interface has that address"),
            "nowhere": (master(host="nowhere.invalid", port=502), "; check"),
        }

    def ttys(self):
        main, line = os.openpty()
        self.addCleanup(os.close, main)
        self.addCleanup(os.close, line)
        fcntl.flock(line, fcntl.LOCK_EX)
        return {
            "unplugged": (master(port="/dev/ttyNONE9"), "No such file or directory; check that the adapter is plugged in"),
            "notty": (master(port="/dev/null"), "Inappropriate ioctl for device; name a serial port, as /dev/ttyS0"),
            "used": (master(port=os.ttyname(line)), "Device or resource busy; 'fuser' with its path shows"),
        }

    def snmp(self):
        def deaf(agent, message, address):
            return [] if message.community != b"secret" else None

        def puzzled(agent, message, address):
            return [agent.report(message, 6 if message.engine else 4)]

        agents = [snmp.Agent({A: (snmp.INTEGER, b"\1")}, user, answer=answer) for user, answer in (
            (None, deaf), (USER, None), (USER, puzzled))]
        for agent in agents:
            self.addCleanup(agent.stop)
        community, users, privacy = (agent.port for agent in agents)
        return {
            "community": (manager(community), "no answer; check the community, the port"),
            "user": (manager(users, "V3", user="nobody"), "UNKNOWN_USER_NAMES; check user: the agent has no such"),
            "password": (manager(users, "V3", authentication={"type": "SHA", "password": "password2"}),
                         "WRONG_DIGESTS; compare authentication's type and password"),
            "privacy": (manager(privacy, "V3", privacy={"type": "AES", "password": "password2"}),
                        "DECRYPTION_ERRORS; compare privacy's type and password"),
            "level": (manager(users, "V3", authentication=None),
                      "security level; compare authentication and privacy"),
        }

    def smpp(self):
        def refuse(centre, status):
            while True:
                try:
                    session = centre.session()
                    bind = session.take()
                    session.say(bind.command | RESPONSE, status, bind.sequence)
                    self.addCleanup(session.close)
                except (OSError, AttributeError):
                    return

        rows = {}
        for name, status, text in (("smppword", 0x0E, "RINVPASWD; check password"),
                                   ("smppid", 0x0F, "RINVSYSID; check system_id"),
                                   ("bound", 0x05, "RALYBND; stop the other client")):
            centre = Smsc()
            self.addCleanup(centre.close)
            threading.Thread(target=refuse, args=(centre, status), daemon=True).start()
            rows[name] = {"module": "smpp_client", **client_conf(centre.port), "reconnect_delay": 1}, text
        return rows

    def iec104(self):
        def answer(server):
            peer = server.accept()
            peer.send(iec104.asdu(100, 46, 9, [(0, b"\x14")], negative=True))
            self.addCleanup(peer.close)

        server = iec104.Station()
        self.addCleanup(server.close)
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        return {"common": (station(server.port),
                           "common address 9: unknown common address; compare the common address")}

    def tls(self):
        def serve(server):
            while True:
                try:
                    peer = server.accept(start=False)
                    if peer:
                        peer.sock.recv(1)
                        self.addCleanup(peer.close)
                except OSError:
                    return

        folder = self.enterContext(tempfile.TemporaryDirectory())
        ours, theirs = pki.Authority(folder), pki.Authority(folder, "other")
        old = ours.issue("old", start="20200101000000Z", end="20200201000000Z")
        rows = {}
        for name, cert, ca, security, text in (
                ("untrusted", theirs.issue("peer"), None, {}, "put the authority that signed it into the file of ca_path"),
                ("expired", old, None, {}, "certificate has expired; the peer needs a new certificate"),
                ("early", ours.issue("early", start="20990101000000Z", end="20990201000000Z"), None, {},
                 "certificate is not yet valid; check this host's clock"),
                ("misnamed", ours.issue("else", host="DNS:else.example"), None, {"verify_host": True},
                 "the peer needs a certificate that names this host"),
                ("unwanted", ours.issue("strict"), ours.cert, {},
                 "the peer refuses our certificate: check cert_path")):
            server = TlsStation(server_context(*cert, ca))
            self.addCleanup(server.close)
            threading.Thread(target=serve, args=(server,), daemon=True).start()
            rows[name] = station(server.port, ca_path=ours.cert, **security), text
        plain = iec104.Station()
        self.addCleanup(plain.close)

        threading.Thread(target=shout, args=(plain.sock, b"SSH-2.0-OpenSSH_9.2\r\n"), daemon=True).start()
        rows["plain"] = station(plain.port, ca_path=ours.cert), "the peer does not speak TLS there"
        rows["missing"] = station(1, ca_path=folder + "/none.pem"), "; put the file there, or correct the path"
        shutil.copy(ours.cert, folder + "/open.pem")
        os.chmod(folder + "/open.pem", 0o666)
        rows["writable"] = station(1, ca_path=folder + "/open.pem"), "; take the right to write"
        return rows

    def test_each(self):
        self.check({**self.modbus(), **self.sockets(), **self.ttys(), **self.snmp(), **self.smpp(), **self.iec104(),
                    **self.tls()})


@unittest.skipUnless(NAMESPACES, "needs root, and a network namespace")
class Unprivileged(Case):
    """As a user without rights, on a host with a network of its own."""

    NETWORK = ("ip link set lo up && ip route add unreachable 198.51.100.0/24 && "
               'mount --bind "$0/resolv.conf" /etc/resolv.conf && shift && '
               'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0/gatewayd" "$@"')

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="gatewayd-remedies-"))
        os.chmod(self.folder, 0o755)
        for name in "gatewayd", "gateway-eventd":
            shutil.copy(program(name), self.folder)
        shutil.copytree(os.path.join(BUILD, "libexec"), os.path.join(self.folder, "libexec"))
        with open(os.path.join(self.folder, "resolv.conf"), "w", encoding="ascii") as f:
            f.write("nameserver 192.0.2.53\n")
        self.wrap = ["unshare", "-n", "-m", "sh", "-c", self.NETWORK, self.folder]

    def gateway(self, devices):
        g = Gateway({"devices": devices}, start=False, wrap=self.wrap)
        self.addCleanup(g.close)
        for path in g.dir, g.runtime, g.state:
            os.chown(path, 65534, 65534)
        return g

    def test_each(self):
        main, line = os.openpty()
        self.addCleanup(os.close, main)
        self.addCleanup(os.close, line)
        os.chmod(os.ttyname(line), 0o600)
        secret = os.path.join(self.folder, "secret.pem")
        with open(os.open(secret, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as f:
            f.write("x")
        rows = {
            "noroute": (master(host="192.0.2.1", port=502), "Network is unreachable; this host has no route there"),
            "unreachable": (master(host="198.51.100.1", port=502), "No route to host; check the device's power"),
            "unresolved": (master(host="plc.example", port=502), "; check the name servers in /etc/resolv.conf"),
            "low": (slave("127.0.0.1", 502), "Permission denied; a port below 1024 needs CAP_NET_BIND_SERVICE"),
            "group": (master(port=os.ttyname(line)), "Permission denied; the user of gatewayd needs the tty's group"),
            "unreadable": (station(1, ca_path=secret), "Permission denied; the user of gatewayd needs to read it"),
            "ping": ({"module": "ping", "remote_devices": [host("here")]}, "; net.ipv4.ping_group_range (sysctl)"),
        }
        conf = [{**device, "name": name, "enabled": True} for name, (device, _) in rows.items()]
        g = self.gateway(conf)
        g.start()
        for name, (_, text) in rows.items():
            with self.subTest(name):
                g.wait(lambda: any(f" {name}: " in x and text in x for x in g.log()), f"{name}: {text} in the log")
                g.wait(lambda: text in g.ctl.text("show", name), f"{text} in show {name}")

    def test_a_folder_of_another(self):
        g = self.gateway([])
        os.chown(g.runtime, 0, 0)
        g.start(wait=False)
        g.wait_log("; the user of gatewayd has to own that folder")


class Gateways(unittest.TestCase):
    def server(self, port):
        return {"event_server": {"eventer_server": {"host": "127.0.0.1", "port": port}}}

    def told(self, g, text):
        """In the log, in `info`, and in `health`."""
        g.wait_log(text)
        for command in "info", "health":
            g.wait(lambda: text in g.ctl.run(command).stdout, f"{text} in {command}")

    def test_the_event_server_refuses(self):
        server = EventerServer()
        self.addCleanup(server.close)
        server.init_error = "invalid client token"
        with Gateway(self.server(server.port)) as g:
            self.told(g, "invalid client token; compare 'token' of event_server with the server's")

    def test_no_event_server_at_that_port(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            threading.Thread(target=shout, args=(s, b"HTTP/1.1 400 Bad Request\r\n\r\n"), daemon=True).start()
            with Gateway(self.server(s.getsockname()[1])) as g:
                self.told(g, "malformed chatter frame; check the port of event_server")
            s.shutdown(socket.SHUT_RDWR)

    def test_nobody_at_that_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            with Gateway(self.server(s.getsockname()[1])) as g:
                self.told(g, "Connection refused; check the port, and that the peer's server runs")

    def test_no_gateway(self):
        r = subprocess.run([program("gatewayctl"), "--socket", "/nonexistent", "status"], capture_output=True, text=True)
        self.assertEqual(r.returncode, 3)
        self.assertIn("Is gatewayd running (systemctl status gatewayd)?", r.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_stranger_to_the_control_group(self):
        with Gateway({}) as g:
            os.chmod(g.dir, 0o755)
            copy = shutil.copy(program("gatewayctl"), g.dir)
            r = subprocess.run([copy, "--socket", g.socket, "status"], user=65534, group=65534, extra_groups=[],
                               capture_output=True, text=True)
        self.assertEqual(r.returncode, 3)
        self.assertIn("Be root, or in the group that the configuration names", r.stderr)

    @unittest.skipUnless(NAMESPACES, "needs a mount namespace")
    def test_a_full_disk(self):
        g = Gateway({"devices": []}, start=False)
        self.addCleanup(g.close)
        g.wrap = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=16k,mode=700 none "$0" && exec "$@"', g.state]
        g.start(wait=False)
        g.wait_log("'df' shows it")


if __name__ == "__main__":
    unittest.main()
