// What train --profile kept: when days were at work, and where their time and memory went.

function profileSection(data) {
  return h("section", {}, h("h2", {}, "Profile"),
    h("p", {}, "Measured by train --profile. Bytes and memory are those of the process, which days at work at once share."),
    data.profiles.map((profile) => profileOf(data, profile)));
}

function profileOf(data, profile) {
  const name = profile.dataset;
  const at = profile.days.map((one, index) => (one ? index : -1)).filter((index) => index >= 0);
  const most = (what) => data.days.map((_, index) => (profile.days[index] ? d3.max(profile.days[index].took[what], (value) => value || 0) : null));
  const sum = (what) => data.days.map((_, index) => (profile.days[index] ? d3.sum(profile.days[index].took[what], (value) => value || 0) : null));
  const panel = h("div", { class: "beside" });
  const draw = (index) => panel.replaceChildren(...profileOfDay(data, profile, index));
  const slowest = d3.greatest(at, (index) => d3.sum(profile.days[index].took.seconds));
  draw(slowest);
  return h("article", {}, h("h3", {}, name),
    runs(data, profile, at),
    h("div", { class: "beside" },
      overDays(`Greatest memory of each day of the ${name}`, data.days, [["memory", most("peak_bytes")], ["spilled", most("spill_bytes")]], { format: bytes }),
      overDays(`Bytes of each day of the ${name}`, data.days, [["read", sum("read_bytes")], ["written", sum("written_bytes")]], { format: bytes })),
    h("p", { class: "controls" }, choice("Day", at.map((index) => [String(index), data.days[index]]), String(slowest), (value) => draw(Number(value)))), panel);
}

// A bar for each day from its begin to its end, and below how many were at work.
function runs(data, profile, at) {
  const days = at.map((index) => ({ ...profile.days[index], day: data.days[index] })).filter((one) => one.began !== null && one.ended !== null);
  if (!days.length) return null;
  days.sort((a, b) => a.began - b.began);
  // A run ends where nothing is at work for a minute.
  const groups = [];
  let until = -Infinity;
  for (const one of days) {
    if (one.began > until + 60) groups.push([]);
    groups.at(-1).push(one);
    until = Math.max(until, one.ended);
  }
  return groups.map((group, place) => {
    const start = d3.min(group, (one) => one.began);
    const lanes = [];
    const placed = group.map((one) => {
      let lane = lanes.findIndex((end) => end <= one.began);
      if (lane < 0) { lane = lanes.length; lanes.push(0); }
      lanes[lane] = one.ended;
      return { ...one, lane, x1: one.began - start, x2: one.ended - start };
    });
    const moments = d3.sort(new Set(placed.flatMap((one) => [one.x1, one.x2])));
    const busy = moments.slice(0, -1).map((from, index) => ({ x1: from, x2: moments[index + 1], at: placed.filter((one) => one.x1 <= from && one.x2 > from).length }));
    const title = `Days of the ${profile.dataset} at work over ${seconds(d3.max(placed, (one) => one.x2))}${groups.length > 1 ? `, run ${place + 1} of ${groups.length}` : ""}`;
    const workers = [...new Set(placed.map((one) => visible(one.worker)))];
    return h("div", {}, figure(title, (width) => plotted(width, {
      height: 60 + 22 * lanes.length, x: { label: null, grid: true, tickFormat: (value) => `${value} s` }, y: { axis: null, type: "band", domain: d3.range(lanes.length) },
      color: { legend: workers.length > 1, domain: workers, range: COLOURS },
      marks: [Plot.barX(placed, { x1: "x1", x2: "x2", y: "lane", inset: 0.5, fill: (one) => visible(one.worker), tip: true, title: (one) => `${one.day}\n${seconds(one.ended - one.began)}, ${visible(one.worker)}` })],
    }), () => table(title, ["Day", "Begins", "Takes", "Process"], placed.map((one) => [one.day, seconds(one.x1), seconds(one.x2 - one.x1), one.worker]), { numeric: [1, 2], caption: false })),
    figure("How many days are at work", (width) => plotted(width, {
      height: 130, x: { label: null, tickFormat: (value) => `${value} s` }, y: { label: null, grid: true, tickFormat: "d", ticks: Math.min(5, lanes.length) },
      marks: [Plot.rectY(busy, { x1: "x1", x2: "x2", y: "at", fill: "var(--c1)", fillOpacity: 0.7 }), Plot.ruleY([0])],
    }), () => table("How many days are at work", ["From", "To", "Days"], busy.map((one) => [seconds(one.x1), seconds(one.x2), count(one.at)]), { numeric: [0, 1, 2], caption: false })));
  });
}

function profileOfDay(data, profile, index) {
  const took = profile.days[index].took;
  const day = data.days[index];
  const rows = (what, format) => {
    const own = profile.operators.map((name, place) => [name, took[what][place]]).filter((one) => one[1]);
    own.sort((a, b) => b[1] - a[1]);
    return own.length ? bars(`${{ seconds: "Seconds", peak_bytes: "Greatest memory while it ran", read_bytes: "Bytes read", spill_bytes: "Spilled" }[what]}, ${day}`, own.slice(0, 14), ["Operator", what], { format }) : null;
  };
  return [rows("seconds", seconds), rows("peak_bytes", bytes), rows("read_bytes", bytes), rows("spill_bytes", bytes)].filter(Boolean);
}
