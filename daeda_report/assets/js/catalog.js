// The catalog: views, services, columns and stores, what uses what, and a search over all of it.

const KINDS = [["columns", "Columns"], ["views", "Views"], ["services", "Services"], ["stores", "Stores"]];

async function begin() {
  const data = await unpack("head");
  const main = document.getElementById("main");
  document.getElementById("about").textContent = visible(KINDS.map(([key, title]) => plural(data[key].length, title.toLowerCase().slice(0, -1))).join(" · "));
  const entries = entriesOf(data);
  const search = h("input", { type: "search", id: "search", placeholder: "Search names, descriptions, fields", "aria-label": "Search the catalog", oninput: () => location.replace(search.value ? link("search", search.value) : "#/") });
  const status = h("p", { role: "status" });
  const shown = h("div");
  document.getElementById("sections").append(...KINDS.map(([key, title]) => h("a", { href: link(key), "data-key": key }, title)));
  main.append(h("p", { class: "controls" }, search), status, shown);
  function route() {
    const [key, ...rest] = asked();
    const words = key === "search" && rest[0] ? rest[0].toLowerCase().split(/\s+/).filter(Boolean) : [];
    const one = rest.length && key !== "search" ? entries.filter((entry) => entry.key === key && entry.id === rest.join("/")) : null;
    const found = one || entries.filter((entry) => (key === "search" || !key || entry.key === key) && words.every((word) => entry.text.includes(word)));
    if (key === "search" && document.activeElement !== search) search.value = rest[0] || "";
    for (const anchor of document.getElementById("sections").children) {
      if (anchor.dataset.key === key) anchor.setAttribute("aria-current", "page"); else anchor.removeAttribute("aria-current");
    }
    status.textContent = words.length ? `${plural(found.length, "entry").replace("entrys", "entries")} with “${visible(words.join(" "))}”` : "";
    shown.replaceChildren(...KINDS.flatMap(([kind, title]) => {
      const own = found.filter((entry) => entry.key === kind);
      return own.length ? [h("section", { class: "entries" }, h("h2", {}, title), own.map((entry) => h("article", { id: entry.key + "/" + entry.id }, entry.build(Boolean(one)))))] : [];
    }), found.length ? "" : h("p", {}, "Nothing is found."));
    if (one && found.length) { const heading = shown.querySelector("h3"); heading.tabIndex = -1; heading.focus(); }
  }
  window.addEventListener("hashchange", route);
  route();
  document.getElementById("opening").remove();
  document.documentElement.dataset.ready = "true";
}

const entry = (key, id, parts, build) => ({ key, id, text: parts.filter(Boolean).join(" ").toLowerCase(), build });
const to = (key, id, text) => h("a", { href: link(key, ...id.split("/")) }, named(text));
const list = (nodes) => nodes.flatMap((node, index) => [index ? ", " : "", node]);

function entriesOf(data) {
  const users = (source, field, store) => data.columns.filter((column) => column.sources.some((one) => one[0] === source && (field === null || one[1] === field) && one[3] === store && one[2]));
  const columnId = (column) => `${column.service}:${column.name}`;
  const columnLink = (column) => to("columns", columnId(column), columnId(column));
  return [
    ...data.columns.map((column) => entry("columns", columnId(column), [column.name, column.service, column.kind, column.dtype, column.made_by, column.description, ...column.sources.map((one) => `${one[0]}:${one[1]}`)], () => [
      h("h3", {}, named(columnId(column))), h("p", {}, `${column.kind}, ${column.dtype}, `, h("code", {}, column.made_by), column.description ? [": ", column.description] : null),
      column.sources.length ? h("p", {}, "From ", list(column.sources.filter((one) => one[2]).map((one) => one[3] ? to("stores", one[0], one[0]) : h("span", {}, to("views", one[0], one[0]), ":", named(one[1])))),
        column.sources.some((one) => !one[2]) ? ["; rows chosen by ", list(column.sources.filter((one) => !one[2]).map((one) => named(`${one[0]}:${one[1]}`)))] : null) : null])),
    ...data.views.map((view) => entry("views", view.name, [view.name, view.description, view.source, ...Object.keys(view.fields), ...view.keys], (open) => [
      h("h3", {}, named(view.name)), view.description ? h("p", {}, view.description) : null,
      h("p", {}, h("code", {}, view.source), view.first_day ? `, ${view.first_day} to ${view.last_day}` : "", view.files !== null ? `, ${plural(view.files, "file")}` : "", view.timestamp_field ? `, time: ${view.timestamp_field}` : ", one row for each key"),
      view.problem ? h("p", { class: "warning" }, view.problem) : null,
      h("p", {}, "Used by ", view.used_by.length ? list(view.used_by.map((service) => to("services", service, service))) : "nobody"),
      (() => { const fields = () => table(`Fields of ${view.name}`, ["Field", "Type", "Columns made of it"], Object.entries(view.fields).map(([field, dtype]) => [named(field), dtype, h("span", {}, list(users(view.name, view.stored[field] || field, false).map(columnLink)))]), { caption: false }); return open ? fields() : folded(plural(Object.keys(view.fields).length, "field"), fields); })()])),
    ...data.services.map((service) => entry("services", service.name, [service.name, service.owner, service.description, service.spine], () => [
      h("h3", {}, named(service.name)), h("p", {}, `version ${service.version}`, service.owner ? `, owner: ${service.owner}` : "", `, ${service.first_day} to ${service.last_day}`), service.description ? h("p", {}, service.description) : null,
      h("p", {}, "A row for each of ", to("views", service.spine, service.spine), ", in ", h("code", {}, service.runtime)),
      h("p", {}, "Columns: ", list(data.columns.filter((column) => column.service === service.name).map((column) => to("columns", columnId(column), column.name))))])),
    ...data.stores.map((store) => entry("stores", store.name, [store.name, store.path, ...store.columns], () => [
      h("h3", {}, named(store.name)), h("p", {}, h("code", {}, store.path), `, version ${store.version}, ${store.dimension} dimensions`),
      h("p", {}, "Vectors of ", store.columns.length ? list(store.columns.map((id) => to("columns", id, id))) : "nothing")])),
  ];
}

begin().catch(failed);
