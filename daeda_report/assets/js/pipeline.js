// The operators as boxes and arrows, laid out by dagre; each box is a link to what the operator does.

function pipelineSection(data) {
  const panel = h("div", { id: "operator" });
  const operators = data.operators.filter((one) => one.kind !== "phase");
  const drawing = h("div", { class: "wide dag", tabindex: "0", role: "region", "aria-label": "Operators of the pipeline" });
  const element = h("section", {}, h("h2", {}, "Pipeline"),
    h("p", {}, "Each box is an operator, from the files above to the days below. A dashed border marks one that sees rows later than the one it works for. Choose one for its columns, its SQL and its seconds."),
    drawing,
    folded("The same as a table", () => table("Operators", ["Operator", "Kind", "Engine", "Reads", "Adds"], operators.map((one) =>
      [h("a", { href: link("pipeline", one.name) }, one.name), one.kind, one.engine, one.reads.join(", "), one.makes.join(", ")]), { caption: false })),
    panel, ...timeFigures(data));
  element.shown = () => { if (!drawing.firstChild) drawing.append(dagPicture(operators)); };
  element.open = (name) => {
    element.shown();
    for (const box of drawing.querySelectorAll("a")) {
      if (box.dataset.name === name) box.setAttribute("aria-current", "true");
      else box.removeAttribute("aria-current");
    }
    panel.replaceChildren(...operatorPanel(data, name));
    return panel.querySelector("h3");
  };
  return element;
}

function lines(operator) {
  const adds = operator.makes.length > 3 ? [`+ ${operator.makes.length} columns`] : operator.makes.map((name) => `+ ${name}`);
  const what = operator.view ? [`view ${operator.view}`] : adds;
  return [operator.name, operator.kind, ...what].map(visible).map((text) => (text.length > 30 ? `${text.slice(0, 29)}…` : text));
}

function dagPicture(operators) {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 34, marginx: 8, marginy: 8 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const one of operators) {
    const text = lines(one);
    graph.setNode(one.name, { width: 24 + 7.4 * Math.max(...text.map((line) => line.length)), height: 14 + 16 * text.length });
  }
  for (const one of operators) for (const read of one.reads) graph.setEdge(read, one.name);
  dagre.layout(graph);
  const { width, height } = graph.graph();
  const path = d3.line((point) => point.x, (point) => point.y).curve(d3.curveBasis);
  const arrow = svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8z", class: "head" }));
  // As wide as there is room for, and never so small that it cannot be read.
  const style = `width: max(min(100%, ${width}px), ${Math.round(0.7 * width)}px)`;
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, style, role: "group", "aria-label": "Operators and what reads them" },
    svg("defs", {}, arrow),
    graph.edges().map((edge) => svg("path", { class: "edge", d: path(graph.edge(edge).points), "marker-end": "url(#arrow)" })),
    operators.map((one) => {
      const node = graph.node(one.name);
      const classes = ["box", one.half, one.ends ? "end" : "", one.future ? "future" : ""].join(" ");
      return svg("a", { href: link("pipeline", one.name), "data-name": one.name, "aria-label": `${one.name}, ${one.kind}`, class: classes, transform: `translate(${node.x - node.width / 2},${node.y - node.height / 2})` },
        svg("rect", { width: node.width, height: node.height, rx: one.ends ? 16 : 4 }),
        lines(one).map((text, index) => svg("text", { x: node.width / 2, y: 19 + 16 * index, class: index === 0 ? "first" : "" }, text)));
    }));
}

function operatorPanel(data, name) {
  const operator = data.operators.find((one) => one.name === name && one.kind !== "phase");
  if (!operator) return [h("p", {}, "The pipeline has no operator ", named(name), ".")];
  const columns = new Set(data.columns.map((one) => one.name));
  const shown = operator.columns.map(([column, dtype]) => [columns.has(column) ? h("a", { href: link("column", column) }, named(column)) : named(column), dtype, operator.makes.includes(column) ? "made here" : ""]);
  const seconds_ = Object.entries(operator.seconds);
  return [
    h("h3", { tabindex: "-1" }, named(operator.name)),
    h("p", {}, `${operator.kind} on ${operator.engine}`, operator.reads.length ? [", reads ", operator.reads.flatMap((read, index) => [index ? ", " : "", h("a", { href: link("pipeline", read) }, named(read))])] : null),
    h("ul", {}, operator.does.map((line) => h("li", {}, line))),
    seconds_.length ? overDays(`Seconds of ${operator.name}`, data.days, seconds_, { format: seconds }) : null,
    folded(`${plural(operator.columns.length, "column")}`, () => table(`Columns of ${operator.name}`, ["Column", "Type", ""], shown, { caption: false })),
    operator.sql ? h("details", { open: true }, h("summary", {}, "SQL"), code(operator.sql)) : null,
  ].filter(Boolean);
}

// The operators that take most of the time, and the rest together.
function timeFigures(data) {
  return Object.keys(data.datasets).map((dataset) => {
    const timed = data.operators.filter((one) => one.seconds[dataset]).map((one) => [one.name, one.seconds[dataset]]);
    if (!timed.length) return null;
    timed.sort((a, b) => d3.sum(b[1]) - d3.sum(a[1]));
    const most = timed.slice(0, 7);
    const rest = timed.slice(7);
    if (rest.length) most.push([`${rest.length} others`, data.days.map((_, index) => d3.sum(rest, (one) => one[1][index] || 0))]);
    return stackedOverDays(`Where the time of the ${dataset} went`, data.days, most, { format: seconds });
  });
}
