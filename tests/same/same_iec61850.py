"""iec61850_client at libiec61850's server: random report control blocks, changes, controls of the four models."""

import collections
import os
import sys

import hat.gateway.devices.iec61850.client as hat_client

from iec61850_server import CONTROLS, INDICATIONS, Server
from patience import WAIT_S
from ports import free_port
from test_iec61850 import CONTROL, MODELS, MV, SPS, STATUS
from test_iec61850_peers import FIELDS, LD, node, plain, ref, typed

TRIGGERS = ["QUALITY_CHANGE", "GENERAL_INTERROGATION", "INTEGRITY"]
CATEGORIES = ["BAY_CONTROL", "STATION_CONTROL", "REMOTE_CONTROL", "AUTOMATIC_BAY", "MAINTENANCE", "PROCESS"]
VALUES = [*(f"GGIO1.Ind{i + 1}.stVal" for i in range(INDICATIONS)), "GGIO1.AnIn1.mag.f"]


def some(rng, choices, at_least=0):
    return [c for c in choices if rng.random() < .5] or list(choices[:at_least])


def members(rng):
    """Members of a data set that is made: whole data objects and attributes, each object once or by its attributes."""
    found = []
    for name, fc, parts in (*((f"Ind{i + 1}", "ST", ("stVal", "q", "t")) for i in range(INDICATIONS)),
                            ("AnIn1", "MX", ("mag", "q", "t"))):
        if rng.random() < .4:
            found.append(ref(name, fc=fc))
        elif rng.random() < .6:
            found += [ref(name, parts[0], fc=fc), *(ref(name, p, fc=fc) for p in some(rng, parts[1:]))]
    rng.shuffle(found)
    return found or [ref("Ind1")]


def block(rng, n, kind, dynamic):
    name = f"{'brcb' if kind == 'BUFFERED' else 'urcb'}0{n}"
    made = node(f"made{n}"), f"mine{n}"  # a buffered block outlives the association, and so must its data set
    dataset = rng.choice(made[:2 if kind == "UNBUFFERED" else 1]) if dynamic else node("events")
    conf = {"ref": node(name, type=kind), "report_id": name, "dataset": dataset,
            "trigger_options": ["DATA_CHANGE", *some(rng, TRIGGERS)], "optional_fields": some(rng, FIELDS),
            "buffer_time": rng.choice((0, 5, 20))}
    if rng.random() < .5:
        conf["conf_revision"] = 1
    if rng.random() < .3 and kind == "BUFFERED":
        conf["purge_buffer"] = rng.random() < .5
    if "GENERAL_INTERROGATION" not in conf["trigger_options"]:
        conf["trigger_options"].append("GENERAL_INTERROGATION")  # the first report is waited for
    if conf["trigger_options"].count("INTEGRITY"):
        conf["integrity_period"] = 0
    return conf, dataset


def data_of(rng, rcb, values):
    """A data for each member, and some for parts of what is there."""
    name = rcb["name"]
    found = [{"name": f"{name}_{i}", "rcb": rcb, "value": v} for i, v in enumerate(values)]
    for i, v in enumerate(values):
        if len(v["names"]) > 1 or rng.random() < .4:
            continue
        main = ("mag", "f") if v["fc"] == "MX" else ("stVal",)

        def part(*path, v=v):
            return {**v, "names": [*v["names"], *path]}
        more = {"value": part(*main[:rng.randrange(1, len(main) + 1)])}
        if rng.random() < .6:
            more["quality"] = part("q")
        if rng.random() < .6:
            more["timestamp"] = part("t")
        found.append({"name": f"{name}_{i}_part", "rcb": rcb, **more})
    return found


def configuration(rng, port):
    static = [*(ref(f"Ind{i + 1}") for i in range(INDICATIONS)), ref("AnIn1", fc="MX")]
    blocks, datasets, data = [], {}, []
    for n, kind in rng.sample([(1, "BUFFERED"), (2, "BUFFERED"), (1, "UNBUFFERED"), (2, "UNBUFFERED")],
                              rng.randrange(1, 4)):
        dynamic = rng.random() < .5
        conf, dataset = block(rng, n, kind, dynamic)
        if dynamic:  # each block has its own
            dataset = f"{dataset}{kind[0]}" if isinstance(dataset, str) else node(f"{dataset['name']}{kind[0]}")
            conf["dataset"] = dataset
        key = str(dataset)
        datasets[key] = {"ref": dataset, "dynamic": dynamic, "values": members(rng) if dynamic else static}
        blocks.append(conf)
        data += data_of(rng, conf["ref"], datasets[key]["values"])
    return {
        "name": "bay", "connection": {
            "host": "127.0.0.1", "port": port, "connect_timeout": WAIT_S, "reconnect_delay": 0.5,
            "response_timeout": WAIT_S, "status_delay": rng.choice((0.2, 30)), "status_timeout": WAIT_S},
        "value_types": [*(typed(f"Ind{i + 1}", SPS) for i in range(INDICATIONS)), typed("AnIn1", MV, "MX"),
                        *(typed(name, CONTROL, "CO") for name in CONTROLS)],
        "datasets": list(datasets.values()), "rcbs": blocks, "data": data,
        "commands": [{"name": name, "model": MODELS[i], "with_operate_time": False,
                      "ref": {"logical_device": LD, "logical_node": "GGIO1", "name": name}}
                     for i, name in enumerate(CONTROLS)],
        "changes": [{"name": "no", "ref": ref("Ind1", "stVal")}]}


def related(a, b):
    """One is the other, or a part of it."""
    n = min(len(a["names"]), len(b["names"]))
    return a["names"][:n] == b["names"][:n]


def expected(conf, is_in):
    """How often each type is registered when each block reports the members of its data set that is_in says. A data
    has the members of its own block's data set, from whichever block they come."""
    sets = {str(r["ref"]): next(d["values"] for d in conf["datasets"] if d["ref"] == r["dataset"]) for r in conf["rcbs"]}
    found = {}
    for rcb in conf["rcbs"]:
        reported = [v for v in sets[str(rcb["ref"])] if is_in(v)]
        types = {f"gateway/data/{d['name']}" for d in conf["data"] for v in reported
                 if v in sets[str(d["rcb"])] and any(related(d[part], v) for part in ("value", "quality", "timestamp") if part in d)}
        if reported and rcb["ref"]["type"] == "BUFFERED":
            types.add(f"gateway/entry_id/{rcb['report_id']}")
        for t in types:
            found[t] = found.get(t, 0) + 1
    return found


class Play:
    def __init__(self, rng, side):
        self.rng = rng
        self.server = Server(os.environ.get("IEC61850_PYTHON", sys.executable), free_port())
        try:
            self.conf = configuration(rng, self.server.port)
            self.d = side("iec61850", "iec61850_client", hat_client.info, self.conf)
        except BaseException:
            self.server.stop()
            raise
        self.values = dict.fromkeys(VALUES, 0)
        self.session = self.operated = 0
        self.steps = [0]  # how many events there were after each: blocks report in any order

    def controls(self):
        return [line for line in self.server.lines if line and line.startswith("control")]

    def count(self, suffix):
        return sum(e.type == suffix for e in self.d.events)

    def wait(self, before, is_in):
        for t, n in expected(self.conf, is_in).items():
            self.d.wait(lambda t=t, n=n: self.count(t) >= before.get(t, 0) + n)
        self.steps.append(len(self.d.events))

    def change(self):
        path = self.rng.choice(VALUES)
        value = self.values[path]
        while value == self.values[path]:
            value = self.rng.randrange(2) if path.endswith("stVal") else self.rng.randrange(-400, 400) / 4
        self.values[path] = value
        before = collections.Counter(e.type for e in self.d.events)
        self.server.do(f"{'bool' if path.endswith('stVal') else 'float'} {path} {value}")
        _, name, main, *_ = path.split(".")
        self.wait(before, lambda v: v["names"][0] == name and v["names"][1:2] in ([], [main]))

    def command(self):
        name = self.rng.choice(list(CONTROLS))
        action = self.rng.choice(("SELECT", "OPERATE", "OPERATE", "CANCEL"))
        self.session += 1
        mine = str(self.session)
        self.d.send(f"system/command/{name}", {
            "session_id": mine, "action": action, "value": self.rng.random() < .5, "test": False,
            "origin": {"category": self.rng.choice(CATEGORIES), "identification": self.rng.choice(("", "me", "é", "x" * 30))},
            "checks": some(self.rng, ["SYNCHRO", "INTERLOCK"])})

        def got(kind):
            return next((e.payload for e in self.d.events if e.type == f"gateway/command/{name}" and
                         e.payload["session_id"] == mine and e.payload["action"] == kind), None)
        answer = self.d.wait(lambda: got(action))
        self.operated += action == "OPERATE" and answer["success"]
        self.d.wait(lambda: len(self.controls()) >= self.operated)
        if action == "OPERATE" and answer["success"] and CONTROLS[name].endswith("ENHANCED"):
            self.d.wait(lambda: got("TERMINATION"))

    def write(self):
        self.session += 1
        n = self.count("gateway/change/no")
        self.d.send("system/change/no", {"session_id": str(self.session), "value": True})
        self.d.wait(lambda: self.count("gateway/change/no") > n)

    def result(self):
        found = {}
        for begin, end in zip(self.steps, [*self.steps[1:], len(self.d.events)]):
            step = {}
            for e in self.d.events[begin:end]:
                step.setdefault(e.type, []).append(plain(e)[1])
            for kind, events in step.items():
                if kind.startswith("gateway/data/"):
                    events.sort(key=repr)
                found.setdefault(kind, []).extend(events)
        for kind, events in found.items():
            if kind.startswith("gateway/command/"):  # hat-gateway may tell a termination before its OPERATE
                events.sort(key=lambda p: (int(p["session_id"]), p["action"]))
        found["controls"] = self.controls()
        return found


def client(rng, side):
    p = Play(rng, side)
    try:
        p.d.wait(lambda: [e.payload for e in p.d.events if e.type == STATUS][-1:] == ["CONNECTED"])
        p.wait({}, lambda v: True)
        for _ in range(rng.randrange(3, 25)):
            rng.choice((p.change, p.change, p.command, p.command, p.write))()
        return p.result()
    finally:
        p.d.stop()
        p.server.stop()


SCENARIOS = {"iec61850_client": client}
