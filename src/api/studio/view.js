// What the page shows, as the part of the address behind its #, so that a link leads to the same view. Never the key.
//
//   #/                                      nothing chosen yet
//   #/table/<name>?search=…&filter=<column>:<operator>:<value>&sort=-<column>&hide=<columns>&after=<cursor>&row=<key>&at=<position>
//   #/sql?sql=…

import { computed, signal } from "@preact/signals";
import { me, tenant } from "./session.js";

export const view = signal({ page: "home", table: null, sql: "", tenant: null, ...blank() });
export const isTable = computed(() => view.value.page === "table");

export function blank() {
  return { search: "", filters: [], sort: null, hide: null, after: null, before: null, offset: 0, row: null, at: null, tab: "row" };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address that somebody has written, or cut off
  }
}

export function parse(hash) {
  const [path, query] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const asked = new URLSearchParams(query || "");
  const [page, table] = path.split("/");
  const found = { ...blank(), page: "home", table: null, sql: "", tenant: asked.get("tenant") };
  if (page === "sql") return { ...found, page: "sql", sql: asked.get("sql") || "" };
  if (page !== "table" || !table) return found;
  return {
    ...found,
    page: "table",
    table: decoded(table),
    search: asked.get("search") || "",
    filters: asked.getAll("filter").map(filterOf).filter(Boolean),
    sort: sortOf(asked.get("sort")),
    hide: asked.has("hide") ? asked.get("hide").split(",").filter(Boolean) : null,
    after: listOf(asked.get("after")),
    before: listOf(asked.get("before")),
    offset: Math.max(0, parseInt(asked.get("offset"), 10) || 0),
    row: listOf(asked.get("row")),
    at: /^\d+$/.test(asked.get("at") || "") ? asked.get("at") : null,
    tab: asked.get("tab") === "history" ? "history" : "row",
  };
}

export function format(wanted) {
  const query = new URLSearchParams();
  if (me.value && me.value.platform && tenant.value) query.set("tenant", tenant.value);
  let path = "";
  if (wanted.page === "sql") {
    path = "sql";
    if (wanted.sql) query.set("sql", wanted.sql);
  } else if (wanted.page === "table") {
    path = `table/${encodeURIComponent(wanted.table)}`;
    if (wanted.search) query.set("search", wanted.search);
    for (const one of wanted.filters) query.append("filter", `${one.column}:${one.operator}:${one.value}`);
    if (wanted.sort) query.set("sort", (wanted.sort.descending ? "-" : "") + wanted.sort.column);
    if (wanted.hide) query.set("hide", wanted.hide.join(","));
    for (const name of ["after", "before", "row"]) if (wanted[name]) query.set(name, JSON.stringify(wanted[name]));
    if (wanted.offset) query.set("offset", wanted.offset);
    if (wanted.row && wanted.tab === "history") query.set("tab", "history");
    if (wanted.row && wanted.at) query.set("at", wanted.at);
  }
  const text = query.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

// Show something else. `replace`: it is no step that the browser's Back should come by.
export function show(changes, { replace = false } = {}) {
  view.value = { ...view.value, ...changes };
  const address = location.pathname + format(view.value);
  if (replace) history.replaceState(null, "", address);
  else if (address !== location.pathname + location.hash) history.pushState(null, "", address);
}

// Rows are other rows now: what led to a page of the old ones leads nowhere.
export const showRows = (changes, options) => show({ after: null, before: null, offset: 0, row: null, at: null, ...changes }, options);

export const showTable = (table, changes = {}) => show({ ...blank(), page: "table", table, ...changes });

export const linkTo = (table, changes = {}) => format({ ...blank(), page: "table", table, ...changes });

// Whether a click on a link is ours to follow: a new tab is the browser's.
export const isPlainClick = (event) => !(event.metaKey || event.ctrlKey || event.shiftKey);

export function follow() {
  const look = () => (view.value = parse(location.hash));
  window.addEventListener("popstate", look);
  window.addEventListener("hashchange", look);
  look();
}

function filterOf(text) {
  const found = text.match(/^([^:]+):([^:]+):(.*)$/s);
  return found ? { column: found[1], operator: found[2], value: found[3] } : null;
}

function sortOf(text) {
  if (!text) return null;
  return { column: text.replace(/^-/, ""), descending: text.startsWith("-") };
}

function listOf(text) {
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found : null;
  } catch {
    return null;
  }
}
