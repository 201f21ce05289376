// The rows of the table that is looked at: asked for whenever the view wants others.

import { computed, effect, signal, untracked } from "@preact/signals";
import { TENANT, catalog, keyOf } from "./catalog.js";
import { byName, run } from "./query.js";
import { isReady, tenant } from "./session.js";
import { PAGE_ROWS, countStatement, cursorOf, rowsStatement } from "./statements.js";
import { blank, show, showRows, view } from "./view.js";
import { widthOf } from "./values.js";

const NOTHING = { table: null, rows: [], statement: null, error: null, isBusy: false, canGoOn: false, canGoBack: false, elapsed: null };

export const loaded = signal(NOTHING);
export const count = signal(null); // {rows, more}, or null while that is not known
export const active = signal(0); // the row that the keyboard is at
export const picked = signal(null); // a row of a table without a key, which no address can name
const reloads = signal(0);

export const table = computed(() => catalog.value?.get(view.value.table) || null);

export const hidden = computed(() => new Set(view.value.hide ?? [TENANT]));
export const columns = computed(() => (table.value ? table.value.columns.filter((column) => !hidden.value.has(column.name)) : []));

// What rows depend on; a row that is opened beside them is none of it.
const wanted = computed(() => {
  if (!isReady.value || !table.value || view.value.page !== "table") return null;
  const { search, filters, sort, after, before, offset } = view.value;
  const names = columns.value.map((column) => column.name);
  return JSON.stringify([tenant.value, table.value.name, search, filters, sort, after, before, offset, names, reloads.value]);
});
const counted = computed(() => {
  if (wanted.value === null) return null;
  return JSON.stringify([tenant.value, table.value.name, view.value.search, view.value.filters, reloads.value]);
});

let running = null;
let counting = null;
const widths = new Map(); // by table and column: what was wide enough once stays so

export function keepLoading() {
  effect(() => {
    if (wanted.value !== null) untracked(load);
    else loaded.value = NOTHING;
  });
  effect(() => {
    if (counted.value !== null) untracked(() => (count.value = null));
  });
}

const LONGEST_MS = 30_000;
let patience; // milliseconds, for the next question alone

export const reload = () => (reloads.value += 1);

export function reloadPatiently() {
  patience = LONGEST_MS;
  reload();
}

async function load() {
  running?.abort();
  const mine = (running = new AbortController());
  const isOther = loaded.value.table !== table.value;
  const asked = { table: table.value, view: view.value, counted: counted.value };
  let statement;
  try {
    statement = rowsStatement(asked.table, asked.view, columns.value);
  } catch (error) {
    loaded.value = { ...NOTHING, table: asked.table, error };
    return;
  }
  const timeoutMs = patience;
  patience = undefined;
  loaded.value = { ...(isOther ? NOTHING : loaded.value), table: asked.table, statement, isBusy: true, error: null };
  if (isOther) picked.value = null;
  try {
    const answer = await run(statement, { maxRows: PAGE_ROWS + 1, timeoutMs, signal: mine.signal });
    const all = byName(answer);
    const rows = all.slice(0, PAGE_ROWS);
    if (statement.backwards) rows.reverse();
    const isMore = all.length > PAGE_ROWS;
    const isFirst = statement.byKey ? asked.view.after === null : !asked.view.offset;
    const [canGoOn, canGoBack] = statement.backwards ? [true, isMore] : [isMore, !isFirst];
    fit(asked.table, rows);
    loaded.value = { table: asked.table, rows, statement, error: null, isBusy: false, canGoOn, canGoBack, elapsed: answer.elapsed_ms };
    active.value = Math.max(0, rows.findIndex((row) => isOpened(row)));
    if (isFirst && !isMore && !statement.backwards) count.value = { rows: rows.length, more: false };
    else if (count.value === null) countRows(asked);
  } catch (error) {
    if (error.name !== "AbortError") loaded.value = { ...loaded.value, rows: [], isBusy: false, error, canGoOn: false, canGoBack: false };
  }
}

async function countRows({ table: of, view: as, counted: key }) {
  counting?.abort();
  const mine = (counting = new AbortController());
  try {
    const found = Number((await run(countStatement(of, as), { signal: mine.signal })).rows[0][0]);
    if (key === counted.value) count.value = { rows: Math.min(found, 10000), more: found > 10000 };
  } catch {
    // It would take too long: the rows are there, only how many is not known.
  }
}

function fit(of, rows) {
  for (const column of columns.value) {
    const name = `${of.name}.${column.name}`;
    if (!widths.has(name) && rows.length) widths.set(name, widthOf(column, rows.map((row) => row[column.name])));
  }
}

export const widthOfColumn = (of, column) => widths.get(`${of.name}.${column.name}`) || widthOf(column, []);
export const setWidth = (of, column, width) => widths.set(`${of.name}.${column.name}`, width);

export function isOpened(row) {
  if (!table.value?.rowKey.length) return row === picked.value;
  return view.value.row !== null && JSON.stringify(keyOf(table.value, row)) === JSON.stringify(view.value.row);
}

export function openRow(row, changes = {}) {
  const key = keyOf(table.value, row);
  if (key === null) picked.value = row;
  else show({ row: key, at: null, ...changes }, { replace: view.value.row !== null });
}

export function closeRow() {
  picked.value = null;
  if (view.value.row !== null) show({ row: null, at: null, tab: "row" });
}

export function move(steps) {
  const { rows } = loaded.value;
  if (!rows.length) return;
  active.value = Math.min(rows.length - 1, Math.max(0, active.value + steps));
  if (view.value.row !== null || picked.value !== null) openRow(rows[active.value]);
}

export function nextPage() {
  const { rows, statement, canGoOn } = loaded.value;
  if (!canGoOn) return;
  if (statement.byKey) showRows({ after: cursorOf(statement.order, rows[rows.length - 1]) });
  else showRows({ offset: view.value.offset + PAGE_ROWS });
}

export function previousPage() {
  const { rows, statement, canGoBack } = loaded.value;
  if (!canGoBack) return;
  if (!statement.byKey) showRows({ offset: Math.max(0, view.value.offset - PAGE_ROWS) });
  else if (rows.length) showRows({ before: cursorOf(statement.order, rows[0]) });
  else showRows({});
}

export function sortBy(column) {
  const { sort } = view.value;
  const next = sort?.column !== column.name ? { column: column.name, descending: false } : sort.descending ? null : { ...sort, descending: true };
  showRows({ sort: next });
}

export function addFilter(filter) {
  showRows({ filters: [...view.value.filters.filter((one) => JSON.stringify(one) !== JSON.stringify(filter)), filter] });
}

export const clearAll = () => show({ ...blank(), hide: view.value.hide });
