// What is known of all devices, from one stream. Whoever shows it is told that it changed, once a frame.
import { Stream } from "./api.js";
import { now } from "./dom.js";

const HISTORY = 60; // points of a sparkline, one each 2 s
const SAMPLE_MS = 2000;
const CHANGES = 100;
const TOGETHER_S = 60;
export const SEVERITY = ["off", "ok", "warning", "critical"];

export const model = {
	devices: new Map(), // "type/name": device
	health: [], // what is wrong, as `gatewayctl health` has it, the Event Server's too
	changes: [], // the newest first
	link: null,
	reached: null, // whether gateway-web answers; null: not known yet
	heard: null, // now() of its last word
	down: null, // what keeps gatewayd from answering
	loaded: false,
	samples: 0, // of the sparklines, so far
};

const collator = new Intl.Collator("en", { numeric: true });
export const collate = (a, b) => (a === b ? 0 : collator.compare(a, b));
let ranked = true;

// Each device knows its place in the order of names: to sort thousands by a number costs next to nothing.
export function rank() {
	if (!ranked)
		[...model.devices.values()].sort((a, b) => collate(a.name, b.name)).forEach((d, i) => (d.rank = i));
	ranked = true;
}

const listeners = new Set();
let frame = 0;

export function onChange(listener) {
	listeners.add(listener);
	return () => listeners.delete(listener);
}

function changed() {
	frame ||= requestAnimationFrame(() => {
		frame = 0;
		for (const listener of listeners)
			listener();
	});
}

export const keyOf = (type, name) => `${type}/${name}`;

// The device of a label: its name, or type/name where several types have that name.
function byLabel(label) {
	const device = model.devices.get(label);
	if (device)
		return device;
	for (const d of model.devices.values())
		if (d.name === label)
			return d;
	return null;
}

function ownSeverity(d) {
	if (d.state === "disabled")
		return 0;
	if (d.state === "failed" || d.state === "backoff")
		return 3;
	return d.state === "running" ? 1 : 2;
}

// The worst of what health says of it, else what its state says.
function judge(d) {
	d.search = "";
	d.severity = ownSeverity(d);
	d.why = d.severity === 3 || d.restarts ? d.lastExit : null;
	for (const h of d.health) {
		const severity = SEVERITY.indexOf(h.severity);
		if (severity >= d.severity && severity > 1) {
			d.severity = severity;
			d.why = h.text;
		}
	}
}

// --- rows of status ---

function takeRow(row) {
	const key = keyOf(row.type, row.name);
	let d = model.devices.get(key);
	if (!d) {
		d = { key, name: String(row.name), type: String(row.type), history: [], health: [], search: "", rank: 0 };
		model.devices.set(key, d);
		ranked = false;
	}
	d.state = String(row.state);
	d.pid = row.pid;
	d.since = now() - (Number(row.since) || 0);
	d.restarts = Number(row.restarts) || 0;
	d.lastExit = row.last_exit;
	d.link = row.link;
	d.remotes = row.remotes && typeof row.remotes === "object" ? row.remotes : null;
	d.rate = typeof row.events_per_s === "number" ? row.events_per_s : null;
	judge(d);
}

function takeRows(message) {
	const rows = Array.isArray(message.rows) ? message.rows : [];
	if (message.all) {
		const keys = new Set(rows.map((r) => keyOf(r.type, r.name)));
		for (const key of model.devices.keys())
			if (!keys.has(key))
				model.devices.delete(key);
		model.loaded = true;
	}
	model.down = null;
	rows.forEach(takeRow);
}

function takeGone(message) {
	model.devices.delete(keyOf(message.type, message.name));
}

// --- health ---

function textOf(h) {
	const what = h.what || h.last_error;
	return h.remote === null || h.remote === undefined ? what || h.state : `${h.remote} is ${h.state}${what ? ": " + what : ""}`;
}

function takeHealth(message) {
	const before = new Set();
	for (const d of model.devices.values())
		if (d.health.length) {
			before.add(d);
			d.health = [];
		}
	model.health = (Array.isArray(message.rows) ? message.rows : []).filter((h) => h.severity !== "ok");
	for (const h of model.health) {
		h.at = now() - (Number(h.since) || 0);
		h.text = textOf(h);
		const d = h.device === null ? null : model.devices.get(keyOf(h.type, h.device)) || byLabel(h.device);
		h.key = d ? d.key : null;
		if (d) {
			d.health.push(h);
			before.add(d);
		}
	}
	before.forEach(judge);
}

// --- changes, as they happen ---

function takeState(message) {
	const d = byLabel(message.device);
	if (!d)
		return;
	const same = d.state === message.state && message.before === message.state;
	if (!same) {
		d.state = String(message.state);
		d.since = now();
	}
	d.link = message.link;
	if (message.before === "running" && message.state !== "running") {
		d.lastExit = message.last_exit;
		d.health = [];
	}
	judge(d);
	if (message.before !== null)
		note({ time: message.time, at: now(), device: d, text: same ? `link ${message.link ?? "none"}` : message.state,
			cause: message.state === "backoff" || message.state === "failed" || message.before === "running" && !same ? message.last_exit : null });
}

function takeLink(message) {
	const before = model.link;
	model.link = { state: String(message.state), status: message.server_status, at: now() };
	if (before && before.state !== model.link.state)
		note({ time: message.time, at: now(), device: null, text: `Event Server ${message.state}`, cause: null });
}

// Changes of one device that follow soon on each other are one line: a device that comes and goes hides no other.
function note(change) {
	const same = model.changes.findIndex((c) => c.device === change.device && change.at - c.at < TOGETHER_S);
	const [before] = same < 0 ? [] : model.changes.splice(same, 1);
	model.changes.unshift({ ...change, cause: change.cause ?? before?.cause ?? null, times: (before?.times ?? 0) + 1 });
	model.changes.length = Math.min(model.changes.length, CHANGES);
}

function takeDown(message) {
	model.down = String(message.error || "gatewayd does not answer");
}

const take = { rows: takeRows, gone: takeGone, health: takeHealth, state: takeState, link: takeLink, down: takeDown };

// --- the sparklines move together, also where nothing changed ---

function sample() {
	if (!model.reached || model.down || document.hidden)
		return;
	for (const d of model.devices.values()) {
		d.history.push(d.rate === null ? NaN : d.rate);
		if (d.history.length > HISTORY)
			d.history.shift();
	}
	model.samples++;
	changed();
}

export const history = { points: HISTORY, seconds: (HISTORY * SAMPLE_MS) / 1000 };

export function start() {
	setInterval(sample, SAMPLE_MS);
	return new Stream("watch", {
		message(object) {
			if (Object.hasOwn(take, object.kind))
				take[object.kind](object);
			changed();
		},
		state(reached) {
			model.reached = reached;
			if (reached)
				model.heard = now();
			changed();
		},
	});
}

// What is wrong by device, the worst and then the oldest first; the Event Server's before all.
export function problems() {
	const groups = new Map();
	for (const h of model.health) {
		const key = h.key ?? (h.device === null ? "" : keyOf(h.type, h.device));
		const severity = SEVERITY.indexOf(h.severity);
		const g = groups.get(key);
		if (!g) {
			groups.set(key, { key: h.key, device: h.device, severity, at: h.at, text: h.text, more: 0 });
			continue;
		}
		g.more++;
		if (severity > g.severity)
			Object.assign(g, { severity, at: h.at, text: h.text });
	}
	if (model.link && model.link.state !== "connected" && !groups.has(""))
		groups.set("", { key: null, device: null, severity: 3, at: model.link.at, text: model.link.state, more: 0 });
	for (const d of model.devices.values())
		if (d.severity > 1 && !groups.has(d.key))
			groups.set(d.key, { key: d.key, device: d.name, severity: d.severity, at: d.since, text: d.why ? `${d.state}: ${d.why}` : d.state, more: 0 });
	return [...groups.values()].sort((a, b) => (a.device === null ? -1 : b.device === null ? 1 : b.severity - a.severity || a.at - b.at));
}
