// Sections by the part of the address behind '#': each is made when it is opened first.

const SECTIONS = [
  ["overview", "Overview", (data) => h("section", {}, overview(data))],
  ["days", "Days", daysSection],
  ["pipeline", "Pipeline", pipelineSection],
  ["columns", "Columns", columnsSection],
  ["drift", "Drift", driftSection],
  ["checks", "Checks", checksSection],
  ["labels", "Labels", labelsSection],
  ["profile", "Profile", profileSection],
  ["read", "What was read", inputsSection],
  ["software", "Software", softwareSection],
];

async function begin() {
  const data = await unpack("head");
  const shownSections = SECTIONS.filter(([key]) => (key !== "checks" || data.checks.length) && (key !== "labels" || data.labels.length) && (key !== "profile" || data.profiles.length));
  data.final = Object.keys(data.datasets).at(-1);
  const main = document.getElementById("main");
  const nav = document.getElementById("sections");
  document.getElementById("about").append(...unbroken(about(data)));
  nav.append(...shownSections.map(([key, title]) => h("a", { href: link(key), "data-key": key }, title)));
  const made = new Map();
  const section = (key) => {
    if (!made.has(key)) {
      const element = SECTIONS.find(([one]) => one === key)[2](data);
      element.id = `section-${key}`;
      element.hidden = true;
      made.set(key, element);
      main.append(element);
    }
    return made.get(key);
  };
  let column = null;
  let printing = false;
  let routes = 0;
  async function route(first) {
    const [key, ...rest] = asked();
    const own = ++routes;
    const known = SECTIONS.some(([one]) => one === key) ? key : key === "column" && rest[0] ? "column" : "overview";
    let shown = null;
    let focused = null;
    if (known === "column") {
      const fresh = await columnPage(data, rest[0], rest[1]);
      // Somebody has gone on while the column was unpacked.
      if (own !== routes) return;
      if (column) column.remove();
      column = fresh;
      main.append(column);
      shown = column;
      focused = column.querySelector("h2");
    } else {
      shown = section(known);
      if (rest[0] && shown.open) focused = shown.open(rest[0]);
    }
    for (const element of main.children) element.hidden = element !== shown;
    if (shown.shown) shown.shown();
    for (const one of nav.children) {
      if (one.dataset.key === (known === "column" ? "columns" : known)) {
        one.setAttribute("aria-current", "page");
        // On a phone the sections are a row that is longer than the window.
        nav.scrollLeft = one.offsetLeft - (nav.clientWidth - one.offsetWidth) / 2;
      } else one.removeAttribute("aria-current");
    }
    document.title = `${visible(data.title)}: ${known === "column" ? visible(rest[0]) : SECTIONS.find(([one]) => one === known)[1]}`;
    if (!first) {
      const heading = focused || shown.querySelector("h2");
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      heading.scrollIntoView({ block: focused ? "nearest" : "start" });
    }
  }
  window.addEventListener("hashchange", () => route(false));
  // On paper stand all sections, with their figures.
  window.addEventListener("beforeprint", () => {
    // In the order of the sections, and not in that in which somebody opened them.
    if (!printing) main.append(...shownSections.map(([key]) => section(key)), ...(column ? [column] : []));
    for (const element of main.children) {
      if (!printing) element.dataset.hid = String(element.hidden);
      element.hidden = false;
      if (element.shown) element.shown();
    }
    printing = true;
    printed(true);
  });
  window.addEventListener("afterprint", () => {
    if (!printing) return;
    for (const element of main.children) element.hidden = element.dataset.hid === "true";
    printing = false;
    printed(false);
  });
  await route(true);
  document.getElementById("opening").remove();
  document.documentElement.dataset.ready = "true";
}

function about(data) {
  const parts = [data.service.description, data.service.owner ? `owner: ${data.service.owner}` : "", `${data.days[0]} to ${data.days.at(-1)}`, `a row for each of ${data.service.spine} (${data.service.grain.join(", ")})`];
  return visible(parts.filter(Boolean).join(" · "));
}

begin().catch(failed);
