// A long list of rows of one height: only those in sight are elements. Rows keep their elements while they are
// in sight, so that the focus stays where it is.
import { setAttribute, setStyle } from "./dom.js";

const OVERSCAN = 8;

export class Rows {
	// host: the element of the rows; make(): an element; fill(element, item, index); keyOf(item).
	constructor(host, { make, fill, keyOf }) {
		Object.assign(this, { host, make, fill, keyOf });
		this.items = [];
		this.shown = new Map();
		this.frame = 0;
		this.later = () => (this.frame ||= requestAnimationFrame(() => this.draw(false)));
		this.measured = () => {
			this.#measure();
			this.later();
		};
		addEventListener("scroll", this.later, { passive: true });
		addEventListener("resize", this.measured);
		this.#measure();
	}

	#measure() {
		// The style gives the height of a row as the line height of the host: that is always in pixels.
		this.height = parseFloat(getComputedStyle(this.host).lineHeight) || 44;
	}

	set(items) {
		this.items = items;
		this.draw(true);
	}

	#range() {
		const top = this.host.getBoundingClientRect().top;
		const first = Math.max(0, Math.floor(-top / this.height) - OVERSCAN);
		return [first, Math.min(this.items.length, Math.ceil((innerHeight - top) / this.height) + OVERSCAN)];
	}

	// filled: the items are new; else only the place on the page is.
	draw(filled) {
		this.frame = 0;
		if (!this.host.isConnected)
			return;
		const [first, end] = this.#range();
		const wanted = new Map();
		for (let i = first; i < end; i++)
			wanted.set(this.keyOf(this.items[i]), i);
		const free = this.#free(wanted);
		setStyle(this.host, "height", `${this.items.length * this.height}px`);
		for (const [key, i] of wanted)
			this.#place(key, i, free, filled);
		free.forEach((e) => e.remove());
	}

	// The elements of rows that went out of sight: those that come in take them over.
	#free(wanted) {
		const free = [];
		for (const [key, e] of this.shown)
			if (!wanted.has(key)) {
				this.shown.delete(key);
				free.push(e);
			}
		return free;
	}

	#place(key, index, free, filled) {
		const known = this.shown.get(key);
		const e = known || free.pop() || this.host.appendChild(this.make());
		this.shown.set(key, e);
		setStyle(e, "top", `${index * this.height}px`);
		if (known && !filled)
			return;
		setAttribute(e, "aria-rowindex", String(index + 2));
		this.fill(e, this.items[index], index);
	}

	// Scrolls so that the row is in sight and returns its element.
	reveal(index, margin) {
		const top = this.host.getBoundingClientRect().top + index * this.height;
		if (top < margin)
			scrollBy(0, top - margin);
		else if (top + this.height > innerHeight)
			scrollBy(0, top + this.height - innerHeight + 8);
		this.draw(false);
		return this.shown.get(this.keyOf(this.items[index]));
	}

	close() {
		cancelAnimationFrame(this.frame);
		removeEventListener("scroll", this.later);
		removeEventListener("resize", this.measured);
	}
}
