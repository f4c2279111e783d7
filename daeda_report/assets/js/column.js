// The page of one column: what makes it, and what is in it over the days.

async function columnPage(data, name, day) {
  const place = data.columns.findIndex((one) => one.name === name);
  if (place < 0) return h("section", {}, h("h2", { tabindex: "-1" }, "No such column"), h("p", {}, named(name), " is no column of the output."));
  const column = data.columns[place];
  const detail = await unpack(`column-${place}`);
  const around = [data.columns[place - 1], data.columns[place + 1]];
  const page = h("section", { class: "column" },
    h("h2", { tabindex: "-1" }, named(name)),
    h("p", {}, h("a", { href: link("columns") }, "All columns"), around.map((one, index) => one ? [" · ", h("a", { href: link("column", one.name) }, index ? "next: " : "before: ", named(one.name))] : null)),
    h("p", {}, `${column.kind}, ${column.dtype}${column.nullable ? "" : ", never NULL"}`, column.description ? [": ", column.description] : null),
    figuresOf(data, column, detail.statistics),
    h("h3", {}, "What makes it"),
    h("p", {}, h("code", {}, column.made_by), ` — ${detail.meaning}`),
    h("ul", {}, detail.words.map((sentence) => h("li", {}, sentence))),
    h("p", {}, "Written in ", detail.where.map((where, index) => [index ? " and " : "", h("code", {}, where)])),
    h("h3", {}, "Where it comes from"), lineage(data, column, detail));
  page.append(h("h3", {}, "Over the days"), h("div", { class: "beside" }, columnFigures(data, column, detail)), ...dayAgainstReference(data, column, detail.statistics, day));
  return page;
}

// The newest day in a few numbers.
function figuresOf(data, column, of) {
  const index = column.nulls.findLastIndex((value) => value !== null);
  if (index < 0) return h("p", {}, "No published day has it.");
  const numbers = of.numbers[0];
  const shown = [[column.kind === "embedding" ? "without a vector" : "NULL", percent(column.nulls[index])]];
  if (numbers && numbers.mean[index] !== null) {
    const what = numbers.title === "Values" ? "" : ` (${numbers.title.toLowerCase()})`;
    const told = toldIn(numbers.unit);
    shown.push([`median${what}`, told((numbers.quantiles["0.5"] || [])[index])], [`mean${what}`, told(numbers.mean[index])],
      [`least to greatest${what}`, `${told(numbers.minimum[index])} to ${told(numbers.maximum[index])}`]);
  }
  if (of.distinct) shown.push(["distinct values", `${of.distinct.error ? "about " : ""}${count(of.distinct.counts[index])}`]);
  if (column.worst !== null) shown.push([`most drift, ${column.worst_day}`, short(column.worst), driftClass(column.worst)]);
  return h("div", {}, h("dl", { class: "figures", "aria-label": `On ${data.days[index]}` },
    shown.map(([what, value, kind]) => h("div", {}, h("dt", {}, what), h("dd", { class: kind || null }, value)))),
    h("p", { class: "of" }, `On ${data.days[index]}, the newest published day.`));
}

function lineage(data, column, detail) {
  const rows = detail.sources.map(([source, field, direct, store]) => [named(source), named(field), store ? "store" : "view", direct ? "its values" : "which rows count"]);
  return h("div", {},
    rows.length ? table(`Sources of ${column.name}`, ["Source", "Field", "Kind", "Decides"], rows, { caption: false }) : h("p", {}, "No source: it is a literal."),
    column.operators.length ? h("p", { class: "way" }, column.operators.map((name, index) => [index ? " → " : "", h("a", { href: link("pipeline", name) }, named(name))])) : null);
}

function columnFigures(data, column, detail) {
  const of = detail.statistics;
  const days = data.days;
  const made = [overDays(column.kind === "embedding" ? "Share of rows without a vector" : "NULL share", days, [["NULL", column.nulls]], { format: percent })];
  for (const numbers of [...of.numbers, ...(of.items && of.items.numbers ? [of.items.numbers] : [])]) {
    const quantiles = numbers.quantiles;
    const middle = Object.keys(quantiles).length ? [["median", quantiles["0.5"]], ["mean", numbers.mean]] : [["mean", numbers.mean]];
    made.push(overDays(`${numbers.title}: median and mean`, days, middle, {
      zero: false, format: toldIn(numbers.unit), band: quantiles["0.05"] ? [quantiles["0.05"], quantiles["0.95"]] : null,
      note: `the band holds 90 % of the values${numbers.error ? `; quantiles are off by at most ${percent(numbers.error)} of themselves` : ""}`,
    }));
    const special = [["zero", numbers.zeros], ["NaN", numbers.nan], ["infinite", numbers.infinite]].filter(([, values]) => values.some(Boolean));
    if (special.length && special.some(([what]) => what !== "zero")) made.push(overDays(`${numbers.title}: NaN and infinite`, days, special.filter(([what]) => what !== "zero"), { format: count }));
  }
  if (telling(of.top, of.numbers.length > 0)) made.push(topOverDays("Share of the most frequent values", data, of.top));
  if (of.items && telling(of.items.top, of.items.numbers)) made.push(topOverDays("Share of the most frequent items", data, of.items.top));
  if (of.distinct) made.push(overDays("Distinct values", days, [["distinct", of.distinct.counts]], { format: count, note: of.distinct.error ? `estimated, with a standard error of ${percent(of.distinct.error)}` : "exact" }));
  if (column.drift) made.push(overDays("Drift", days, [["PSI", column.drift]], { rules: [[0.25]], note: `PSI against ${against(data, column)}; above the dashed line much has changed` }));
  return made;
}

// Whether the most frequent values tell anything: of numbers there may be as many as rows.
function telling(top, areNumbers) {
  if (!top || top.values.length < 2) return false;
  return !areNumbers || top.complete || top.shares[0].some((share) => share > 0.05);
}

function topOverDays(title, data, top) {
  const some = top.values.slice(0, 8).map((value, index) => [value, top.shares[index]]);
  return overDays(title, data.days, some, { format: percent, note: top.error ? `each count may be too low by ${count(top.error)}` : null });
}

// One day beside the reference days: histogram, values and bins of the drift.
function dayAgainstReference(data, column, of, day) {
  const published = data.days.map((one, index) => index).filter((index) => column.nulls[index] !== null);
  if (!published.length) return [];
  const start = published.includes(data.days.indexOf(day)) ? data.days.indexOf(day) : column.worst_day ? data.days.indexOf(column.worst_day) : published[published.length - 1];
  const panel = h("div", { class: "beside", id: "compared" });
  const shown = h("span", { class: "unseen", role: "status" });
  const draw = (index) => {
    panel.replaceChildren(...compared(data, of, index));
    shown.textContent = `${data.days[index]} is shown`;
  };
  const select = choice("Day", published.map((index) => [String(index), data.days[index]]), String(start), (value) => draw(Number(value)));
  const step = (by) => () => {
    const box = select.querySelector("select");
    const at = Math.max(0, Math.min(published.length - 1, published.indexOf(Number(box.value)) + by));
    box.value = String(published[at]);
    draw(published[at]);
  };
  draw(start);
  return [h("h3", {}, "A day beside the reference"), h("p", { class: "controls" }, select,
    h("button", { type: "button", onclick: step(-1) }, "Day before"), h("button", { type: "button", onclick: step(1) }, "Day after"),
    ` reference: ${against(data, column)}`, shown), panel];
}

// The reference days, without those that were left out as exceptions among them.
function against(data, column) {
  return column.left_out.length ? `${data.reference.told}, without ${column.left_out.join(", ")}, which ${column.left_out.length === 1 ? "is" : "are"} unlike the others` : data.reference.told;
}

function compared(data, of, index) {
  const day = data.days[index];
  const made = [];
  for (const numbers of [...of.numbers, ...(of.items && of.items.numbers ? [of.items.numbers] : [])])
    if (numbers.counts[index] && numbers.edges.length > 1) made.push(histogram(`${numbers.title} of ${day}`, numbers, index, day));
  for (const [what, top] of [["Values", of.top], ["Items", of.items && of.items.top]])
    if (telling(top, what === "Values" ? of.numbers.length > 0 : of.items && of.items.numbers)) made.push(bars(`Most frequent ${what.toLowerCase()} of ${day}`, top.values.map((value, place) => [value, top.shares[place][index] ?? 0, top.reference[place] ?? 0]), ["Value", day, "reference"]));
  const drift = of.drift;
  if (drift && drift.which[index] !== null) {
    const which = drift.which[index];
    const [now, was] = [d3.sum(drift.counts[index]), d3.sum(drift.reference[which])];
    const rows = drift.bins[which].map((label, place) => [label, drift.counts[index][place] / now, drift.reference[which][place] / was]);
    made.push(bars(`Bins of the drift of ${day}`, rows, ["Bin", day, "reference"]));
  }
  return made;
}

function histogram(title, numbers, index, day) {
  const share = (counts) => { const all = d3.sum(counts) || 1; return counts.map((one) => one / all); };
  const edges = numbers.edges;
  const inner = (counts) => share(counts).slice(1, -1);
  const outer = (counts) => { const all = share(counts); return [all[0], all[all.length - 1]]; };
  const own = inner(numbers.counts[index]);
  const reference = numbers.reference ? inner(numbers.reference) : null;
  const cells = own.map((value, place) => ({ x1: edges[place], x2: edges[place + 1], value, was: reference ? reference[place] : null }));
  const [low, high] = outer(numbers.counts[index]);
  const edge = toldIn(numbers.unit);
  const told = (one) => `${edge(one.x1)} to ${edge(one.x2)}\n${day}: ${percent(one.value)}${one.was === null ? "" : `\nreference: ${percent(one.was)}`}`;
  return figure(title, (width) => plotted(width, {
    height: 200, x: { label: null, type: numbers.logarithmic ? "log" : "linear", ...(numbers.unit ? axis(edge, edges) : { tickFormat: brief, ticks: 5 }) }, y: { label: null, grid: true, tickFormat: percent },
    color: { type: "categorical", legend: Boolean(reference), domain: [day, "reference"], range: COLOURS },
    marks: [
      Plot.rectY(cells, { x1: "x1", x2: "x2", y: "value", fill: () => day, fillOpacity: 0.8, inset: 0.5, title: told, tip: true }),
      ...(reference ? [Plot.line(cells.flatMap((one) => [[one.x1, one.was], [one.x2, one.was]]), { x: (one) => one[0], y: (one) => one[1], stroke: () => "reference", strokeWidth: 2 })] : []),
      Plot.ruleY([0]),
    ],
  }), () => table(title, ["From", "To", day, "reference"], cells.map((one) => [edge(one.x1), edge(one.x2), percent(one.value), one.was === null ? "" : percent(one.was)]), { numeric: [0, 1, 2, 3], caption: false }),
  low + high > 0 ? `${percent(low)} are below and ${percent(high)} above what is shown` : null);
}
