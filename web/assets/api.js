// What gateway-web is asked. Answers are checked for their shape here, their values are shown as text only.

const BASE = "api/v1/";
const SILENCE_MS = 12000; // the server says something at least each 5 s
const AGAIN_MS = 1000;

// Integers that JavaScript cannot hold stay as they were written.
function exact(key, value, context) {
	if (typeof value !== "number" || !context || !JSON.rawJSON || String(value) === context.source)
		return value;
	return /^-?\d{16,}$/.test(context.source) ? JSON.rawJSON(context.source) : value;
}

// To ask exact() for each value of thousands of rows costs more than all the rest: only where one may be so long.
const LONG = /(?<![\d.])\d{16}/;

export const parse = (text) => (LONG.test(text) ? JSON.parse(text, exact) : JSON.parse(text));

export const deviceUrl = (what, key) => what + "/" + key.split("/").map(encodeURIComponent).join("/");

// The rows of an answer; throws an Error with a sentence for people.
export async function ask(what, signal) {
	const response = await fetch(BASE + what, { signal, cache: "no-store" });
	const text = await response.text();
	let answer = null;
	try {
		answer = parse(text);
	} catch {
		throw new Error(`gateway-web answers ${response.status} and no JSON`);
	}
	if (!response.ok)
		throw new Error(answer && answer.error ? String(answer.error) : `gateway-web answers ${response.status}`);
	return Array.isArray(answer) ? answer : [];
}

// A stream of objects that is opened again until close(). on.message(object), on.state(true or false).
// A hidden page keeps no stream: nobody looks.
export class Stream {
	constructor(what, on) {
		this.what = what;
		this.on = on;
		this.source = null;
		this.closed = false;
		this.visible = () => (document.hidden ? this.#end() : this.#open());
		document.addEventListener("visibilitychange", this.visible);
		this.#open();
	}

	#open() {
		if (this.closed || this.source || document.hidden)
			return;
		clearTimeout(this.again);
		this.source = new EventSource(BASE + this.what);
		this.source.onopen = () => this.#alive();
		this.source.onmessage = (e) => this.#take(e.data);
		this.source.addEventListener("ping", () => this.#alive());
		this.source.onerror = () => this.#lost();
		this.#watch();
	}

	#watch() {
		clearTimeout(this.silence);
		this.silence = setTimeout(() => this.#lost(), SILENCE_MS);
	}

	#alive() {
		this.#watch();
		this.on.state?.(true);
	}

	#take(data) {
		this.#alive();
		let object = null;
		try {
			object = parse(data);
		} catch {
			return;
		}
		if (object && typeof object === "object")
			this.on.message(object);
	}

	#lost() {
		this.#end();
		this.on.state?.(false);
		if (!this.closed)
			this.again = setTimeout(() => this.#open(), AGAIN_MS);
	}

	#end() {
		clearTimeout(this.silence);
		clearTimeout(this.again);
		this.source?.close();
		this.source = null;
	}

	close() {
		this.closed = true;
		document.removeEventListener("visibilitychange", this.visible);
		this.#end();
	}
}

// Asks each period_ms while the page is seen, and says each answer or error; one request at a time.
export class Poll {
	constructor(what, periodMs, onRows, onError) {
		this.abort = new AbortController();
		this.tick = async () => {
			if (!document.hidden)
				try {
					onRows(await ask(what, this.abort.signal));
				} catch (error) {
					if (!this.abort.signal.aborted)
						onError(error);
				}
			if (!this.abort.signal.aborted)
				this.timer = setTimeout(this.tick, periodMs);
		};
		this.tick();
	}

	close() {
		this.abort.abort();
		clearTimeout(this.timer);
	}
}
