"""gatewayctl new: a block for each device type, which gatewayd takes as it is."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

from gatewayd import program  # noqa: E402


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


def new(*argv):
    return run(program("gatewayctl"), "new", *argv)


class Blocks(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "site.yaml")
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
            os.chmod(path, 0o600)  # some blocks have secrets
            return run(program("gatewayd"), "--check", "--strict", "--verbose", "--config", path)


class New(Blocks):
    def types(self):
        r = self.check("name: g\ndevices:\n- {module: nope, name: a}\n")
        listed = re.search("expected one of (.*), found 'nope'", r.stderr)[1]
        return [t.removeprefix("hat.gateway.devices.").replace(".", "_") for t in listed.split(", ")]

    def test_each_type(self):
        types = self.types()
        self.assertGreaterEqual(len(types), 12)
        for kind in types:
            with self.subTest(kind):
                r = new(kind, 'bay 1: "x"')
                self.assertEqual((r.returncode, r.stderr), (0, ""))
                self.assertLess(max(map(len, r.stdout.splitlines())), 81)
                checked = self.check("name: g\ndevices:\n" + r.stdout)
                self.assertEqual((checked.returncode, checked.stderr.count("warning")), (0, 0), checked.stderr)
                self.assertIn(f'bay 1: "x" ({kind})', checked.stdout)

    def test_what_is_none(self):
        r = new("modbus_mastr", "a")
        self.assertEqual(r.returncode, 2)
        self.assertIn("did you mean 'modbus_master'?", r.stderr)
        for argv in ((), ("ping",), ("ping", "a", "b")):
            self.assertEqual((new(*argv).returncode, new(*argv).stdout), (2, ""))


class FromScl(Blocks):
    """The block of an IEC 61850 client from the file of its server."""

    CID = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib", "bay.cid")

    def scl(self, text, *argv):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.cid")
            with open(path, "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
            return new("iec61850_client", "bay", "--scl", path, *argv)

    def refused(self, why, text, *argv):
        r = self.scl(text, *argv)
        self.assertEqual((r.returncode, r.stdout), (1, ""), r.stderr)
        self.assertIn(why, r.stderr)

    def cid(self):
        with open(self.CID, encoding="utf-8") as f:
            return f.read()

    def test_a_bay(self):
        r = new("iec61850_client", "bay", "--scl", self.CID)
        self.assertEqual(r.returncode, 0, r.stderr)
        checked = self.check("name: g\ndevices:\n" + r.stdout)
        self.assertEqual((checked.returncode, checked.stderr.count("warning")), (0, 0), checked.stderr)
        node = "{logical_device: BAY1CTRL, logical_node: CSWI1"
        for part in (
                'host: "127.0.0.1"', "port: 102", "remote_tsel: 1\n", "remote_ap_title: [1, 1, 9999, 1]",
                "{name: stVal, type: DOUBLE_POINT}, {name: q, type: QUALITY}, {name: t, type: TIMESTAMP}, "
                "{name: stSeld, type: BOOLEAN}]}}",
                "{name: cVal, type: VECTOR}", "{name: mag, type: ANALOGUE}", "{name: dirGeneral, type: DIRECTION}",
                "type: BUFFERED, name: brcb01}\n    report_id: positions\n",
                "trigger_options: [DATA_CHANGE, QUALITY_CHANGE, GENERAL_INTERROGATION]\n"
                "    optional_fields: [SEQUENCE_NUMBER, REPORT_TIME_STAMP, REASON_FOR_INCLUSION, DATA_SET_NAME, "
                "BUFFER_OVERFLOW, ENTRY_ID]\n    conf_revision: 1\n    buffer_time: 20\n",
                "type: UNBUFFERED, name: urcb}\n    report_id: \"\"\n", "integrity_period: 60000\n",
                f"value: {node}, fc: ST, names: [Pos, stVal]}}\n    quality: {node}, fc: ST, names: [Pos, q]}}\n"
                f"    timestamp: {node}, fc: ST, names: [Pos, t]}}\n    selected: {node}, fc: ST, names: [Pos, stSeld]}}",
                "- name: BAY1MEAS.MMXU1.A.phsB\n", "names: [Hz, mag, f]}", "- name: BAY1CTRL.xGGIO1.Ind1.again\n",
                "- name: BAY1CTRL.CSWI1.Pos\n    model: SBO_WITH_ENHANCED_SECURITY\n",
                "- name: BAY1CTRL.xGGIO1.SPCSO1\n    model: DIRECT_WITH_NORMAL_SECURITY\n",
                "fc: SP, names: [Lim, setMag]}"):
            self.assertIn(part, r.stdout)
        self.assertNotIn("SPCSO2", r.stdout)
        for note in ("line 28: DataSet 'unread' is left out: member 1: the server has no such logical node",
                     "xGGIO1.SPCSO3: the file does not say its ctlModel"):
            self.assertIn(note, r.stderr)

    def test_the_ied_is_chosen(self):
        two = self.cid().replace("<DataTypeTemplates>", '<IED name="B2"><AccessPoint name="P"><Server><LDevice inst="X">'
                                 '<LN0 lnClass="LLN0" inst="" lnType="LLN0"/></LDevice></Server></AccessPoint></IED>'
                                 "<DataTypeTemplates>")
        self.refused("choose one by --ied: BAY1 B2", two)
        self.refused("no server of an IED 'B3'; there are: BAY1 B2", two, "--ied", "B3")
        r = self.scl(two, "--ied", "B2")
        self.assertEqual((r.returncode, r.stderr), (0, "gatewayctl: " + r.args[5] + ": line " + re.search(
            r"line (\d+)", r.stderr)[1] + ": the file has no address of this access point; set host\n"))
        self.assertIn("  rcbs: []\n", r.stdout)

    def test_encodings_and_editions(self):
        one = self.scl(self.cid())
        self.assertEqual(self.scl(self.cid().replace("UTF-8", "UTF-16").encode("utf-16")).stdout, one.stdout)
        first = self.cid().replace('xmlns="http://www.iec.ch/61850/2003/SCL" xmlns:v="urn:vendor" version="2007" '
                                   'revision="B"', "")
        self.assertEqual(self.scl(first).stdout, one.stdout)
        self.refused("expected the element SCL, found 'urn:vendor|SCL'", '<SCL xmlns="urn:vendor"/>')

    def test_hostile_files(self):
        bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10 if i else "x" * 10}">' for i in range(12))
        self.refused("line 1: a document type", f"<!DOCTYPE SCL [{bomb}]><SCL>&e11;</SCL>")
        self.refused("line 1: a document type", '<!DOCTYPE SCL SYSTEM "/etc/passwd"><SCL/>')
        self.refused("line 2: elements nest deeper than 32", "<SCL>\n" + "<IED>" * 40)
        self.refused("line 3: mismatched tag", "<SCL>\n<IED>\n</SCL>")
        self.refused("line 1: no element found", "")
        self.refused("no IED with a server", "<SCL/>")
        self.refused("larger than 67108864 octets", b" " * (64 << 20 | 1))
        self.refused("line 1: a text longer than 4096", "<SCL><Communication><SubNetwork><ConnectedAP><Address><P>" +
                     "x" * 5000)
        missing = new("iec61850_client", "bay", "--scl", "/nowhere/a.cid")
        self.assertEqual((missing.returncode, missing.stderr),
                         (1, "gatewayctl: /nowhere/a.cid: No such file or directory\n"))

    def test_types_that_have_no_end(self):
        bdas = "".join(f'<BDA name="m{i}" bType="Struct" type="%d"/>' for i in range(100))
        grown = "".join(f'<DAType id="{n}">{bdas.replace("%d", str(n + 1))}</DAType>' for n in range(7))
        mag = '<DA name="mag" bType="Struct" type="AnalogueValue" fc="MX" dchg="true"/>'
        for kind, types, why in (
                ("c", '<DAType id="c"><BDA name="x" bType="Struct" type="c"/></DAType>', "types nest deeper than 10"),
                ("0", grown + '<DAType id="7"><BDA name="x" bType="INT8"/></DAType>', "too large"),
                ("none", "", "has a type that is not known")):
            with self.subTest(kind):
                text = self.cid().replace(mag, mag.replace("AnalogueValue", kind)).replace(
                    "<EnumType", types + "<EnumType", 1)
                r = self.scl(text)
                self.assertIn(why, r.stderr)
                self.assertEqual(r.returncode, 1 if kind == "0" else 0)

    def test_usage(self):
        for argv in (("ping", "a", "--scl", self.CID), ("iec61850_client", "a", "--ied", "x"),
                     ("iec61850_client", "a", "--scl"), ("iec61850_client", "--scl", self.CID)):
            r = new(*argv)
            self.assertEqual((r.returncode, r.stdout), (2, ""))
            self.assertIn("usage: gatewayctl new", r.stderr)


if __name__ == "__main__":
    unittest.main()
