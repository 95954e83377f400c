// The gateway itself: link, Event Server, Monitor Server, the supervisor's loop.
import { Poll } from "./api.js";
import { bytes, count, duration, el, microseconds, setAttribute, setHidden, setText } from "./dom.js";
import { facts } from "./table.js";

const INFO_MS = 2000;

// "5 of 960, 0.5 %": the number of that key and its bound.
const of = (key, form) => (i) => (i[key] === null ? null : `${form(i[key])} of ${form(i[`${key}_max`])}, ${((100 * i[key]) / i[`${key}_max`]).toFixed(1)} %`);

// What has a place of its own; what else `info` says is listed as it is.
const CARDS = [
	["Link to the Event Server", [
		["State", (i) => i.link, ["link"]], ["Since", (i) => i.link_since, ["link_since"], duration], ["Why", (i) => i.link_error, ["link_error"]],
		["Event Server", (i) => i.event_server, ["event_server"]], ["Its status", (i) => i.server_status, ["server_status"]],
		["Connects", (i) => i.connects, ["connects"], count], ["Events out", (i) => i.events_out, ["events_out"], count],
		["Messages out", (i) => i.messages_out, ["messages_out"], count], ["Events in", (i) => i.events_in, ["events_in"], count],
		["Waiting", (i) => i.waiting_bytes, ["waiting_bytes"], bytes], ["Events for no device", (i) => i.unrouted, ["unrouted"], count],
	]],
	["Built-in Event Server and its store", [
		["State", (i) => i.eventd_state, ["eventd_state"]], ["Process", (i) => i.eventd_pid, ["eventd_pid"]], ["Restarts", (i) => i.eventd_restarts, ["eventd_restarts"], count],
		["Last exit", (i) => i.eventd_last_exit, ["eventd_last_exit"]], ["After", (i) => i.eventd_uptime, ["eventd_uptime"], duration], ["Last line of its log", (i) => i.eventd_last_line, ["eventd_last_line"]],
		["Event types", of("store_types", count), ["store_types", "store_types_max"]], ["Bytes of events", of("store_bytes", bytes), ["store_bytes", "store_bytes_max"]],
		["Events of the time series", of("store_series", count), ["store_series", "store_series_max"]], ["Clients", (i) => i.store_clients, ["store_clients"], count],
		["Events registered", (i) => i.store_events, ["store_events"], count], ["Commits", (i) => i.store_commits, ["store_commits"], count],
		["Queries", (i) => i.store_queries, ["store_queries"], count], ["Refused: too much of a device", (i) => i.store_refused_quota, ["store_refused_quota"], count],
		["Refused: the store is full", (i) => i.store_refused_full, ["store_refused_full"], count],
		["Disk", (i) => (i.store_unsaved === null ? null : i.store_unsaved ? "lacks events that are in memory" : "has all events"), ["store_unsaved"]],
		["System calls", (i) => (i.eventd_seccomp === "filter" ? "allowed by filters" : i.eventd_seccomp), ["eventd_seccomp"]], ["Filters", (i) => i.eventd_seccomp_filters, ["eventd_seccomp_filters"], count],
		["New privileges", (i) => (i.eventd_no_new_privs ? "never" : "possible"), ["eventd_no_new_privs"]], ["Capabilities", (i) => (/^0*$/.test(i.eventd_capabilities) ? "none" : i.eventd_capabilities), ["eventd_capabilities"]],
	]],
	["Redundancy", [
		["Monitor Server", (i) => i.monitor_server ?? "none: this gateway is alone", ["monitor_server"]], ["Blessing", (i) => i.blessing, ["blessing"]],
		["Engine", (i) => (i.engine ? "created" : "none"), ["engine"]], ["Why idle", (i) => i.why_idle, ["why_idle"]],
	]],
	["Turns of the loop", [
		["Longest in the last minute", (i) => i.longest_turn_minute_us, ["longest_turn_minute_us"], microseconds],
		["Longest since the start", (i) => i.longest_turn_us, ["longest_turn_us"], microseconds],
	]],
	["gatewayd", [
		["Name", (i) => i.name, ["name"]], ["Version", (i) => i.version, ["version"]], ["Process", (i) => i.pid, ["pid"]], ["Runs since", (i) => i.uptime, ["uptime"], duration],
		["Configuration", (i) => i.config, ["config"]], ["Log level", (i) => i.log_level, ["log_level"]], ["Devices", (i) => i.devices, ["devices"], count],
		["Enabled", (i) => i.enabled, ["enabled"], count], ["Running", (i) => i.running, ["running"], count], ["Clients of the control socket", (i) => i.clients, ["clients"], count],
	]],
	["Sandbox of gatewayd itself", [
		["System calls", (i) => (i.seccomp === "filter" ? "allowed by a filter" : i.seccomp), ["seccomp"]], ["New privileges", (i) => (i.no_new_privs ? "never" : "possible"), ["no_new_privs"]],
		["May be read by its user's other processes", (i) => (i.dumpable ? "yes" : "no"), ["dumpable"]],
		["May write", (i) => (i.landlock ? "where it keeps its state, and to devices" : "where its user may"), ["landlock"]],
	]],
];
const KNOWN = new Set(CARDS.flatMap(([, lines]) => lines.flatMap(([, , keys]) => keys)));

export class Gateway {
	title = "Gateway";

	constructor(main) {
		this.cards = CARDS.map(([title]) => facts(title));
		this.more = facts("More");
		this.error = el("p.none", { hidden: "", role: "alert" });
		this.name = el("h1", null, "Gateway");
		this.state = el("span.word");
		this.dot = el("p.bigstate", { "data-severity": "off" }, el("span.dot", { "aria-hidden": "true" }), this.state);
		this.why = el("p.why");
		main.replaceChildren(el("div.device-head", null, el("div", null, this.name, this.dot, this.why)), this.error, el("div.columns", null, this.cards.map((c) => c.box), this.more.box));
		this.poll = new Poll("info", INFO_MS, (rows) => this.#take(rows[0]), (e) => this.#failed(e));
	}

	#failed(error) {
		setHidden(this.error, false);
		setText(this.error, `The gateway cannot be shown: ${error.message}`);
	}

	#take(info) {
		if (!info)
			return this.#failed(new Error("the answer is empty"));
		setHidden(this.error, true);
		setText(this.name, info.name);
		const up = info.link === "connected";
		setAttribute(this.dot, "data-severity", info.why_idle ? "warning" : up ? "ok" : "critical");
		setText(this.state, `Event Server ${info.link} for ${duration(info.link_since ?? info.uptime)}`);
		setText(this.why, info.why_idle ?? info.link_error ?? "");
		CARDS.forEach(([, lines], n) => this.cards[n].set(lines.map(([title, get, , form]) => {
			const value = get(info);
			return [title, value === null || value === undefined ? null : form ? form(value) : value];
		})));
		setHidden(this.cards[1].box, info.eventd_state === null || info.eventd_state === undefined);
		const rest = Object.entries(info).filter(([k]) => !KNOWN.has(k));
		setHidden(this.more.box, rest.length === 0);
		this.more.set(rest.map(([k, v]) => [(k[0].toUpperCase() + k.slice(1)).replaceAll("_", " "), v === null ? null : typeof v === "object" ? JSON.stringify(v) : v]));
	}

	onKey() {
		return false;
	}

	close() {
		this.poll.close();
	}
}
