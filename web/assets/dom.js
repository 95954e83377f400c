// Elements and texts. What comes from the gateway becomes text nodes only, never markup.

const SVG = "http://www.w3.org/2000/svg";

// Characters that are not seen, or that turn the order of others: shown by their code.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const LONGEST_TEXT = 4096;

function code(c) {
	const n = c.codePointAt(0);
	return n < 32 ? String.fromCodePoint(0x2400 + n) : `⟨${n.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

// A text of a foreign party as it can be shown: bounded, and nothing in it acts.
export function plain(value) {
	const text = String(value);
	const cut = text.length > LONGEST_TEXT ? text.slice(0, LONGEST_TEXT) + "…" : text;
	return cut.replace(UNSEEN, code);
}

// el("a.name.other", {href}, "text", child, [children]): attributes with a null value are left out.
export function el(kind, attributes, ...children) {
	const [tag, ...classes] = kind.split(".");
	const e = document.createElement(tag);
	if (classes.length)
		e.className = classes.join(" ");
	for (const [name, value] of Object.entries(attributes || {}))
		if (value !== null && value !== undefined)
			e.setAttribute(name, value);
	for (const child of children.flat())
		if (child !== null && child !== undefined)
			e.append(child instanceof Node ? child : plain(child));
	return e;
}

export function button(text, act, attributes) {
	const b = el("button", { type: "button", ...attributes }, text);
	b.addEventListener("click", act);
	return b;
}

// Text is set only where it differs: an unchanged node costs no layout.
export function setText(e, value) {
	const text = value === null || value === undefined ? "–" : plain(value);
	if (e.textContent !== text)
		e.textContent = text;
}

export function setAttribute(e, name, value) {
	if (e.getAttribute(name) !== value)
		e.setAttribute(name, value);
}

export function setStyle(e, name, value) {
	if (e.style[name] !== value)
		e.style[name] = value;
}

export function setHidden(e, hidden) {
	if (e.hidden !== hidden)
		e.hidden = hidden;
}

// --- numbers and times ---

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const count = (n) => (n === null || n === undefined ? "–" : typeof n === "number" ? grouped.format(n) : String(n));
export const counted = (n, one, many) => `${count(n)} ${n === 1 ? one : many || one + "s"}`;

export function rate(n) {
	if (n === null || n === undefined)
		return "–";
	return n >= 100 ? count(n) : n === 0 ? "0" : n.toFixed(n < 1 ? 2 : 1);
}

export function bytes(n) {
	if (n === null || n === undefined || typeof n !== "number")
		return n === "unlimited" ? n : "–";
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let u = 0;
	for (; n >= 1024 && u + 1 < units.length; u++)
		n /= 1024;
	return `${u && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[u]}`;
}

export function microseconds(n) {
	if (n === null || n === undefined)
		return "–";
	return n < 1000 ? `${n} µs` : n < 1e6 ? `${(n / 1000).toFixed(n < 1e4 ? 1 : 0)} ms` : `${(n / 1e6).toFixed(1)} s`;
}

export function duration(seconds) {
	const s = Math.max(0, Math.floor(seconds));
	const two = (n) => String(n).padStart(2, "0");
	if (s < 60)
		return `${s} s`;
	if (s < 3600)
		return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
	return s < 86400 ? `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min` : `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

// "14:11:56.439" of an RFC 3339 time, in UTC as the log has it.
export const clock = (time) => (typeof time === "string" && time.length > 19 ? time.slice(11, 23) : "–");

// Seconds on this page's own clock, which nobody sets.
export const now = () => performance.now() / 1000;

// Elements that show an age: each has the second of now() at which it was 0.
const ages = new Map();

export function setAge(e, since, form) {
	if (since === null || since === undefined || Number.isNaN(since))
		ages.delete(e);
	else
		ages.set(e, [since, form || duration]);
	showAge(e);
}

function showAge(e) {
	const age = ages.get(e);
	setText(e, age ? age[1](now() - age[0]) : null);
}

setInterval(() => {
	for (const e of ages.keys())
		if (e.isConnected)
			showAge(e);
		else
			ages.delete(e);
}, 1000);

// --- sparkline ---

export function sparkline() {
	const svg = document.createElementNS(SVG, "svg");
	svg.setAttribute("class", "spark");
	svg.setAttribute("viewBox", "0 0 100 20");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("role", "img");
	for (const kind of ["area", "line"]) {
		const path = document.createElementNS(SVG, "path");
		path.setAttribute("class", kind);
		path.setAttribute("vector-effect", "non-scaling-stroke");
		svg.append(path);
	}
	return svg;
}

// values: oldest first, room of them fill the width; NaN where nothing was known.
export function setSparkline(svg, values, room, label) {
	let top = 0;
	for (const v of values)
		if (v > top)
			top = v;
	const first = room - values.length;
	let line = "";
	let begun = null;
	for (let i = 0; i < values.length; i++) {
		const v = Number.isNaN(values[i]) ? 0 : values[i];
		const x = (((first + i) * 100) / (room - 1)).toFixed(1);
		begun ??= x;
		line += `${line ? "L" : "M"}${x} ${(19 - (top ? (v / top) * 17 : 0)).toFixed(1)}`;
	}
	setAttribute(svg.lastChild, "d", line);
	setAttribute(svg.firstChild, "d", line && `${line}L100 20L${begun} 20Z`);
	setAttribute(svg, "aria-label", `${label}, highest ${rate(top)}`);
}
