// A device: what it is, what is wrong, its remote ends, values, events, frames, deaths, sandbox and plan.
import { ask, deviceUrl, Poll, Stream } from "./api.js";
import { button, bytes, clock, count, counted, duration, el, microseconds, now, rate, setAge, setAttribute, setHidden, setSparkline, setText, sparkline } from "./dom.js";
import { Feed } from "./feed.js";
import { facts, Table } from "./table.js";
import { history, model, onChange, SEVERITY } from "./model.js";
import { Values } from "./values.js";

const SHOW_MS = 2000;
const VALUES_BY_ITSELF = 2000; // event types; more are asked for on a click

const ENDS = [
	{ title: "Remote end", text: (r) => r.remote, head: true },
	{ title: "State", text: (r) => r.state, state: true },
	{ title: "Since", age: (r) => now() - r.since },
	{ title: "Requests", text: (r) => count(r.requests), number: true },
	{ title: "Errors", text: (r) => count(r.errors), number: true },
	{ title: "Time-outs", text: (r) => count(r.timeouts), number: true },
	{ title: "Loss", text: (r) => (r.loss_percent === null ? "–" : `${r.loss_percent.toFixed(1)} %`), number: true },
	{ title: "Round trip", text: (r) => (r.rtt_avg_us === null ? "–" : microseconds(r.rtt_avg_us)), number: true },
	{ title: "Longest", text: (r) => microseconds(r.rtt_max_us), number: true },
	{ title: "In", text: (r) => bytes(r.bytes_in), number: true },
	{ title: "Out", text: (r) => bytes(r.bytes_out), number: true },
	{ title: "Why, or last error", text: (r) => r.what ?? r.last_error ?? "", long: true },
];
const DEATHS = [
	{ title: "Time (UTC)", text: (o) => String(o.time).replace("T", " ").slice(0, 19), head: true },
	{ title: "Cause", text: (o) => o.cause },
	{ title: "After", text: (o) => duration(o.uptime) },
	{ title: "Events", text: (o) => count(o.events), number: true },
	{ title: "Last line", text: (o) => o.last_line ?? "–", long: true },
];
const PLAN = [
	{ title: "May", text: (p) => p.kind, head: true },
	{ title: "What", text: (p) => (p.port ? `${p.target} port ${p.port}` : p.target), long: true },
	{ title: "Opened", text: (p) => (p.opened ? "yes" : "no") },
];

export class Device {
	constructor(main, key) {
		this.main = main;
		this.key = key;
		this.title = key.slice(key.indexOf("/") + 1);
		this.asked = false;
		this.#build();
		this.poll = new Poll(deviceUrl("show", key), SHOW_MS, (rows) => this.#take(rows[0]), (e) => this.#failed(e));
		this.events = new Stream(deviceUrl("watch", key), { message: (m) => this.#on(m) });
		this.off = onChange(() => this.#drawState());
		this.#drawState();
	}

	#build() {
		this.name = el("h1", null, this.title);
		this.state = el("span.word", { role: "status" });
		this.dot = el("p.bigstate", null, el("span.dot", { "aria-hidden": "true" }), this.state);
		this.why = el("p.why");
		this.spark = sparkline();
		this.rate = el("span.word");
		this.error = el("p.none", { hidden: "", role: "alert" });
		this.ends = new Table("Remote ends", ENDS);
		this.deaths = new Table("Deaths", DEATHS);
		this.plan = new Table("What it may touch", PLAN);
		this.values = new Values(() => this.#ask());
		this.eventFeed = new Feed("Live events", eventLine);
		this.#buildFrames();
		this.facts = { process: facts("Process"), sandbox: facts("Sandbox in force"), queues: facts("Queues and limits"), counters: facts("Counters") };
		this.main.replaceChildren(
			el("nav.crumbs", { "aria-label": "Place" }, el("a", { href: "#/" }, "Devices"), " / ", el("span", { "aria-current": "page" }, this.title)),
			el("div.device-head", null, el("div", null, this.name, this.dot, this.why), el("div.trend", null, el("span.label", null, "Events/s"), this.rate, this.spark)),
			this.error,
			el("div.cards", null, this.ends.box, el("div.pair", null, this.values.box, this.eventFeed.box), this.frames.box,
				el("div.columns", null, this.deaths.box, this.plan.box, Object.values(this.facts).map((f) => f.box))));
	}

	#buildFrames() {
		this.frames = new Feed("Frames", frameLine, "Frames are copied and decoded only while somebody looks at them.");
		this.tracing = button("Show frames", () => this.#trace(), { "aria-pressed": "false" });
		this.frames.tools.prepend(this.tracing);
	}

	#trace() {
		if (this.trace) {
			this.trace.close();
			this.trace = null;
		} else {
			this.trace = new Stream(deviceUrl("trace", this.key), { message: (m) => m.kind === "frame" && this.frames.add(m) });
		}
		setText(this.tracing, this.trace ? "Stop frames" : "Show frames");
		setAttribute(this.tracing, "aria-pressed", String(Boolean(this.trace)));
	}

	// --- what comes ---

	#on(message) {
		if (message.kind === "link")
			this.values.setClock(message.time);
		else if (message.kind === "event") {
			const type = this.#behind(message.type);
			this.eventFeed.add({ ...message, short: type });
			if (message.direction === "out")
				this.values.take(type, message);
		}
	}

	// The type behind the device's prefix, which ends with its type and name.
	#behind(type) {
		const segments = Array.isArray(type) ? type.map(String) : [];
		const at = segments.findIndex((s, i) => i > 0 && i < 3 && `${s}/${segments[i + 1]}` === this.key);
		return segments.slice(at < 0 ? 0 : at + 2);
	}

	async #ask() {
		this.asked = true;
		this.values.busy();
		try {
			const rows = await ask(deviceUrl("events", this.key));
			this.values.load(rows.map((r) => [this.#behind(r.type), r]));
		} catch (error) {
			this.values.failed(error.message);
		}
	}

	#failed(error) {
		setHidden(this.error, false);
		setText(this.error, `This device cannot be shown: ${error.message}`);
	}

	#take(row) {
		if (!row || !row.device)
			return this.#failed(new Error("gatewayd does not know it"));
		setHidden(this.error, true);
		if (!this.asked && row.counters.types <= VALUES_BY_ITSELF)
			this.#ask();
		else if (!this.asked)
			this.values.offer(row.counters.types);
		const notShown = row.remote_ends_not_shown ? `${counted(row.remote_ends_not_shown, "remote end")} more, none worse than these` : "";
		this.ends.set(row.remote_ends, row.device.state === "running" ? "It tells of no remote ends." : "It does not run.", notShown);
		this.deaths.set(row.obituaries, "It has not died since gatewayd began.");
		this.plan.set(row.plan, "It may touch nothing, or its plan is not known yet.");
		this.#drawFacts(row);
		this.#drawState();
	}

	// --- what is shown ---

	#drawState() {
		const d = model.devices.get(this.key);
		if (!d)
			return;
		setAttribute(this.dot, "data-severity", SEVERITY[d.severity]);
		setAge(this.state, d.since, (s) => `${d.state} for ${duration(s)}`);
		setText(this.why, d.severity > 1 && d.why ? d.why : "");
		setText(this.rate, rate(d.rate));
		setSparkline(this.spark, d.history, history.points, `Events a second in ${history.seconds} s: now ${rate(d.rate)}`);
	}

	#drawFacts({ device, process, sandbox, limits, queues, counters, runner_counters: own }) {
		this.facts.process.set([
			["Type", device.type], ["Module", device.module], ["Enabled", yes(device.enabled)], ["Link", device.link], ["Process", process ? process.pid : null],
			["Runs since", process ? duration(process.uptime) : null], ["Restarts", count(device.restarts)], ["Deaths", count(device.deaths)],
			["Last exit", device.last_exit], ["Memory of its own", kib(process, "pss_kib")], ["Memory, shared with others", kib(process, "rss_kib")],
			["Threads", process ? process.threads : null], ["Log level", device.log_level], ["Last line of its log", device.last_line], ["Runner", device.runner],
		]);
		this.facts.sandbox.set(sandboxFacts(sandbox));
		this.facts.queues.set([
			["To the Event Server", bytes(queues.to_event_server_bytes)], ["To the runner", bytes(queues.to_runner_bytes)],
			["Credit left", `${bytes(queues.credit)} of ${bytes(queues.credit_window)}`], ["Events the server has not taken", bytes(queues.credit_outstanding)],
			["Memory limit", bytes(limits.memory)], ["Descriptors limit", count(limits.files)], ["Event types limit", count(limits.types)],
			["Must be ready within", ms(limits.start_ms)], ["Must answer pings within", ms(limits.ping_ms)], ["Must stop within", ms(limits.stop_ms)],
		]);
		this.facts.counters.set([...Object.entries(counters), ...Object.entries(own || {})].map(([k, v]) => [words(k), count(v)]));
	}

	onKey(key) {
		if (key !== "Escape")
			return false;
		location.hash = "#/";
		return true;
	}

	close() {
		this.off();
		this.poll.close();
		this.events.close();
		this.trace?.close();
		this.eventFeed.close();
		this.frames.close();
		this.values.close();
	}
}

const yes = (v) => (v === null || v === undefined ? null : v ? "yes" : "no");
const ms = (n) => (typeof n === "number" ? duration(n / 1000) : n);
const kib = (process, key) => (process && typeof process[key] === "number" ? bytes(process[key] * 1024) : null);
export const words = (key) => (key[0].toUpperCase() + key.slice(1)).replaceAll("_", " ");

function sandboxFacts(s) {
	if (!s)
		return [["In force", "no process"]];
	return [
		["Level", s.configured], ["Missing", s.missing ?? "nothing"], ["System calls", s.seccomp === "filter" ? `allowed by ${counted(s.seccomp_filters, "filter")}` : s.seccomp],
		["New privileges", s.no_new_privs ? "never" : "possible"], ["Capabilities", /^0*$/.test(s.capabilities) ? "none" : s.capabilities],
		["User and group", `${s.uid}, ${s.gid}`], ["Other groups", s.groups || "none"], ["Namespaces of its own", (s.namespaces || []).join(", ") || "none"],
		["Address space", bytes(s.address_space)], ["Open files", s.open_files], ["New processes", s.processes], ["Core file", s.core],
	];
}

// --- lines of the feeds ---

function payloadOf(m) {
	if (m.payload !== undefined)
		return JSON.stringify(m.payload);
	if (m.payload_hex !== undefined)
		return `${m.payload_type ?? ""} ${m.payload_hex}`;
	return m.payload_cut !== undefined ? `${bytes(m.payload_cut)}, too long to show` : "";
}

function eventLine(m) {
	const out = m.direction === "out";
	return el("li", null, el("time", null, clock(m.time)), el(`span.way.${out ? "out" : "in"}`, { title: out ? "registered by the device" : "notified by the Event Server" }, out ? "out" : "in"),
		el("span.type", null, m.short.join("/")), el("span.payload", null, payloadOf(m)));
}

function frameLine(m) {
	const out = m.direction === "tx";
	return el("li", null, el("time", null, clock(m.time)), el(`span.way.${out ? "out" : "in"}`, { title: `${m.protocol ?? ""} ${m.local ?? ""} ${out ? "to" : "from"} ${m.remote ?? ""}` }, out ? "tx" : "rx"),
		el("span.payload", null, m.text ?? "not decoded"), el("span.hex", null, String(m.hex ?? "").replace(/..(?=.)/g, "$& ")));
}
