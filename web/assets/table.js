// Small tables, and lists of facts, in cards.
import { el, setAge, setAttribute, setHidden, setText } from "./dom.js";

const ROWS = 300;

export class Table {
	// columns: {title, text(row) or age(row), head, number, long, state}
	constructor(title, columns) {
		this.columns = columns;
		const id = "table-" + title.replaceAll(" ", "-").toLowerCase();
		this.body = el("tbody");
		this.none = el("p.none");
		this.note = el("p.note", { hidden: "" });
		this.table = el("table", { "aria-labelledby": id }, el("thead", null, el("tr", null, columns.map((c) => el(`th${c.number ? ".number" : ""}`, { scope: "col" }, c.title)))), this.body);
		this.box = el("section.card", { "aria-labelledby": id }, el("h2", { id }, title), el("div.scroll", { tabindex: "0", role: "region", "aria-labelledby": id }, this.table), this.note, this.none);
	}

	set(rows, none, note) {
		const list = Array.isArray(rows) ? rows.slice(0, ROWS) : [];
		setHidden(this.table.parentNode, list.length === 0);
		setHidden(this.none, list.length > 0);
		setText(this.none, none);
		setHidden(this.note, !note);
		setText(this.note, note || "");
		list.forEach((row, i) => this.#fill(this.body.children[i] || this.body.appendChild(this.#line()), row));
		while (this.body.childElementCount > list.length)
			this.body.lastChild.remove();
	}

	#line() {
		return el("tr", null, this.columns.map((c) => el(c.head ? "th" : `td${c.number ? ".number" : c.long ? ".long" : c.state ? ".state" : ""}`, { scope: c.head ? "row" : null })));
	}

	#fill(line, row) {
		this.columns.forEach((c, i) => {
			const cell = line.children[i];
			if (c.age)
				setAge(cell, c.age(row));
			else
				setText(cell, c.text(row));
			if (c.state)
				setAttribute(cell, "data-state", String(c.text(row)));
		});
	}
}

// set([[title, text], ...]): what is null is shown as none.
export function facts(title) {
	const id = "facts-" + title.replaceAll(" ", "-").toLowerCase();
	const list = el("dl.facts");
	const box = el("section.card", { "aria-labelledby": id }, el("h2", { id }, title), list);
	const set = (pairs) => {
		pairs.forEach(([name, value], i) => {
			const line = list.children[i] || list.appendChild(el("div", null, el("dt"), el("dd")));
			setText(line.firstChild, name);
			setText(line.lastChild, value);
		});
		while (list.childElementCount > pairs.length)
			list.lastChild.remove();
	};
	return { box, set };
}
