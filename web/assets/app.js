// Which view is shown, the verdict above all of them, keys and theme.
import { ask } from "./api.js";
import { counted, duration, now, setAttribute, setHidden, setText } from "./dom.js";
import { Device } from "./device.js";
import { Gateway } from "./gateway.js";
import { model, onChange, problems, start } from "./model.js";
import { Overview } from "./overview.js";

const THEMES = ["auto", "light", "dark"];
const $ = (id) => document.getElementById(id);
let view = null;
let name = "gatewayd";

// --- views ---

function decoded(segments) {
	try {
		return segments.map(decodeURIComponent);
	} catch {
		return null;
	}
}

function route() {
	const [path, query] = location.hash.replace(/^#/, "").split("?");
	const segments = decoded(path.split("/").slice(1)) || [];
	view?.close();
	if (segments[0] === "device" && segments.length === 3)
		view = new Device($("main"), `${segments[1]}/${segments[2]}`);
	else if (segments[0] === "gateway")
		view = new Gateway($("main"));
	else
		view = new Overview($("main"), new URLSearchParams(query));
	for (const [id, kind] of [["nav-devices", Overview], ["nav-gateway", Gateway]])
		if (view instanceof kind)
			$(id).setAttribute("aria-current", "page");
		else
			$(id).removeAttribute("aria-current");
	drawVerdict();
}

function navigate() {
	route();
	scrollTo(0, 0);
	$("main").focus({ preventScroll: true });
}

// --- the verdict ---

function judge() {
	if (model.reached === false)
		return ["unknown", "Not connected"];
	if (!model.loaded && !model.down)
		return ["unknown", "Connecting"];
	if (model.down)
		return ["critical", "gatewayd does not answer"];
	const list = problems();
	const critical = list.filter((p) => p.severity === 3);
	const warnings = list.length - critical.length;
	if (critical.some((p) => p.device === null))
		return ["critical", "Event Server lost" + (list.length > 1 ? `, ${counted(list.length - 1, "device")} affected` : "")];
	if (critical.length)
		return ["critical", `${counted(critical.length, "device")} down` + (warnings ? `, ${warnings} degraded` : "")];
	return warnings ? ["warning", `${counted(warnings, "device")} degraded`] : ["ok", "All is well"];
}

function drawVerdict() {
	const [severity, text] = judge();
	setAttribute($("verdict"), "data-severity", severity);
	setText($("verdict-text"), text);
	const mark = severity === "ok" ? "" : severity === "unknown" ? "… " : "● ";
	const title = `${mark}${text} – ${view.title} – ${name}`;
	if (document.title !== title)
		document.title = title;
	drawLost();
}

function drawLost() {
	const lost = model.reached === false;
	setHidden($("lost"), !lost && !model.down);
	document.body.classList.toggle("stale", lost || Boolean(model.down));
	if (lost)
		setText($("lost"), model.heard === null ? "gateway-web does not answer. Trying again." : `The connection to gateway-web is lost. This is what was known ${duration(now() - model.heard)} ago.`);
	else if (model.down)
		setText($("lost"), `${model.down}. This is what was known before.`);
}

async function learnName() {
	try {
		const [info] = await ask("info");
		name = String(info.name);
		setText($("gateway-name"), name);
		drawVerdict();
	} catch {
		setTimeout(learnName, 5000);
	}
}

// --- theme and keys ---

// The browser may refuse to store anything.
function stored(value) {
	try {
		if (value)
			localStorage.setItem("theme", value);
		return localStorage.getItem("theme");
	} catch {
		return value || null;
	}
}

function setTheme(theme) {
	document.documentElement.dataset.theme = theme;
	setText($("theme-name"), theme);
	setAttribute($("theme"), "aria-label", `Theme: ${theme}`);
}

function nextTheme() {
	const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
	stored(theme);
	setTheme(theme);
}

const KEYS = {
	"?": () => $("help").showModal(),
	t: nextTheme,
	d: () => (location.hash = "#/"),
	g: () => (location.hash = "#/gateway"),
};

function onKey(e) {
	const typing = e.target.matches("input, select, textarea");
	if (e.ctrlKey || e.metaKey || e.altKey || $("help").open || (typing && !["Escape", "ArrowDown"].includes(e.key)))
		return;
	const own = !typing && Object.hasOwn(KEYS, e.key);
	const scrolls = e.target.matches(".scroll, .feed");
	if (own)
		KEYS[e.key]();
	if (own || (!scrolls && view.onKey(e.key)))
		e.preventDefault();
}

setTheme(THEMES.includes(stored()) ? stored() : "auto");
$("theme").addEventListener("click", nextTheme);
$("keys").addEventListener("click", KEYS["?"]);
$("skip").addEventListener("click", (e) => {
	e.preventDefault();
	$("main").focus();
});
addEventListener("hashchange", navigate);
addEventListener("keydown", onKey);
start();
route();
onChange(drawVerdict);
setInterval(drawVerdict, 1000);
learnName();
