// The latest value of each of a device's data, and how old it is.
import { button, clock, count, el, now, setAge, setAttribute, setHidden, setText } from "./dom.js";

const SHOWN = 200;
const KEPT = 20000; // event types

const collator = new Intl.Collator("en", { numeric: true });
const isObject = (v) => v !== null && typeof v === "object" && !Array.isArray(v);

// The value of a payload, and the words beside it.
function split(event) {
	const p = event.payload;
	if (p === undefined)
		return ["–", event.payload_hex !== undefined ? `${event.payload_type ?? ""} ${event.payload_hex}` : "too long to show"];
	if (!isObject(p) || !("value" in p))
		return [typeof p === "string" ? p : JSON.stringify(p), ""];
	const rest = Object.entries(p).filter(([k]) => k !== "value");
	const text = (v) => (typeof v === "string" ? v : JSON.stringify(v));
	return [text(p.value), rest.map(([k, v]) => `${k} ${text(v)}`).join(", ")];
}

const makeLine = () => el("tr", null, el("th", { scope: "row" }, el("span.path"), el("span")), el("td.number.value"), el("td"), el("td.long"));

export class Values {
	constructor(load) {
		this.types = new Map();
		this.offset = null; // of the gateway's clock, in ms before ours
		this.loadThem = load;
		this.#build();
	}

	#build() {
		this.filter = el("input", { type: "search", placeholder: "Filter", "aria-label": "Filter the values", autocomplete: "off", spellcheck: "false" });
		this.filter.addEventListener("input", () => this.#later());
		this.number = el("span.shown");
		this.body = el("tbody");
		this.message = el("p.none", null, "Waiting for the device.");
		this.more = button("Read them", () => this.loadThem());
		this.more.hidden = true;
		const head = ["Data", "Value", "Age", "Detail"].map((t) => el(`th${t === "Value" ? ".number" : ""}`, { scope: "col" }, t));
		this.region = el("div.scroll.values", { tabindex: "0", role: "region", "aria-labelledby": "values" }, el("table", { "aria-labelledby": "values" }, el("thead", null, el("tr", null, head)), this.body));
		this.region.hidden = true;
		this.box = el("section.card", { "aria-labelledby": "values" }, el("div.card-head", null, el("h2", { id: "values" }, "Latest values"), el("div.tools", null, this.filter, this.number)), this.region, this.message, this.more);
	}

	// The gateway's time now: ages do not depend on this machine's clock.
	setClock(time) {
		const at = Date.parse(time);
		if (!Number.isNaN(at))
			this.offset = Date.now() - at;
	}

	#age(time) {
		return Math.max(0, (Date.now() - Date.parse(time) - (this.offset ?? 0)) / 1000);
	}

	#keep(type, event) {
		if (type[0] !== "gateway" || (this.types.size >= KEPT && !this.types.has(type.join("/"))))
			return;
		const name = type.slice(1).join("/");
		const [value, detail] = split(event);
		const known = this.types.get(name) || { name, search: name.toLowerCase(), path: name.lastIndexOf("/") + 1 };
		this.types.set(name, Object.assign(known, { value, detail, time: event.time, since: now() - this.#age(event.time) }));
	}

	take(type, event) {
		this.#keep(type, event);
		this.#later();
	}

	load(pairs) {
		for (const [type, event] of pairs)
			this.#keep(type, event);
		this.more.hidden = true;
		setText(this.message, this.types.size ? "" : "No values yet.");
		this.#later();
	}

	busy() {
		this.more.hidden = true;
		setText(this.message, "Reading.");
	}

	failed(text) {
		setText(this.message, `The values cannot be read: ${text}`);
		this.more.hidden = false;
	}

	offer(n) {
		setText(this.message, `It has ${count(n)} event types. Those that change are shown as they come.`);
		this.more.hidden = false;
	}

	#later() {
		this.frame ||= requestAnimationFrame(() => this.#draw());
	}

	#chosen() {
		const word = this.filter.value.toLowerCase();
		const list = [];
		for (const v of this.types.values())
			if (!word || v.search.includes(word))
				list.push(v);
		return list.sort((a, b) => collator.compare(a.name, b.name));
	}

	#draw() {
		this.frame = 0;
		if (this.types.size && this.more.hidden)
			setText(this.message, "");
		const list = this.#chosen();
		const shown = list.slice(0, SHOWN);
		setHidden(this.region, this.types.size === 0);
		setHidden(this.filter, this.types.size < 8);
		setText(this.number, shown.length < this.types.size ? `${count(shown.length)} of ${count(this.types.size)}` : count(this.types.size));
		shown.forEach((v, i) => this.#fill(this.body.children[i] || this.body.appendChild(makeLine()), v));
		while (this.body.childElementCount > shown.length)
			this.body.lastChild.remove();
	}

	#fill(line, v) {
		const [name, value, age, detail] = line.children;
		setText(name.firstChild, v.name.slice(0, v.path));
		setText(name.lastChild, v.name.slice(v.path));
		if (value.textContent !== "" && value.key === v.name && value.of !== v.time)
			value.animate?.([{ backgroundColor: "var(--flash)" }, { backgroundColor: "transparent" }], 700);
		value.key = v.name;
		value.of = v.time;
		setText(value, v.value);
		setAge(age, v.since);
		age.title = `${clock(v.time)} UTC`;
		setText(detail, v.detail);
		setAttribute(detail, "title", v.detail.slice(0, 300));
	}

	close() {
		cancelAnimationFrame(this.frame);
	}
}
