// A statement, asked of POST /v1/query, and its rows by the names of their columns.

import { say } from "./notices.js";
import { ask, position } from "./session.js";
import { rowsIn, save } from "./values.js";

export const ROWS_PATH = "v1/query";
export const TIMEOUT_MS = 5000;

const TRIES = 4; // a tenant has few statements at a time: some of this page's own may have to wait for others

export async function run(statement, { maxRows = 1000, timeoutMs = TIMEOUT_MS, signal } = {}) {
  const { data } = await inTurn(() => ask("POST", ROWS_PATH, { body: bodyOf(statement, maxRows, timeoutMs), signal }));
  if (data.position !== undefined && data.position !== null) position.value = data.position;
  return data;
}

// Into a file, and what to say of it: at its limit nobody knows whether there is more.
export async function saveRows(statement, name, { maxRows, timeoutMs }) {
  const blob = await runForFile(statement, { maxRows, timeoutMs });
  save(blob, name);
  const rows = await rowsIn(blob);
  const isCut = rows >= maxRows;
  say(`${name} was saved: ${isCut ? "the first " : ""}${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"}${isCut ? ", and there may be more" : ""}.`, isCut);
}

async function runForFile(statement, { maxRows, timeoutMs, signal } = {}) {
  const options = { body: bodyOf(statement, maxRows, timeoutMs), accept: "text/csv", signal };
  return (await inTurn(() => ask("POST", ROWS_PATH, options))).data;
}

async function inTurn(request, tries = TRIES) {
  try {
    return await request();
  } catch (problem) {
    if (problem.status !== 429 || tries <= 1) throw problem;
    await new Promise((done) => setTimeout(done, 250 * (TRIES - tries + 1)));
    return inTurn(request, tries - 1);
  }
}

const bodyOf = ({ sql, params }, maxRows, timeoutMs) => ({
  sql,
  ...(params && params.length ? { params } : {}),
  max_rows: maxRows,
  timeout_ms: timeoutMs,
});

export function byName({ columns, rows }) {
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column.name, row[index]])));
}
