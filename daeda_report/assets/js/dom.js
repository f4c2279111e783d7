// Elements from text, and never from HTML: whatever names and values hold, it is shown and not read.

const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb]/g;
const SVG = "http://www.w3.org/2000/svg";

// What is not seen, or changes the order of what is, as its escape.
function visible(text) {
  return String(text).replace(HARMFUL, (one) => {
    const code = one.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : typeof value === "string" ? visible(value) : value);
  }
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(visible(child)));
  }
  return element;
}

const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

// A name of somebody's own, apart from the direction of what stands around it.
// A long one may be broken behind each of its underscores.
const named = (text) => h("bdi", { class: "name" }, String(text).split(/(?<=_)/).map((part, index) => [index ? h("wbr") : null, part]));

// A sentence whose dates are not broken behind a hyphen.
const unbroken = (text) => String(text).split(/(\d{4}-\d{2}-\d{2})/).map((part, index) => (index % 2 ? h("span", { class: "date" }, part) : visible(part)));

// SQL and what else has lines of its own.
function code(text) {
  const lines = String(text).split("\n").map(visible);
  const element = h("pre", { tabindex: "0", dir: "ltr" });
  element.textContent = lines.join("\n");
  return element;
}

const link = (...path) => "#/" + path.map(encodeURIComponent).join("/");

// What the part of the address behind '#' asks for; one that nobody can read asks for nothing.
function asked() {
  try {
    return location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  } catch {
    return [""];
  }
}

// The address names what is shown: a link to `#main` would ask for something else.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  document.getElementById("main").focus();
});

const NUMBER = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const SIGNIFICANT = new Intl.NumberFormat("en", { maximumSignificantDigits: 5 });
const count = (value) => (value === null || value === undefined ? "" : NUMBER.format(value));
const short = (value) => {
  if (value === null || value === undefined) return "";
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-3) ? value.toExponential(3) : SIGNIFICANT.format(value);
};
// For an axis, where there is little room.
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const brief = (value) => (Math.abs(value) >= 1e5 ? COMPACT.format(value) : short(value));
const percent = (value) =>
  value === null || value === undefined ? "" : value > 0 && value < 5e-6 ? "less than 0.001 %" : `${(value * 100).toFixed(value > 0 && value < 0.001 ? 3 : value < 1 && value > 0 ? 1 : 0)} %`;
const seconds = (value) => (value === null || value === undefined ? "" : `${value.toFixed(value < 10 ? 2 : 0)} s`);
const plural = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;
// Numbers that are times since 1970 in a unit, and how they are told; others have no unit.
const MILLIS = { d: 864e5, ms: 1, us: 1e-3, ns: 1e-6 };
function toldIn(unit) {
  if (!unit) return short;
  const format = (value) => {
    if (value === null || value === undefined) return "";
    const moment = new Date(value * MILLIS[unit]);
    if (Number.isNaN(+moment)) return `${short(value)} ${unit}`;
    const [day, time] = moment.toISOString().split("T");
    return unit === "d" ? day : `${day} ${time.slice(0, 5)}`;
  };
  return Object.assign(format, { unit });
}
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
function bytes(value) {
  if (value === null || value === undefined) return "";
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) { value /= 1024; unit += 1; }
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

// A table; a cell is text or a node, and a column of numbers stands to the right.
function table(caption, heads, rows, options = {}) {
  const numeric = new Set(options.numeric || []);
  const cell = (kind, child, index, scope) => h(kind, { class: numeric.has(index) ? "number" : null, scope }, child);
  return h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": caption },
    h("table", { class: options.class },
      h("caption", { class: options.caption === false ? "unseen" : null }, caption),
      h("thead", {}, h("tr", {}, heads.map((head, index) => cell("th", head, index, "col")))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((child, index) =>
        index === 0 ? cell("th", child, index, "row") : cell("td", child, index)))))));
}

// What is built when it is opened.
function folded(summary, build) {
  const element = h("details", {}, h("summary", {}, summary));
  element.addEventListener("toggle", () => {
    if (element.open && element.children.length === 1) element.append(build());
  });
  return element;
}

function choice(label, values, chosen, change) {
  const select = h("select", { onchange: () => change(select.value) },
    values.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));
  return h("label", { class: "choice" }, `${label} `, select);
}

// What stands in the page compressed.
async function unpack(name) {
  const packed = atob(document.getElementById(`data-${name}`).textContent);
  const stream = new Blob([Uint8Array.from(packed, (one) => one.charCodeAt(0))]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const tooOld = () => typeof DecompressionStream === "undefined";
function failed(error) {
  const opening = document.getElementById("opening") || document.getElementById("main");
  opening.textContent = tooOld() ? "This browser is too old for this page: it needs one of 2023 or later." : `This page cannot be shown: ${error.message}`;
  throw error;
}
