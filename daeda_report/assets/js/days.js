// The calendar: a button for each day, moved through with the arrow keys, and what is known of the chosen one.

const STATES = { built: "✓", extended: "+", stale: "!", waiting: "…", blocked: "×", missing: "–" };
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

function daysSection(data, chosen) {
  let dataset = data.final;
  let by = "state";
  const months = h("div", { class: "months" });
  const panel = h("div", { id: "day" });
  const draw = () => months.replaceChildren(...calendar(data, dataset, by, chosen));
  months.addEventListener("keydown", (event) => moveByKey(event, months));
  const names = Object.keys(data.datasets);
  draw();
  const element = h("section", {}, h("h2", {}, "Days"),
    h("p", { class: "controls" },
      names.length > 1 ? choice("Dataset", names.map((name) => [name, name]), dataset, (value) => { dataset = value; draw(); }) : null,
      choice("Colour by", [["state", "state"], ["rows", "rows"], ["seconds", "seconds"]], by, (value) => { by = value; draw(); })),
    h("ul", { class: "legend", "aria-label": "States" }, Object.entries(STATES).map(([state, sign]) =>
      h("li", {}, h("span", { class: `swatch ${state}` }, sign), ` ${state}`))),
    months, panel,
    ...names.map((name) => overDays(`Seconds to build a day of the ${name}`, data.days, [["seconds", data.datasets[name].seconds]], { format: seconds })),
    overDays(`Size of each day of the ${data.final}`, data.days, [["size", data.datasets[data.final].bytes]], { format: bytes }));
  element.open = (day) => {
    chosen = day;
    for (const button of months.querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.day === day);
    panel.replaceChildren(...dayPanel(data, day));
    return panel.querySelector("h3");
  };
  return element;
}

function calendar(data, dataset, by, chosen) {
  const of = data.datasets[dataset];
  const most = by === "state" ? 1 : d3.max(of[by], (value) => value || 0) || 1;
  const first = chosen && data.days.includes(chosen) ? chosen : data.days[0];
  return d3.groups(data.days.map((day, index) => ({ day, index })), (one) => one.day.slice(0, 7)).map(([month, days]) => {
    const cells = Array((dateOf(days[0].day).getUTCDay() + 6) % 7).fill(null).concat(days);
    let last = days[0];
    const filled = [];
    for (const one of cells) {
      if (one && last !== one) for (let gap = Number(one.day.slice(8)) - Number(last.day.slice(8)) - 1; gap > 0; gap -= 1) filled.push(null);
      if (one) last = one;
      filled.push(one);
    }
    const weeks = d3.range(Math.ceil(filled.length / 7)).map((week) => filled.slice(week * 7, week * 7 + 7));
    return h("table", { class: "month" },
      h("caption", {}, `${MONTHS[Number(month.slice(5)) - 1]} ${month.slice(0, 4)}`),
      h("thead", {}, h("tr", {}, WEEKDAYS.map((name) => h("th", { scope: "col", "aria-label": name }, name[0])))),
      h("tbody", {}, weeks.map((week) => h("tr", {}, week.map((one) => h("td", {}, one ? dayButton(data, of, one, by, most, first, chosen) : null))))));
  });
}

function dayButton(data, of, { day, index }, by, most, first, chosen) {
  const state = of.states[index];
  const told = [day, state, of.rows[index] === null ? null : plural(of.rows[index], "row"), of.seconds[index] === null ? null : seconds(of.seconds[index])];
  const button = h("button", {
    type: "button", class: `day ${by === "state" ? state : "graded"}`, "data-day": day, "data-state": state, tabindex: day === first ? "0" : "-1",
    title: told.filter(Boolean).join(", "), "aria-label": told.filter(Boolean).join(", "), "aria-pressed": String(day === chosen),
    onclick: () => { location.hash = link("days", day); },
  }, h("span", {}, String(Number(day.slice(8)))), h("small", { "aria-hidden": "true" }, STATES[state]));
  if (by !== "state") button.style.setProperty("--grade", String((of[by][index] || 0) / most));
  return button;
}

function moveByKey(event, months) {
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7, PageUp: -28, PageDown: 28 };
  const buttons = [...months.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  if (at < 0) return;
  let to = null;
  if (event.key in steps) to = Math.max(0, Math.min(buttons.length - 1, at + steps[event.key]));
  if (event.key === "Home") to = 0;
  if (event.key === "End") to = buttons.length - 1;
  if (to === null) return;
  event.preventDefault();
  buttons[at].tabIndex = -1;
  buttons[to].tabIndex = 0;
  buttons[to].focus();
}

function dayPanel(data, day) {
  const index = data.days.indexOf(day);
  if (index < 0) return [h("p", {}, `${day} is no day of this report.`)];
  const names = Object.keys(data.datasets);
  const of = (name) => data.datasets[name];
  const rows = names.map((name) => [name, of(name).states[index], count(of(name).rows[index]), seconds(of(name).seconds[index]), bytes(of(name).bytes[index]), count(of(name).parts[index])]);
  const reasons = names.flatMap((name) => of(name).reasons[index].map((number) => `${name}: ${data.sentences[number]}`));
  const split = data.splits.filter((one) => day >= one.first && day <= one.last).map((one) => one.name);
  const phases = data.operators.flatMap((operator) => Object.entries(operator.seconds).map(([name, values]) => [operator.name, name, values[index]])).filter((one) => one[2] !== null && one[2] !== undefined);
  phases.sort((a, b) => b[2] - a[2]);
  const read = data.views.filter((view) => view.files[index] !== null).map((view) => [named(view.name), count(view.files[index]), bytes(view.bytes[index])]);
  return [
    h("h3", { tabindex: "-1" }, day), split.length ? h("p", {}, `Split: ${split.join(", ")}`) : null,
    table(`What there is of ${day}`, ["Dataset", "State", "Rows", "Seconds", "Size", "Parts"], rows, { numeric: [2, 3, 4, 5], caption: false }),
    reasons.length ? h("ul", {}, reasons.map((one) => h("li", {}, one))) : null,
    h("div", { class: "beside" },
      phases.length ? h("div", {}, h("h4", {}, "Where its time went"), bars(`Seconds of ${day} by operator`, phases.slice(0, 12).map((one) => [one[0], one[2]]), ["Operator", "seconds"], { format: seconds })) : null,
      read.length ? h("div", {}, h("h4", {}, "What it read"), table(`Files that ${day} read`, ["View", "Files", "Size"], read, { numeric: [1, 2], caption: false })) : null),
  ].filter(Boolean);
}
