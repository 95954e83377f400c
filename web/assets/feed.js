// A list of what happens, the newest on top, bounded.
import { button, count, el, setAttribute, setText } from "./dom.js";

const LINES = 200;

export class Feed {
	constructor(title, line, about) {
		this.line = line;
		this.waiting = [];
		this.total = 0;
		this.paused = false;
		this.frame = 0;
		const id = "feed-" + title.replaceAll(" ", "-").toLowerCase();
		this.list = el("ol.feed", { "aria-labelledby": id, tabindex: "0" });
		this.pause = button("Pause", () => this.#pause(), { "aria-pressed": "false" });
		this.number = el("span.shown");
		this.tools = el("div.tools", null, this.pause, this.number);
		this.none = el("p.none", null, about || "Nothing yet.");
		this.box = el("section.card.feedbox", { "aria-labelledby": id }, el("div.card-head", null, el("h2", { id }, title), this.tools), this.list, this.none);
	}

	add(object) {
		this.total++;
		this.waiting.push(object);
		if (this.waiting.length > LINES)
			this.waiting.shift();
		if (!this.paused)
			this.frame ||= requestAnimationFrame(() => this.#draw());
	}

	#pause() {
		this.paused = !this.paused;
		setText(this.pause, this.paused ? "Go on" : "Pause");
		setAttribute(this.pause, "aria-pressed", String(this.paused));
		if (!this.paused)
			this.#draw();
	}

	#draw() {
		this.frame = 0;
		this.none.hidden = true;
		this.list.prepend(...this.waiting.reverse().map(this.line));
		this.waiting = [];
		while (this.list.childElementCount > LINES)
			this.list.lastChild.remove();
		setText(this.number, count(this.total));
	}

	close() {
		cancelAnimationFrame(this.frame);
	}
}
