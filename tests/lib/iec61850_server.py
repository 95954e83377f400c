"""libiec61850's server, by pyiec61850-ng, in a process of its own: a small model with reports of both kinds and controls
of all four models. Run by the interop tests; GPL code stays in that process.

As a program: iec61850_server.py PORT; says "up" when it listens, then takes lines from stdin:
  bool REF 0|1 | float REF VALUE     sets an attribute of LD0, as GGIO1.Ind1.stVal, and answers "done"
and says a line for each control: "control NAME VALUE"."""

import os
import subprocess
import sys
import threading

from patience import WAIT_S
from ports import free_port

INDICATIONS = 4
WIDE = 100  # members of the data set "wide": GGIO2$MX$AnIn1 and so on
# Names of controls and their models; the number is libiec61850's.
CONTROLS = {"SPCSO1": "DIRECT_NORMAL", "SPCSO2": "SBO_NORMAL", "SPCSO3": "DIRECT_ENHANCED", "SPCSO4": "SBO_ENHANCED"}
DATASET = [f"GGIO1$ST$Ind{i + 1}" for i in range(INDICATIONS)] + ["GGIO1$MX$AnIn1"]
# The end of an SCL file whose nodes are LLN0 and GGIO.
TEMPLATES = """ <DataTypeTemplates>
  <LNodeType id="LLN0" lnClass="LLN0"/>
  <LNodeType id="GGIO" lnClass="GGIO"><DO name="Ind1" type="SPS"/></LNodeType>
  <DOType id="SPS" cdc="SPS"><DA name="stVal" bType="BOOLEAN" fc="ST" dchg="true"/>
   <DA name="q" bType="Quality" fc="ST" qchg="true"/><DA name="t" bType="Timestamp" fc="ST"/></DOType>
 </DataTypeTemplates>
</SCL>
"""


def serve_scl(test, path):
    """Starts open61850's server of that file; its port."""
    port = free_port()
    server = subprocess.Popen([os.environ.get("IEC61850_PYTHON", sys.executable), "-u", "-m", "open61850.server", path,
                               "--host", "127.0.0.1", "--port", str(port)], stderr=subprocess.PIPE, text=True)
    test.addCleanup(server.stderr.close)
    test.addCleanup(server.wait)
    test.addCleanup(server.kill)
    test.assertIn(str(port), server.stderr.readline())
    return port


class Server:
    """The process, as tests use it."""

    def __init__(self, python, port):
        self.port = port
        self.lines = []
        self._changed = threading.Condition()
        self._process = subprocess.Popen([python, "-u", __file__, str(port)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.wait("up")

    def _read(self):
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line.strip())
                self._changed.notify_all()
        with self._changed:
            self.lines.append(None)
            self._changed.notify_all()

    def wait(self, line, timeout=WAIT_S):
        """Until the process has said that line, which is taken out."""
        with self._changed:
            ok = self._changed.wait_for(lambda: line in self.lines or None in self.lines, timeout)
            if not ok or line not in self.lines:
                raise AssertionError(f"the server did not say {line!r}: {self.lines}")
            self.lines.remove(line)

    def do(self, command):
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        self.wait("done")

    def stop(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def model(m):
    """The model, and its nodes by name."""
    ied = m.IedModel_create("test")
    ld = m.LogicalDevice_create("LD0", ied)
    lln0 = m.LogicalNode_create("LLN0", ld)
    m.CDC_ENS_create("Mod", m.toModelNode(lln0), 0)
    ggio = m.LogicalNode_create("GGIO1", ld)
    for i in range(INDICATIONS):
        m.CDC_SPS_create(f"Ind{i + 1}", m.toModelNode(ggio), 0)
    m.CDC_MV_create("AnIn1", m.toModelNode(ggio), 0, False)
    controls = {}
    for name, kind in CONTROLS.items():
        options = getattr(m, f"CDC_CTL_MODEL_{kind}") | m.CDC_CTL_MODEL_HAS_CANCEL
        controls[name] = m.CDC_SPC_create(name, m.toModelNode(ggio), 0, options)
    dataset = m.DataSet_create("events", lln0)
    for entry in DATASET:
        m.DataSetEntry_create(dataset, entry, -1, None)
    wide, ggio2 = m.DataSet_create("wide", lln0), m.LogicalNode_create("GGIO2", ld)
    for i in range(WIDE):
        m.CDC_MV_create(f"AnIn{i + 1}", m.toModelNode(ggio2), 0, False)
        m.DataSetEntry_create(wide, f"GGIO2$MX$AnIn{i + 1}", -1, None)
    triggers = m.TRG_OPT_DATA_CHANGED | m.TRG_OPT_QUALITY_CHANGED | m.TRG_OPT_INTEGRITY | m.TRG_OPT_GI
    for buffered, name in ((False, "urcb"), (True, "brcb")):
        for i in range(1, 3):
            m.ReportControlBlock_create(f"{name}0{i}", lln0, f"{name}0{i}", buffered, "events", 1, triggers, 0xff, 50, 0)
    m.ReportControlBlock_create("wide01", lln0, "wide01", True, "wide", 1, triggers, 0xff, 50, 0)
    return ied, controls


def say(line):
    """At once: controls are told by another thread."""
    os.write(1, (line + "\n").encode())


def main():
    import pyiec61850.pyiec61850 as m

    ied, controls = model(m)
    server = m.IedServer_create(ied)
    kept = []  # libiec61850 has pointers to them

    class Handler(m.ControlHandlerForPython):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def trigger(self):
            value = "1" if m.MmsValue_getBoolean(self._libiec61850_mms_value) else "0"
            say(f"control {self.name} {value}")
            self._libiec61850_control_handler_result = m.CONTROL_RESULT_OK

    def serve(name, node):
        subscriber, handler = m.ControlSubscriberForPython(), Handler(name)
        subscriber.setIedServer(server)
        subscriber.setControlObject(node)
        subscriber.setControlHandler(handler)
        subscriber.subscribe()
        kept.extend((subscriber, handler))

    for name, node in controls.items():
        m.IedServer_updateCtlModel(server, node, getattr(m, f"CONTROL_MODEL_{CONTROLS[name]}"))
        serve(name, node)
    m.IedServer_start(server, int(sys.argv[1]))
    if not m.IedServer_isRunning(server):
        raise SystemExit("the port is taken")
    say("up")
    for line in sys.stdin:
        kind, ref, value = line.split()
        node = m.IedModel_getModelNodeByShortObjectReference(ied, f"LD0/{ref}")
        m.IedServer_lockDataModel(server)
        if kind == "bool":
            m.IedServer_updateBooleanAttributeValue(server, m.toDataAttribute(node), value == "1")
        else:
            m.IedServer_updateFloatAttributeValue(server, m.toDataAttribute(node), float(value))
        m.IedServer_unlockDataModel(server)
        say("done")
    del kept


if __name__ == "__main__":
    main()
