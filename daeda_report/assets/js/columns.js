// All columns as a table that can be searched and put in order; the worst come first.

function columnsSection(data) {
  const body = h("tbody");
  const wanted = h("input", { type: "search", "aria-label": "Find columns", placeholder: "Find columns", oninput: () => draw() });
  let by = data.columns.some((one) => one.worst) ? "drift" : "place";
  const orders = {
    place: ["as in the contract", (one) => one.place], name: ["name", (one) => one.name],
    nulls: ["NULLs", (one) => -(d3.max(one.nulls, (value) => value ?? -1) ?? -1)], drift: ["drift", (one) => -(one.worst || 0)],
  };
  data.columns.forEach((one, place) => { one.place = place; });
  const number = h("p", { role: "status" });
  function draw() {
    const text = wanted.value.trim().toLowerCase();
    const found = data.columns.filter((one) => !text || [one.name, one.kind, one.dtype, one.made_by, one.description].some((part) => part.toLowerCase().includes(text)));
    const order = orders[by][1];
    found.sort((a, b) => d3.ascending(order(a), order(b)) || a.place - b.place);
    number.textContent = plural(found.length, "column");
    body.replaceChildren(...found.map((one) => h("tr", {},
      h("th", { scope: "row" }, h("a", { href: link("column", one.name) }, named(one.name))), h("td", {}, one.kind), h("td", {}, one.dtype),
      h("td", { class: "number" }, percent(last(one.nulls))), h("td", { class: "number" }, percent(d3.max(one.nulls))),
      h("td", { class: `number ${driftClass(one.worst)}` }, one.worst === null || one.worst === undefined ? "" : short(one.worst)),
      h("td", {}, one.worst_day ? h("a", { href: link("column", one.name, one.worst_day) }, one.worst_day) : ""))));
  }
  draw();
  return h("section", {}, h("h2", {}, "Columns"),
    h("p", { class: "controls" }, wanted, choice("Order by", Object.entries(orders).map(([key, [text]]) => [key, text]), by, (value) => { by = value; draw(); })), number,
    data.reference ? h("p", {}, `Drift is the population stability index (PSI) of a day against ${data.reference.told}. Below 0.1 little has changed, above 0.25 much.`) : null,
    h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Columns" }, h("table", { class: "columns" }, h("caption", { class: "unseen" }, "Columns"),
      h("thead", {}, h("tr", {}, ["Column", "Kind", "Type", "NULL, last day", "NULL, most", "Drift, most", "On"].map((head) => h("th", { scope: "col" }, head)))), body)));
}

const last = (values) => values.findLast((value) => value !== null) ?? null;
const driftClass = (value) => (value === null || value === undefined ? "" : value > 0.25 ? "bad" : value > 0.1 ? "doubtful" : "");

// Each column and day as a cell, the darker the further from the reference.
function driftSection(data) {
  const drifting = data.columns.filter((one) => one.drift && one.worst !== null).sort((a, b) => b.worst - a.worst);
  if (!drifting.length) return h("section", {}, h("h2", {}, "Drift"), h("p", {}, "There are no statistics to compare: daeda report makes them of the published days."));
  const most = drifting.slice(0, 40);
  const cells = most.flatMap((one) => data.days.map((day, index) => ({ name: visible(one.name), day: dateOf(day), value: one.drift[index] }))).filter((cell) => cell.value !== null);
  return h("section", {}, h("h2", {}, "Drift"),
    h("p", {}, `How far each day is from ${data.reference.told}, as the population stability index (PSI) of its bins. The columns that drift most come first.`),
    figure(drifting.length > most.length ? `Drift of the ${most.length} columns that drift most` : "Drift of the columns", (width) => plotted(width, {
      height: 76 + 18 * most.length, marginLeft: 170, marginTop: 42, padding: 0, marginRight: 28, x: { ...dayAxis(data.days, width - 170, 432e5), axis: "top" },
      y: { label: null, type: "band", domain: most.map((one) => visible(one.name)), tickFormat: (text) => (text.length > 24 ? `${text.slice(0, 23)}…` : text) },
      color: { type: "threshold", domain: [0.05, 0.1, 0.25, 1], range: ["var(--d0)", "var(--d1)", "var(--d2)", "var(--d3)", "var(--d4)"], legend: true, label: "PSI" },
      marks: [Plot.rect(cells, { x1: "day", x2: (cell) => new Date(+cell.day + 864e5), y: "name", fill: "value", inset: 0.5,
        title: (cell) => `${cell.name}\n${cell.day.toISOString().slice(0, 10)}: ${short(cell.value)}`, tip: true, href: (cell) => link("column", most.find((one) => visible(one.name) === cell.name).name, cell.day.toISOString().slice(0, 10)) })],
    }), () => table("Drift by column and day", ["Column", ...data.days], most.map((one) => [named(one.name), ...one.drift.map(short)]), { numeric: data.days.map((_, index) => index + 1), caption: false })),
    table("Columns by drift", ["Column", "Most", "On", "Last day"], drifting.map((one) => [h("a", { href: link("column", one.name) }, named(one.name)), short(one.worst), h("a", { href: link("column", one.name, one.worst_day) }, one.worst_day), short(last(one.drift))]), { numeric: [1, 3], caption: false }));
}
