"""SNMP with stacks that we did not write: net-snmp's agent and senders in every pair of digest and cipher, the agent
and the senders of hat-drivers, pysnmp; and hat-gateway's devices beside ours, for the same events."""

import asyncio
import logging
import os
import shutil
import unittest

import peers  # noqa: F401

try:
    import hat.gateway.devices.snmp.manager as hat_manager
    import hat.gateway.devices.snmp.trap_listener as hat_listener
    from hat.drivers import snmp as hat_snmp
    from hat.drivers import udp
    import pysnmp.hlapi.v3arch.asyncio as py
except ImportError as e:
    raise unittest.SkipTest(f"a peer is not importable: {e}")

import net_snmp  # noqa: E402
import snmp  # noqa: E402
from hat_device import LoopCase, Reference  # noqa: E402
from net_snmp import pairs, user_conf, user_name, user_options  # noqa: E402
from runner_host import Runner  # noqa: E402
from test_snmp_manager import conf as manager_conf  # noqa: E402

logging.disable(logging.CRITICAL)
RUNNER = os.path.join(os.environ.get("BUILD", "build"), "libexec/snmp")
DESCR, CONTACT, UPTIME = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.4.0", "1.3.6.1.2.1.1.3.0"
OBJECT = "1.3.6.1.4.1.8072.9999.1"


def free_udp_port():
    with snmp.bound() as s:
        return s.getsockname()[1]


def events(device):
    return [(e.type, e.payload) for e in device.events]


class Case(LoopCase):
    def manager(self, port, version="V2C", **more):
        conf = manager_conf(port, version, **{"request_timeout": 1, "polling_oids": [DESCR], **more})
        r = Runner(RUNNER, "snmp_manager", conf)
        self.addCleanup(r.stop)
        return r

    def listener(self, devices, users=(), **more):
        port = free_udp_port()
        r = Runner(RUNNER, "snmp_trap_listener", {
            "name": "traps", "local_host": "127.0.0.1", "local_port": port, "users": list(users),
            "remote_devices": devices, **more})
        self.addCleanup(r.stop)
        r.wait(lambda: r.ready)
        return r, port


def device(name, version, **key):
    return {"name": name, "version": version, "oids": [OBJECT], "string_hex_oids": [], **key}


class NetSnmpAgent(Case):
    @classmethod
    def setUpClass(cls):
        cls.agent = net_snmp.Snmpd()

    @classmethod
    def tearDownClass(cls):
        cls.agent.stop()

    def check(self, r, text, what=None):
        r.wait_event("gateway/read/" + DESCR)
        self.assertEqual(r.events[2].payload["data"], {"type": "STRING", "value": "a test"}, what)
        r.send("system/write/" + CONTACT, {"session_id": 1, "data": {"type": "STRING", "value": text}})
        r.wait_event("gateway/write/" + CONTACT, {"session_id": 1, "success": True})
        r.send("system/read/" + CONTACT, {"session_id": 2})
        r.wait_event("gateway/read/" + CONTACT, {
            "session_id": 2, "cause": "REQUESTED", "data": {"type": "STRING", "value": text}})
        self.assertEqual(r.stop(), 0)

    def test_communities(self):
        for version in "V1", "V2C":
            self.check(self.manager(self.agent.port, version, community="private"), version)
            shown = net_snmp.run("snmpget", "-v2c", "-c", "public", "-Ovq", f"127.0.0.1:{self.agent.port}", CONTACT)
            self.assertIn(version, shown)

    def test_every_pair(self):
        for auth, priv in pairs():
            with self.subTest(auth=auth, priv=priv):
                self.check(self.manager(self.agent.port, "V3", user=user_name(auth, priv), **user_conf(auth, priv)),
                           f"by {auth} {priv}", (auth, priv))

    def test_what_is_encrypted_is_shown(self):
        conf = manager_conf(self.agent.port, "V3", user=user_name("SHA", "AES"), **user_conf("SHA", "AES"),
                            request_timeout=1, polling_oids=[DESCR])
        r = Runner(RUNNER, "snmp_manager", conf, log_level=7)
        self.addCleanup(r.stop)
        for text in "encrypted: get-request ", "encrypted: response ", f'{DESCR} "a test"':
            r.wait(lambda text=text: [line for line in r.log if text in line])

    def test_wrong_password_and_wrong_user(self):
        for user, password, error in ((user_name("SHA", None), "not this one", "WRONG_DIGESTS"),
                                      ("nobody", "not this one", "UNKNOWN_USER_NAMES")):
            r = self.manager(self.agent.port, "V3", user=user,
                             authentication={"type": "SHA", "password": password})
            r.wait_event("gateway/read/" + DESCR, {
                "session_id": None, "cause": "INTERROGATE", "data": {"type": "ERROR", "value": error}})

    def test_several_objects(self):
        names = [DESCR, "1.3.6.1.2.1.1.2.0", UPTIME, CONTACT, "1.3.6.1.2.1.1.7.0", "1.3.6.1.5.5"]
        for version in "V1", "V2C":
            r = self.manager(self.agent.port, version, polling_oids=names, max_oids_per_request=6)
            for name in names:
                r.wait_event("gateway/read/" + name)
            got = {e.type: e.payload["data"] for e in r.events[2:8]}
            self.assertEqual(got["gateway/read/" + names[4]], {"type": "INTEGER", "value": 72})
            self.assertEqual(got["gateway/read/" + names[5]], {
                "type": "ERROR", "value": "NO_SUCH_NAME" if version == "V1" else "NO_SUCH_OBJECT"})

    def test_agent_that_restarts(self):
        r = self.manager(self.agent.port, "V3", user=user_name("SHA256", "AES"), polling_oids=[UPTIME],
                         request_timeout=0.3, request_retry_count=20, **user_conf("SHA256", "AES"))
        r.wait_event("gateway/read/" + UPTIME)
        self.agent.end()
        self.agent.start()
        n = len(r.events)
        r.wait(lambda: len(r.events) > n + 3)
        self.assertNotIn("ERROR", [e.payload["data"]["type"] for e in r.events[2:] if e.type != "gateway/status"])


@unittest.skipUnless(shutil.which("snmptrap"), "net-snmp's programs are not installed")
class NetSnmpSenders(Case):
    def test_communities(self):
        r, port = self.listener([device("old", "V1", community="public"), device("new", "V2C", community="public")])
        to = f"127.0.0.1:{port}"
        net_snmp.run("snmptrap", "-v1", "-c", "public", to, "1.3.6.1.4.1.9", "10.0.0.1", "6", "1", "", OBJECT, "i", "1")
        net_snmp.run("snmptrap", "-v2c", "-c", "public", to, "", "1.3.6.1.4.1.9.1", OBJECT, "i", "2")
        net_snmp.run("snmpinform", "-v2c", "-c", "public", to, "", "1.3.6.1.4.1.9.1", OBJECT, "i", "3")
        r.wait(lambda: len(r.events) == 3)
        self.assertEqual([(e.type, e.payload["value"]) for e in r.events], [
            (f"gateway/data/{d}/{OBJECT}", v) for d, v in (("old", 1), ("new", 2), ("new", 3))])

    def test_every_pair(self):
        users = [{"name": user_name(a, p), **user_conf(a, p)} for a, p in pairs()]
        r, port = self.listener([device("all", "V3", context=None)], users)
        number = 0
        for auth, priv in pairs():
            for program, more in (("snmptrap", ["-e", "0x8000000001020304"]), ("snmpinform", [])):
                with self.subTest(auth=auth, priv=priv, program=program):
                    number += 1
                    net_snmp.run(program, *user_options(auth, priv), *more, f"127.0.0.1:{port}", "",
                                 "1.3.6.1.4.1.9.1", OBJECT, "i", str(number))
                    r.wait_event(f"gateway/data/all/{OBJECT}", {"type": "INTEGER", "value": number})

    def test_stranger_gets_no_answer(self):
        r, port = self.listener([device("all", "V3", context=None)], [{"name": "a", **user_conf("SHA", None)}])
        for options in (user_options("SHA", None), ["-v3", "-l", "noAuthNoPriv", "-u", "a"]):
            with self.assertRaises(AssertionError):
                net_snmp.run("snmpinform", *options, "-t", "0.5", "-r", "1", f"127.0.0.1:{port}", "",
                             "1.3.6.1.4.1.9.1", OBJECT, "i", "1")
        self.assertFalse(r.events)


class HatDrivers(Case):
    """Agent and senders of hat-drivers, whose DES key is always made by MD5."""

    USERS = ((None, None), ("MD5", None), ("SHA", None), ("MD5", "DES"))

    def user(self, auth, priv):
        return hat_snmp.User(
            name=user_name(auth, priv), auth_type=auth and hat_snmp.AuthType[auth],
            auth_password=auth and net_snmp.AUTH_PASSWORD, priv_type=priv and hat_snmp.PrivType[priv],
            priv_password=priv and net_snmp.PRIV_PASSWORD)

    def test_agent(self):
        run, port, wrote = self.loop(), free_udp_port(), []
        oid = tuple(map(int, OBJECT.split(".")))

        def answer(request):
            if isinstance(request, hat_snmp.SetDataReq):
                wrote.append(request.data[0])
                return request.data
            return [hat_snmp.IntegerData(oid, 7)]
        agent = run(hat_snmp.create_agent(
            udp.Address("127.0.0.1", port), v1_request_cb=lambda a, c, r: answer(r),
            v2c_request_cb=lambda a, c, r: answer(r), v3_request_cb=lambda a, u, c, r: answer(r),
            authoritative_engine_id=snmp.ENGINE, users=[self.user(*u) for u in self.USERS]))
        self.addCleanup(lambda: run(agent.async_close()))
        rows = [("V1", {}), ("V2C", {}), *(("V3", {"user": user_name(*u), **user_conf(*u)}) for u in self.USERS)]
        for version, more in rows:
            with self.subTest(version, **more):
                r = self.manager(port, version, polling_oids=[OBJECT], **more)
                r.wait_event("gateway/read/" + OBJECT, {
                    "session_id": None, "cause": "INTERROGATE", "data": {"type": "INTEGER", "value": 7}})
                r.send("system/write/" + OBJECT, {"session_id": 1, "data": {"type": "COUNTER", "value": 5}})
                r.wait_event("gateway/write/" + OBJECT, {"session_id": 1, "success": True})
                self.assertEqual(wrote[-1], hat_snmp.CounterData(oid, 5))
                r.stop()

    def test_senders(self):
        run = self.loop()
        oid = tuple(map(int, OBJECT.split(".")))
        r, port = self.listener(
            [device("one", "V1", community="c"), device("two", "V2C", community="c"),
             device("three", "V3", context={"engine_id": snmp.ENGINE.hex(), "name": "ctx"})],
            [{"name": user_name(*u), **user_conf(*u)} for u in self.USERS])
        to, number = udp.Address("127.0.0.1", port), 0

        def play(name, sender, inform):
            nonlocal number
            for kind in ("trap", "inform") if inform else ("trap",):
                number += 1
                data = [hat_snmp.IntegerData(oid, number)]
                if kind == "trap":
                    sender.send_trap(hat_snmp.Trap(
                        cause=hat_snmp.Cause(hat_snmp.CauseType.COLD_START, 0) if name == "one" else None,
                        oid=(1, 3, 6), timestamp=1, data=data))
                else:
                    run(asyncio.wait_for(sender.send_inform(hat_snmp.Inform(data)), 10))
                r.wait_event(f"gateway/data/{name}/{OBJECT}", {"type": "INTEGER", "value": number})
            run(sender.async_close())
        async def v1(): return await hat_snmp.create_v1_trap_sender(to, "c")
        async def v2c(): return await hat_snmp.create_v2c_trap_sender(to, "c")
        play("one", run(v1()), False)
        play("two", run(v2c()), True)
        for u in self.USERS:
            with self.subTest(u):
                async def v3(u=u):
                    return await hat_snmp.create_v3_trap_sender(
                        to, snmp.ENGINE, hat_snmp.Context(snmp.ENGINE, "ctx"), self.user(*u))
                play("three", run(v3()), True)


class PySnmp(Case):
    AUTH = {None: py.usmNoAuthProtocol, "MD5": py.usmHMACMD5AuthProtocol, "SHA": py.usmHMACSHAAuthProtocol,
            "SHA224": py.usmHMAC128SHA224AuthProtocol, "SHA256": py.usmHMAC192SHA256AuthProtocol,
            "SHA384": py.usmHMAC256SHA384AuthProtocol, "SHA512": py.usmHMAC384SHA512AuthProtocol}
    PRIV = {None: py.usmNoPrivProtocol, "DES": py.usmDESPrivProtocol, "AES": py.usmAesCfb128Protocol}

    def test_notifications(self):
        users = [(a, p) for a, p in pairs() if p in self.PRIV]
        r, port = self.listener([device("all", "V3", context=None), device("two", "V2C", community="c")],
                                [{"name": user_name(*u), **user_conf(*u)} for u in users])
        run = self.loop()

        async def send(number, kind, who):
            engine = py.SnmpEngine()
            try:
                return await py.send_notification(
                    engine, who, await py.UdpTransportTarget.create(("127.0.0.1", port), 2, 2), py.ContextData(), kind,
                    py.NotificationType(py.ObjectIdentity("1.3.6.1.4.1.9.1")).add_varbinds(
                        (OBJECT, py.Integer32(number))))
            finally:
                engine.close_dispatcher()
        number = 0
        rows = [("two", py.CommunityData("c", mpModel=1))]
        for auth, priv in users:
            rows.append(("all", py.UsmUserData(
                user_name(auth, priv), auth and net_snmp.AUTH_PASSWORD, priv and net_snmp.PRIV_PASSWORD,
                authProtocol=self.AUTH[auth], privProtocol=self.PRIV[priv])))
        for name, who in rows:
            for kind in "trap", "inform":
                with self.subTest(name, kind=kind, user=getattr(who, "userName", None)):
                    number += 1
                    error, status, _, _ = run(send(number, kind, who))
                    self.assertFalse(error or status, (error, status))
                    r.wait_event(f"gateway/data/{name}/{OBJECT}", {"type": "INTEGER", "value": number})


class BesideHatGateway(Case):
    """The same agent, the same traps: the same events, in the same order."""

    def play_manager(self, make, version, **more):
        values = {DESCR: (snmp.STRING, b"one\xff"), UPTIME: (snmp.TICKS, b"\1\2"), OBJECT: (snmp.STRING, b"\0\1")}
        agent = snmp.Agent(values, ("operator", "MD5", "password1"))
        conf = manager_conf(agent.port, version, polling_oids=[DESCR, UPTIME, "1.3.6.1.9", OBJECT],
                            string_hex_oids=[OBJECT], request_timeout=1, **more)
        d = make(conf)
        try:
            d.wait(lambda: len(d.events) >= 6)
            agent.values[UPTIME] = (snmp.TICKS, b"\3")
            d.wait(lambda: len(d.events) >= 7)
            d.send("system/read/" + DESCR, {"session_id": {"a": 1}})
            d.wait(lambda: len(d.events) >= 8)
            d.send("system/read/1.3.6.1.9", {"session_id": 2})
            d.wait(lambda: len(d.events) >= 9)
            d.send("system/write/1.3.6.1.7", {"session_id": 3, "data": {"type": "IP_ADDRESS", "value": "10.0.0.1"}})
            d.wait(lambda: len(d.events) >= 10)
        finally:
            d.stop()
            agent.stop()
        # The reference may say CONNECTED once more while it closes.
        return events(d)[:11]

    def test_manager(self):
        for version, more in (("V1", {}), ("V2C", {}), ("V3", {
                "authentication": {"type": "MD5", "password": "password1"}})):
            theirs = self.play_manager(lambda c: Reference(hat_manager.info, c), version, **more)
            ours = self.play_manager(lambda c: Runner(RUNNER, "snmp_manager", c), version, **more)
            self.assertEqual(ours, theirs, version)
            self.assertEqual(len(ours), 11)

    def play_listener(self, make):
        port = free_udp_port()
        up = snmp.UPTIME
        oids = [OBJECT, OBJECT + ".1", up]
        context = {"engine_id": snmp.ENGINE.hex(), "name": "bay"}
        conf = {"name": "t", "local_host": "127.0.0.1", "local_port": port, "users": [
            {"name": "open", "authentication": None, "privacy": None},
            {"name": "auth", "authentication": {"type": "SHA", "password": "password1"}, "privacy": None}],
            "remote_devices": [
                {"version": v, "community": c, "name": f"{v}{c}", "oids": oids, "string_hex_oids": [OBJECT + ".1"]}
                for v in ("V1", "V2C") for c in (None, "public", "other")] + [
                {"version": "V3", "context": c, "name": f"V3{i}", "oids": oids, "string_hex_oids": []}
                for i, c in enumerate((None, context, {**context, "name": "other"}))]}
        values = [(OBJECT + ".1", snmp.STRING, b"\1a"), (OBJECT, snmp.STRING, b"\xe2\x82b"), ("1.3.9", snmp.INTEGER, b"\1")]
        key = snmp.key("SHA", "password1", snmp.ENGINE)
        d = make(conf)
        try:
            d.wait(lambda: getattr(d, "ready", True))
            with snmp.bound() as s:
                s.settimeout(10)
                for datagram, expected in (
                        (snmp.trap_v1(values), 4), (snmp.trap_v2c(values), 8), (snmp.trap_v2c(values, "x"), 10),
                        (snmp.trap_v2c(values, kind=snmp.INFORM), 16),
                        (snmp.v3(snmp.pdu(snmp.TRAP, 1, snmp.trap_bindings(values)), 1, 0, user="open",
                                 context=b"bay"), 20),
                        (snmp.v3(snmp.pdu(snmp.INFORM, 1, snmp.trap_bindings(values)), 2, snmp.AUTH | snmp.REPORTABLE,
                                 user="auth", auth="SHA", auth_key=key, context=b"bay"), 26)):
                    s.sendto(datagram, ("127.0.0.1", port))
                    d.wait(lambda n=expected: len(d.events) >= n)
                answers = [s.recv(2000), s.recv(2000)]
        finally:
            d.stop()
        return events(d), answers

    def test_listener(self):
        theirs, their_answers = self.play_listener(lambda c: Reference(hat_listener.info, c))
        ours, our_answers = self.play_listener(lambda c: Runner(RUNNER, "snmp_trap_listener", c))
        self.assertEqual(ours, theirs)
        self.assertEqual(our_answers[0], their_answers[0])
        self.assertEqual([snmp.Message(a).bindings for a in our_answers],
                         [snmp.Message(a).bindings for a in their_answers])


if __name__ == "__main__":
    unittest.main()
