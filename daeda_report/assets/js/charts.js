// Figures by Observable Plot: drawn when they are seen, drawn anew for another width, and told as a table too.

const dateOf = (day) => new Date(`${day}T00:00:00Z`);
const figures = new Set();

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.draw();
}, { rootMargin: "400px" });

const resized = new ResizeObserver((entries) => {
  if (onPaper) return;
  for (const { target } of entries) {
    const width = Math.round(target.clientWidth);
    if (target.drawn && target.drawn !== width) target.draw(true);
  }
});

// While a page is made ready for paper, the window has the width of a screen still: that of A4 and of letter between
// margins is known. Text stays as great as the text around it.
const PAPER = 640;
let onPaper = false;

function printed(on) {
  onPaper = on;
  for (const canvas of figures) {
    if (canvas.isConnected) canvas.draw(true);
    else figures.delete(canvas);
  }
}

// `make` returns what Plot makes of a width; `numbers` the table behind it.
function figure(title, make, numbers, note) {
  const canvas = h("div", { class: "canvas" });
  const element = h("figure", { "aria-label": title },
    h("figcaption", {}, title, note ? h("small", {}, ` ${note}`) : null), canvas,
    numbers ? folded("Numbers", numbers) : null);
  canvas.draw = (again) => {
    const width = onPaper ? PAPER : Math.round(canvas.clientWidth);
    if (width === 0 || (canvas.drawn && !again)) return;
    canvas.drawn = width;
    const made = make(Math.max(width, 240));
    const pictures = made.tagName.toLowerCase() === "svg" ? [made] : [...made.querySelectorAll("svg")];
    const picture = pictures.pop();
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", visible(title));
    // What Plot puts around it is a legend: its words are read, its colours are not.
    for (const legend of pictures) legend.setAttribute("aria-hidden", "true");
    if (made !== picture) made.setAttribute("role", "presentation");
    // For the mouse alone: a link for each cell is too many to be stepped through, and a picture has none.
    for (const anchor of picture.querySelectorAll("a")) {
      anchor.setAttribute("tabindex", "-1");
      anchor.setAttribute("aria-hidden", "true");
    }
    canvas.replaceChildren(made);
  };
  figures.add(canvas);
  seen.observe(canvas);
  resized.observe(canvas);
  return element;
}

const COLOURS = ["var(--c1)", "var(--c2)", "var(--c3)", "var(--c4)", "var(--c5)", "var(--c6)", "var(--c7)", "var(--c8)"];

// A tick for each day, or for every so many, as long as there is room; of many days Plot chooses months and years.
// `shift` is where in its day a tick stands, in milliseconds.
function dayAxis(days, width, shift = 0) {
  const step = Math.ceil(days.length / Math.max(2, Math.floor(width / 72)));
  if (step > 7) return { type: "utc", label: null };
  const ticks = days.filter((_, index) => index % step === 0).map((day) => new Date(+dateOf(day) + shift));
  return { type: "utc", label: null, ticks, tickFormat: (day) => `${DAY_OF_MONTH(day)}${+day === +ticks[0] || day.getUTCDate() <= step ? `\n${MONTH(day)}` : ""}` };
}
const DAY_OF_MONTH = d3.utcFormat("%-d");
const MONTH = d3.utcFormat("%b %Y");

// An axis of numbers in a format. Of bytes it has round numbers of KiB, MiB and so on, which powers of ten are not, and
// of times hours, days or years.
function axis(format, values) {
  if (format.unit) {
    const size = MILLIS[format.unit];
    const ends = d3.extent(values.filter((value) => value !== null && value !== undefined)).map((value) => new Date(value * size));
    if (!ends.every((moment) => moment && !Number.isNaN(+moment))) return { ticks: 3, tickFormat: format };
    const scale = d3.scaleUtc(ends, [0, 1]);
    const told = scale.tickFormat(4);
    return { ticks: scale.ticks(4).map((moment) => +moment / size), tickFormat: (value) => told(new Date(value * size)) };
  }
  if (format !== bytes) return { tickFormat: (value) => (format === short || format === count ? brief : format)(value) };
  const most = d3.max(values, (value) => value || 0) || 1;
  const power = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log(most / 4) / Math.log(1024))));
  return {
    ticks: d3.ticks(0, most / 1024 ** power, 4).map((value) => value * 1024 ** power),
    tickFormat: (value) => `${count(value / 1024 ** power)} ${UNITS[power]}`,
  };
}

function plotted(width, options) {
  return Plot.plot({
    width, height: 190, marginLeft: 68, marginRight: 28, marginBottom: 36, style: { background: "none", fontSize: "12px", overflow: "visible" },
    ...options,
  });
}

// Lines over the days: `series` are lists of [name, values]; gaps stay gaps.
function overDays(title, days, series, options = {}) {
  const format = options.format || short;
  const points = series.flatMap(([name, values]) =>
    days.map((day, index) => ({ day: dateOf(day), value: values[index], name })));
  const shown = points.filter((point) => point.value !== null && point.value !== undefined);
  const several = series.length > 1;
  const domain = series.map(([name]) => visible(name));
  return figure(title, (width) => plotted(width, {
    x: dayAxis(days, width),
    y: { label: null, grid: true, ...axis(format, [...series.map(([, values]) => values), ...(options.band || [])].flat()), zero: options.zero !== false, ...(shown.every((point) => point.value === 0) ? { domain: [0, 1] } : {}) },
    color: { type: "categorical", legend: several, domain, range: COLOURS },
    marks: [
      ...(options.band ? [Plot.areaY(days.map((day, index) => ({ day: dateOf(day), low: options.band[0][index], high: options.band[1][index] })),
        { x: "day", y1: "low", y2: "high", fill: "var(--c1)", fillOpacity: 0.18, curve: "step" })] : []),
      ...(options.rules || []).map(([value]) => Plot.ruleY([value], { stroke: "var(--bad)", strokeDasharray: "4 3" })),
      Plot.lineY(points, { x: "day", z: "name", y: (one) => (one.value === null || one.value === undefined ? NaN : one.value), stroke: (one) => visible(one.name), curve: "linear" }),
      Plot.dot(shown, { x: "day", y: "value", fill: (one) => visible(one.name), r: days.length > 120 ? 1.2 : 2.5 }),
      ...(options.marked !== undefined && options.marked !== null ? [Plot.ruleX([dateOf(days[options.marked])], { stroke: "var(--text)", strokeOpacity: 0.5 })] : []),
      Plot.tip(shown, Plot.pointerX({ x: "day", y: "value", fill: "var(--card)",
        title: (one) => `${one.day.toISOString().slice(0, 10)}\n${visible(one.name)}: ${format(one.value)}` })),
    ],
  }), () => table(title, ["Day", ...series.map(([name]) => name)],
    days.map((day, index) => [day, ...series.map(([, values]) => format(values[index]))]),
    { numeric: series.map((_, index) => index + 1), caption: false }), options.note);
}

// Bars over the days, on top of each other.
function stackedOverDays(title, days, series, options = {}) {
  const format = options.format || short;
  const domain = series.map(([name]) => visible(name));
  const points = series.flatMap(([name, values]) => days.map((day, index) => ({ day: dateOf(day), value: values[index] || 0, name: visible(name) })));
  return figure(title, (width) => plotted(width, {
    x: dayAxis(days, width, 432e5), y: { label: null, grid: true, tickFormat: (value) => format(value) },
    color: { type: "categorical", legend: true, domain, range: domain.map((_, index) => COLOURS[index % COLOURS.length]) },
    marks: [
      Plot.rectY(points, { x: "day", y: "value", fill: "name", interval: "day", order: domain,
        title: (one) => `${one.day.toISOString().slice(0, 10)}\n${one.name}: ${format(one.value)}`, tip: true }),
      Plot.ruleY([0]),
    ],
  }), () => table(title, ["Day", ...series.map(([name]) => name)],
    days.map((day, index) => [day, ...series.map(([, values]) => format(values[index]))]),
    { numeric: series.map((_, index) => index + 1), caption: false }), options.note);
}

// Bars of shares side by side: rows are [label, share, share of the reference].
function bars(title, rows, heads, options = {}) {
  const format = options.format || percent;
  const labels = rows.map((row) => visible(row[0]));
  const points = rows.flatMap((row) => row.slice(1).map((value, index) => ({ label: visible(row[0]), value, which: heads[index + 1] })));
  return figure(title, (width) => plotted(width, {
    height: 60 + rows.length * (rows[0] && rows[0].length > 2 ? 26 : 20), marginLeft: Math.min(180, 24 + 7 * d3.max(labels, (one) => Math.min(one.length, 22)) || 60),
    x: { label: null, grid: true, ...axis(format, points.map((one) => one.value)) }, y: { axis: null, type: "band" },
    fy: { label: null, type: "band", domain: labels, padding: 0.15, axis: "left", tickFormat: (one) => (one.length > 22 ? `${one.slice(0, 21)}…` : one) },
    color: { type: "categorical", legend: heads.length > 2, domain: heads.slice(1), range: COLOURS },
    marks: [
      Plot.barX(points, { fy: "label", y: "which", x: "value", fill: "which", tip: true, title: (one) => `${one.label}\n${one.which}: ${format(one.value)}` }),
      Plot.ruleX([0]),
    ],
  }), () => table(title, heads, rows.map((row) => [row[0], ...row.slice(1).map(format)]), { numeric: [1, 2], caption: false }));
}
