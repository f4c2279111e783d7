// What was read, and what made the days.

function inputsSection(data) {
  return h("section", {}, h("h2", {}, "What was read"),
    data.views.length ? [
      table("Files and bytes by view", ["View", "Source", "Files, last day", "Size, last day"], data.views.map((view) =>
        [named(view.name), view.source, count(last(view.files)), bytes(last(view.bytes))]), { numeric: [2, 3], caption: false }),
      overDays("Bytes that the days read", data.days, data.views.map((view) => [view.name, view.bytes]), { format: bytes }),
      data.views.map((view) => folded(`Files of ${view.name}: ${count(view.paths.length)}${view.more ? ` and ${count(view.more)} more` : ""}`, () =>
        table(`Files of ${view.name}`, ["File", "Size", "First day", "Last day"], view.paths.map(([path, size, first, until]) => [h("code", {}, path), bytes(size), data.days[first], data.days[until]]), { numeric: [1], caption: false }))),
    ] : h("p", {}, data.datasets[data.final].rows.some((rows) => rows !== null) ? "No published day tells what it read." : "No day is published."));
}

function softwareSection(data) {
  return h("section", {}, h("h2", {}, "Software and fingerprints"),
    data.software.length ? data.software.map((group) => h("article", {},
      h("h3", {}, `${group.dataset}: ${plural(group.days.length, "day")}, ${data.days[group.days[0]]}${group.days.length > 1 ? ` to ${data.days[group.days[group.days.length - 1]]}` : ""}`),
      table("Software", ["Package", "Version"], Object.entries(group.software), { caption: false }),
      folded("Fingerprint", () => h("div", {},
        table("Settings", ["Setting", "Value"], Object.entries(group.settings).map(([name, value]) => [named(name), value])),
        table("Operators", ["Operator", "Digest"], Object.entries(group.operators).map(([name, digest]) => [named(name), h("code", {}, digest)])))))) : h("p", {}, "No day is published."));
}
