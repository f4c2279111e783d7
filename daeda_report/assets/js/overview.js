// What stands out, and the figures of the whole.

// The worst findings, which are read at once; the others are a click away.
const FIRST_FINDINGS = 20;

const MILD = new Set(["drift", "days"]);

// A finding of a column begins with its name, which leads there.
function finding(one) {
  const start = `${one.column}: `;
  const of = one.column && one.told.startsWith(start);
  const where = of ? h("a", { href: link("column", one.column, ...(one.day ? [one.day] : [])) }, named(one.column)) : null;
  return h("li", { "data-kind": one.kind }, h("span", { class: MILD.has(one.kind) ? "kind mild" : "kind" }, one.kind), " ",
    of ? [where, ": ", unbroken(one.told.slice(start.length))] : [unbroken(one.told), " ", one.day ? h("a", { href: link("days", one.day) }, "look at the day") : null]);
}

function findings(data) {
  const all = data.findings;
  if (!all.length) return h("p", { class: "good" }, "Nothing stands out.");
  const list = h("ol", { class: "findings" }, all.slice(0, FIRST_FINDINGS).map(finding));
  const rest = all.slice(FIRST_FINDINGS);
  if (!rest.length) return list;
  const told = h("span", {}, `The ${FIRST_FINDINGS} worst of ${count(all.length)} findings; ${count(rest.length)} more are less bad.`);
  const more = h("button", { type: "button", onclick: () => {
    list.append(...rest.map(finding));
    told.textContent = `All ${count(all.length)} findings.`;
    more.remove();
    const next = list.children[FIRST_FINDINGS];
    next.tabIndex = -1;
    next.focus();
  } }, `Show ${count(rest.length)} more`);
  return h("div", {}, list, h("p", { class: "more", role: "status" }, told, " ", more));
}

function overview(data) {
  const found = findings(data);
  const final = data.datasets[data.final];
  const states = d3.rollups(final.states, (of) => of.length, (state) => state);
  const rows = d3.sum(final.rows, (value) => value || 0);
  return [
    h("h2", {}, "What stands out"), data.problem ? h("p", { class: "warning" }, `Which days are stale or missing is not known: ${data.problem}`) : null, found,
    h("h2", {}, "At a glance"),
    h("dl", { class: "figures" },
      [["days", count(data.days.length)], ...states.map(([state, number]) => [state, count(number)]), ["rows", count(rows)],
        ["columns", count(data.columns.length)], ["size", bytes(d3.sum(final.bytes, (value) => value || 0))]]
        .map(([what, value]) => h("div", {}, h("dt", {}, what), h("dd", {}, value)))),
    overDays("Rows of each day", data.days, [["rows", final.rows]], { format: count }),
    data.splits.length ? h("section", {}, h("h3", {}, "Splits"), splitTable(data)) : null,
    data.notes.length ? h("section", {}, h("h3", {}, "Availability and labels"), h("ul", {}, data.notes.map((note) => h("li", {}, note)))) : null,
  ];
}

function splitTable(data) {
  const final = data.datasets[data.final];
  const rows = data.splits.map((split) => {
    const inside = data.days.map((day, index) => (day >= split.first && day <= split.last ? index : -1)).filter((index) => index >= 0);
    const there = inside.filter((index) => final.rows[index] !== null);
    return [named(split.name), split.first, split.last, count(inside.length), count(there.length), count(d3.sum(there, (index) => final.rows[index]))];
  });
  return table("Days and rows of each split", ["Split", "First day", "Last day", "Days here", "Published", "Rows"], rows, { numeric: [3, 4, 5] });
}

function labelsSection(data) {
  const waiting = data.datasets[data.final].states.filter((state) => state === "waiting").length;
  return h("section", {}, h("h2", {}, "Labels"),
    waiting ? h("p", {}, `${plural(waiting, "day")} of this report ${waiting === 1 ? "waits" : "wait"} for labels.`) : null,
    data.labels.map((label) => h("article", {},
      h("h3", {}, h("a", { href: link("column", label.name) }, named(label.name))),
      label.horizon ? h("p", {}, `Of the next ${label.window}; it is known ${label.horizon} after its row. A day that is not mature ${label.immature === "NULL" ? "has NULL" : "waits"}.`) : h("p", {}, "Derived from a label."),
      table(`${label.name} by split`, ["Split", "Days mature", "Days not mature", "Rows", "NULL", "Mean"], label.splits.map(([name, days, rows, nulls, mean, unripe]) => [named(name), count(days), count(unripe), count(rows), percent(nulls), short(mean)]), { numeric: [1, 2, 3, 4, 5], caption: false }))),
    data.notes.length ? h("section", {}, h("h3", {}, "Availability and maturity"), h("ul", {}, data.notes.map((note) => h("li", {}, note)))) : null);
}

// What the checks of the service found, by check, and each day on which one did not pass.
function checksSection(data) {
  const times = (one, outcome) => one.outcomes.filter((value) => value === outcome).length;
  return h("section", {}, h("h2", {}, "Checks"),
    table("Checks by outcome", ["Check", "Severity", "Days passed", "Days failed", "Not judged"], data.checks.map((one) =>
      [named(one.check), one.severity, count(times(one, "passed")), h("span", { class: times(one, "failed") ? "bad" : null }, count(times(one, "failed"))), count(times(one, "not judged"))]), { numeric: [2, 3, 4], caption: false }),
    data.checks.filter((one) => one.found.length).map((one) => h("article", {}, h("h3", {}, named(one.check)),
      table(`What ${one.check} found`, ["Day", "Outcome", "Found", "Rows", "First row"], one.found.map(([index, outcome, found, rows, row]) =>
        [h("a", { href: link("days", data.days[index]) }, data.days[index]), outcome, found, count(rows), row ? h("code", {}, row) : ""]), { numeric: [3], caption: false }))));
}
