// The first view: what is wrong, the numbers, the table of devices, what changed.
import { button, clock, count, counted, duration, el, rate, setAge, setAttribute, setHidden, setSparkline, setStyle, setText, sparkline } from "./dom.js";
import { collate, history, model, onChange, problems, rank, SEVERITY } from "./model.js";
import { Rows } from "./rows.js";

const PROBLEMS_SHOWN = 6;
const CHANGES_SHOWN = 6;

const text = (v) => String(v ?? "");
const worst = (d) => -d.severity;
const byName = (a, b) => a.rank - b.rank;
const COLUMNS = [
	{ key: "state", title: "State", by: (a, b) => worst(a) - worst(b) },
	{ key: "name", title: "Device", by: byName },
	{ key: "remotes", title: "Remote ends", by: (a, b) => share(a) - share(b) },
	{ key: "events", title: "Events/s", by: (a, b) => (b.rate ?? -1) - (a.rate ?? -1) },
	{ key: "link", title: "Link", by: (a, b) => collate(text(a.link), text(b.link)) },
	{ key: "restarts", title: "Restarts", by: (a, b) => b.restarts - a.restarts },
	{ key: "since", title: "Since", by: (a, b) => b.since - a.since },
	{ key: "error", title: "Last error", by: (a, b) => collate(text(b.why), text(a.why)) },
];
const SHOW = [
	{ key: "all", title: "All", has: () => true },
	{ key: "wrong", title: "Wrong", has: (d) => d.severity > 1 },
	{ key: "running", title: "Running", has: (d) => d.state === "running" },
	{ key: "disabled", title: "Disabled", has: (d) => d.state === "disabled" },
];

const share = (d) => (d.remotes && d.remotes.all ? d.remotes.up / d.remotes.all : 2);

export const deviceHref = (key) => "#/device/" + key.split("/").map(encodeURIComponent).join("/");

export class Overview {
	constructor(main, query) {
		this.query = { q: query.get("q") || "", show: query.get("show") || "all", sort: query.get("sort") || "state" };
		this.main = main;
		this.#build();
		this.rows = new Rows(this.body, { make: makeRow, fill: fillRow, keyOf: (d) => d.key });
		this.off = onChange(() => this.draw());
		this.draw();
	}

	title = "Devices";

	#build() {
		this.problems = el("ul.problems");
		this.problemsBox = el("section.card.wrong", { "aria-labelledby": "wrong" }, el("h2", { id: "wrong" }, "What is wrong"), this.problems);
		this.changes = el("ol.changes");
		this.changesBox = el("section.card.changesbox", { "aria-labelledby": "changed" }, el("h2", { id: "changed" }, "What changed"), this.changes);
		this.tiles = el("dl.tiles", { "aria-label": "Numbers" });
		this.body = el("div.rows", { role: "rowgroup" });
		this.head = el("div.row.head", { role: "row", "aria-rowindex": "1" }, COLUMNS.map((c) => this.#columnHead(c)));
		this.table = el("div.table", { role: "table", "aria-label": "Devices", "aria-colcount": String(COLUMNS.length) }, el("div.headgroup", { role: "rowgroup" }, this.head), this.body);
		this.none = el("p.none", { hidden: "" });
		this.main.replaceChildren(
			el("h1.hidden", null, "Devices"),
			this.overview = el("div.overview", null,
				el("div.side", null, this.problemsBox, this.changesBox),
				el("div.wide", null, this.tiles, el("section.card.devices", { "aria-label": "Devices" }, this.#tools(), this.table, this.none))),
		);
	}

	#columnHead(column) {
		const b = button(column.title, () => this.#sort(column.key));
		b.append(el("span.arrow", { "aria-hidden": "true" }));
		return el(`div.c-${column.key}`, { role: "columnheader" }, b);
	}

	#tools() {
		this.filter = el("input", { type: "search", id: "filter", placeholder: "Filter by name, type or error", "aria-label": "Filter the devices", autocomplete: "off", spellcheck: "false" });
		this.filter.value = this.query.q;
		this.filter.addEventListener("input", () => this.#set({ q: this.filter.value }));
		this.chips = SHOW.map((s) => button(s.title, () => this.#set({ show: s.key })));
		this.order = el("select", { "aria-label": "Sort by" }, COLUMNS.map((c) => el("option", { value: c.key }, c.title)));
		this.order.addEventListener("change", () => this.#set({ sort: this.order.value }));
		this.shown = el("p.shown", { role: "status" });
		return el("div.tools", null, this.filter, el("div.chips", { role: "group", "aria-label": "Show" }, this.chips), el("label.order", null, "Sort by ", this.order), this.shown);
	}

	#sort(key) {
		this.#set({ sort: this.query.sort === key ? "-" + key : key });
	}

	#set(change) {
		Object.assign(this.query, change);
		const q = new URLSearchParams(Object.entries(this.query).filter(([k, v]) => v && v !== { show: "all", sort: "state" }[k]));
		window.history.replaceState(null, "", "#/" + (q.size ? "?" + q : ""));
		this.draw();
	}

	#chosen() {
		const words = this.query.q.toLowerCase().split(/\s+/).filter(Boolean);
		const has = (SHOW.find((s) => s.key === this.query.show) || SHOW[0]).has;
		const column = COLUMNS.find((c) => c.key === this.query.sort.replace(/^-/, "")) || COLUMNS[0];
		const sign = this.query.sort.startsWith("-") ? -1 : 1;
		const fits = (d) => {
			d.search ||= `${d.key} ${text(d.why)} ${text(d.link)} ${d.state}`.toLowerCase();
			return words.every((w) => d.search.includes(w));
		};
		rank();
		const list = [];
		for (const d of model.devices.values())
			if (has(d) && (!words.length || fits(d)))
				list.push(d);
		return list.sort((a, b) => sign * column.by(a, b) || byName(a, b));
	}

	draw() {
		this.#drawTiles();
		this.#drawProblems();
		this.#drawChanges();
		this.#drawTools();
		this.overview.classList.toggle("quiet", this.problemsBox.hidden && this.changesBox.hidden);
		const list = this.#chosen();
		const all = model.devices.size;
		setText(this.shown, list.length === all ? counted(all, "device") : `${count(list.length)} of ${counted(all, "device")}`);
		setAttribute(this.table, "aria-rowcount", String(list.length + 1));
		setHidden(this.none, list.length > 0);
		if (!list.length)
			setText(this.none, !model.loaded ? "Waiting for the gateway." : all ? "No device fits." : "The configuration has no devices.");
		this.rows.set(list);
	}

	#drawTools() {
		const by = this.query.sort.replace(/^-/, "");
		COLUMNS.forEach((c, i) => setAttribute(this.head.children[i], "aria-sort", c.key !== by ? "none" : this.query.sort === by ? "ascending" : "descending"));
		SHOW.forEach((s, i) => {
			let n = 0;
			for (const d of model.devices.values())
				n += s.has(d) ? 1 : 0;
			setText(this.chips[i], `${s.title} ${count(n)}`);
			setAttribute(this.chips[i], "aria-pressed", String(s.key === this.query.show));
		});
		if (this.order.value !== by && document.activeElement !== this.order)
			this.order.value = by;
	}

	#drawTiles() {
		const sum = { running: 0, enabled: 0, up: 0, ends: 0, rate: 0, restarts: 0 };
		for (const d of model.devices.values()) {
			sum.running += d.state === "running" ? 1 : 0;
			sum.enabled += d.state === "disabled" ? 0 : 1;
			sum.up += d.remotes ? d.remotes.up : 0;
			sum.ends += d.remotes ? d.remotes.all : 0;
			sum.rate += d.rate || 0;
			sum.restarts += d.restarts;
		}
		const link = model.down ? "–" : model.link ? model.link.state : "–";
		const tiles = [["Running", `${count(sum.running)} of ${count(sum.enabled)}`], ["Remote ends up", sum.ends ? `${count(sum.up)} of ${count(sum.ends)}` : "–"],
			["Events/s", rate(sum.rate)], ["Restarts", count(sum.restarts)], ["Event Server", link]];
		tiles.forEach(([title, value], i) => {
			if (!this.tiles.children[i])
				this.tiles.append(el("div", null, el("dt", null, title), el("dd")));
			setText(this.tiles.children[i].lastChild, value);
		});
	}

	#drawProblems() {
		const list = problems();
		setHidden(this.problemsBox, list.length === 0);
		const shown = this.allProblems ? list.slice(0, 500) : list.slice(0, PROBLEMS_SHOWN);
		const lines = [...this.problems.querySelectorAll("li.problem")];
		shown.forEach((p, i) => fillProblem(lines[i] || this.problems.insertBefore(makeProblem(), this.more || null), p));
		lines.slice(shown.length).forEach((e) => e.remove());
		this.more ||= this.problems.appendChild(el("li", null, button("", () => {
			this.allProblems = !this.allProblems;
			this.draw();
		})));
		setHidden(this.more, list.length <= PROBLEMS_SHOWN);
		setText(this.more.firstChild, this.allProblems ? "Show fewer" : `Show all ${count(list.length)}`);
	}

	#drawChanges() {
		setHidden(this.changesBox, model.changes.length === 0);
		model.changes.slice(0, CHANGES_SHOWN).forEach((c, i) => {
			const line = this.changes.children[i] || this.changes.appendChild(el("li", null, el("time"), el("a"), el("span.what")));
			const [time, device, what] = line.children;
			setText(time, clock(c.time).slice(0, 8));
			setText(device, c.device ? c.device.name : "");
			setHidden(device, !c.device);
			if (c.device)
				setAttribute(device, "href", deviceHref(c.device.key));
			setText(what, `${c.text}${c.cause ? ", after " + c.cause : ""}${c.times > 1 ? ` (${c.times} changes)` : ""}`);
		});
	}

	onKey(key) {
		const move = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[key];
		if (move !== undefined)
			return this.#move(move);
		if (key === "Escape")
			return this.#clear();
		if (key !== "/")
			return false;
		this.filter.focus();
		this.filter.select();
		return true;
	}

	#clear() {
		this.filter.value = "";
		this.filter.blur();
		this.#set({ q: "", show: "all" });
		return true;
	}

	// The focus goes by device, also where rows move.
	#move(by) {
		const list = this.rows.items;
		const row = document.activeElement?.closest(".table .row");
		const at = row && row.key ? list.findIndex((d) => d.key === row.key) : -1;
		if (!list.length || (at < 0 && document.activeElement !== document.body && !this.main.contains(document.activeElement)))
			return false;
		const to = at < 0 ? (by === Infinity ? list.length - 1 : 0) : Math.min(list.length - 1, Math.max(0, at + by));
		this.rows.reveal(to, this.head.getBoundingClientRect().bottom + 4)?.querySelector("a").focus({ preventScroll: true });
		return true;
	}

	close() {
		this.off();
		this.rows.close();
	}
}

// --- lines ---

function makeProblem() {
	return el("li.problem", null, el("span.dot", { "aria-hidden": "true" }), el("a"), el("span.age"), el("span.what"));
}

function fillProblem(line, p) {
	const [, name, age, what] = line.children;
	setAttribute(line, "data-severity", SEVERITY[p.severity]);
	setText(name, p.device === null ? "Event Server" : p.device);
	setAttribute(name, "href", p.key ? deviceHref(p.key) : "#/gateway");
	setAge(age, p.at, (s) => `for ${duration(s)}`);
	setText(what, p.more ? `${p.text} (and ${p.more} more)` : p.text);
}

function makeRow() {
	const cell = (key, ...children) => el(`div.c-${key}`, { role: "cell" }, ...children);
	const row = el("div.row", { role: "row" },
		cell("state", el("span.dot", { "aria-hidden": "true" }), el("span.word")),
		cell("name", el("a.name"), el("span.type")),
		cell("remotes", el("span.word"), el("span.bar", { "aria-hidden": "true" }, el("span"))),
		cell("events", el("span.word"), sparkline()),
		cell("link", el("span.word")),
		cell("restarts", el("span.word")),
		cell("since", el("span.word")),
		cell("error", el("span.word")));
	const words = [...row.querySelectorAll(".word")];
	row.parts = { words, name: row.querySelector("a"), type: row.querySelector(".type"), bar: row.querySelector(".bar"), spark: row.querySelector("svg") };
	return row;
}

function fillRow(row, d) {
	const { words, name, type, bar } = row.parts;
	const [state, remotes, events, link, restarts, since, error] = words;
	row.key = d.key;
	setAttribute(row, "data-severity", SEVERITY[d.severity]);
	setText(state, d.state);
	setAttribute(row, "data-state", d.state);
	setText(name, d.name);
	setAttribute(name, "href", deviceHref(d.key));
	setText(type, d.type);
	fillRemotes(remotes, bar, d.remotes);
	setText(events, rate(d.rate));
	drawSparkline(row, d);
	setText(link, d.link);
	setText(restarts, count(d.restarts));
	setAttribute(restarts, "data-some", String(d.restarts > 0));
	setAge(since, d.since);
	setText(error, d.why ?? "");
	setAttribute(error, "title", d.why ? String(d.why).slice(0, 300) : "");
}

// Once for each sample: its path is most of what a row costs.
function drawSparkline(row, d) {
	if (row.sampled === model.samples && row.sampledOf === d)
		return;
	row.sampled = model.samples;
	row.sampledOf = d;
	setSparkline(row.parts.spark, d.history, history.points, `Events a second in ${history.seconds} s: now ${rate(d.rate)}`);
}

function fillRemotes(word, bar, remotes) {
	setText(word, remotes ? `${remotes.up}/${remotes.all}` : null);
	setHidden(bar, !remotes);
	if (remotes) {
		setAttribute(bar, "data-state", String(remotes.state));
		setStyle(bar.firstChild, "width", `${remotes.all ? Math.round((100 * remotes.up) / remotes.all) : 0}%`);
	}
}
