// What a page must not have: unnamed controls, pale text, things beyond its right edge. Returns a list of sentences.
(() => {
	const found = [];
	const say = (e, what) => found.push(`${what}: ${e.outerHTML.slice(0, 120)}`);
	const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });

	// --- names and ids ---
	const ids = new Set();
	for (const e of document.querySelectorAll("[id]")) {
		if (ids.has(e.id))
			say(e, "an id twice");
		ids.add(e.id);
	}
	for (const e of document.querySelectorAll("[aria-labelledby], label[for]"))
		for (const id of (e.getAttribute("aria-labelledby") || e.htmlFor).split(" "))
			if (!ids.has(id))
				say(e, `no element has the id ${id}`);
	if (!document.documentElement.lang)
		found.push("the page has no language");
	if (document.querySelectorAll("main").length !== 1 || document.querySelectorAll("h1").length !== 1)
		found.push("not one main and one h1");
	let level = 0;
	for (const h of document.querySelectorAll("main :is(h1, h2, h3, h4)")) {
		const n = Number(h.tagName[1]);
		if (n > level + 1)
			say(h, "a level of headings is left out");
		level = n;
	}
	for (const e of document.querySelectorAll("[style], [onclick], [onerror], [onload], script:not([src])"))
		if (e.tagName === "SCRIPT" || [...e.attributes].some((a) => a.name.startsWith("on")))
			say(e, "a script in the markup");

	// --- contrast ---
	const rgba = (color) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data];
	};
	const luminance = (c) => {
		const [r, g, b] = c.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const c = rgba(getComputedStyle(e).backgroundColor);
			if (c[3] > 250)
				return c;
		}
		return [255, 255, 255, 255];
	};
	const cache = new Map();
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let t = texts.nextNode(); t; t = texts.nextNode()) {
		const e = t.parentElement;
		if (!t.data.trim() || !seen(e) || e.closest(".hidden, .skip") || e.getAnimations().length)
			continue;
		const style = getComputedStyle(e);
		const back = behind(e);
		const key = `${style.color} on ${back}`;
		if (!cache.has(key)) {
			const [a, b] = [luminance(rgba(style.color)), luminance(back)].sort((x, y) => y - x);
			cache.set(key, (a + 0.05) / (b + 0.05));
		}
		const size = parseFloat(style.fontSize);
		if (cache.get(key) < (size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5))
			say(e, `contrast ${cache.get(key).toFixed(2)} of ${key}`);
	}

	// --- width ---
	if (document.documentElement.scrollWidth > innerWidth)
		found.push(`the page is ${document.documentElement.scrollWidth} wide in ${innerWidth}`);
	for (const e of document.querySelectorAll("body *"))
		if (seen(e) && !e.closest(".scroll, .hidden, .skip, .headgroup, svg") && e.getBoundingClientRect().right > innerWidth + 1)
			say(e, "beyond the right edge");
	return found;
})()
