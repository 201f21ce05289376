// SQL of one's own: one statement that reads, with a limit of time and of rows.

import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { html } from "./html.js";
import { Fault, copied } from "./notices.js";
import { run, saveRows } from "./query.js";
import { Cell, isRight, widthOf } from "./values.js";
import { show, view } from "./view.js";

const TIMES = [1000, 5000, 15000, 30000];
const ROWS = [100, 1000, 10_000, 100_000];
const RECENT = 20;
const SHOWN_CELLS = 20_000; // more would make the browser slow; a file has all

const timeout = signal(5000);
const maxRows = signal(1000);
const outcome = signal(null); // {answer, sql} or {problem, sql}
const isBusy = signal(false);
const recent = signal([]); // in memory alone
let running = null;

export function forgetSql() {
  running?.abort();
  outcome.value = null;
  recent.value = [];
}

const EXAMPLES = [
  ["Executions by workflow and status", 'SELECT w.key, e.status, count(*)\n  FROM projections.workflow_executions e\n  JOIN projections.workflows w ON w.tenant_id = e.tenant_id AND w.id = e.workflow_id\n GROUP BY w.key, e.status\n ORDER BY w.key, e.status'],
  ["Open approval requests, oldest first", "SELECT id, title, created_at\n  FROM projections.approval_requests\n WHERE status = 'pending'\n ORDER BY created_at\n LIMIT 100"],
  ["What happened in the last day", "SELECT action, outcome, count(*)\n  FROM projections.audit_logs\n WHERE created_at > now() - interval '1 day'\n GROUP BY action, outcome\n ORDER BY count(*) DESC"],
];

export function SqlView() {
  const box = useRef(null);
  const { sql } = view.value;
  const set = (text) => show({ sql: text }, { replace: true });
  const keys = (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) {
      event.preventDefault();
      execute(sql);
    }
    if (event.key === "Escape") event.target.blur();
  };
  const found = outcome.value;
  return html`
    <main class="sql-view">
      <div class="sql-box">
        <label for="sql" class="off-screen">SQL</label>
        <textarea
          id="sql" ref=${box} class="mono" spellcheck="false" autocomplete="off" autocapitalize="off" rows="10"
          placeholder="One SELECT. Tables are in the schema projections." value=${sql} onInput=${(event) => set(event.target.value)} onKeyDown=${keys}
        ></textarea>
        <div class="sql-ways">
          <button type="button" class="primary" disabled=${isBusy.value || !sql.trim()} title="Run (Ctrl or ⌘ and Enter)" onClick=${() => execute(sql)}>${isBusy.value ? "Running…" : "Run"}</button>
          ${isBusy.value && html`<button type="button" onClick=${() => running?.abort()}>Stop waiting</button>`}
          <label>Time limit <select value=${timeout.value} onChange=${(event) => (timeout.value = Number(event.target.value))}>${TIMES.map((one) => html`<option key=${one} value=${one}>${one / 1000} s</option>`)}</select></label>
          <label>Rows <select value=${maxRows.value} onChange=${(event) => (maxRows.value = Number(event.target.value))}>${ROWS.map((one) => html`<option key=${one} value=${one}>${one.toLocaleString("en")}</option>`)}</select></label>
          <span class="space"></span>
          ${recent.value.length > 0 &&
          html`<label>Recent <select value="" onChange=${(event) => set(recent.value[Number(event.target.value)])}><option value="">${recent.value.length}</option>${recent.value.map((one, index) => html`<option key=${index} value=${index}>${one.replace(/\s+/g, " ").slice(0, 80)}</option>`)}</select></label>`}
          <button type="button" class="plain" disabled=${!sql.trim()} onClick=${() => saveCsv(sql)}>CSV</button>
          <button type="button" class="plain" onClick=${() => copied(location.href, "The link was copied. It has no key in it.")}>Copy link</button>
        </div>
      </div>
      ${found?.problem && html`<${Fault} problem=${found.problem} />`}
      ${found?.problem && html`<${Place} sql=${found.sql} problem=${found.problem} />`}
      ${found?.answer && html`<${Answer} answer=${found.answer} />`}
      ${!found &&
      html`<div class="examples">
        <p class="quiet">Every row that you see is your tenant's. For instance:</p>
        <ul>${EXAMPLES.map(([words, text]) => html`<li key=${words}><button type="button" class="plain" onClick=${() => (set(text), box.current?.focus())}>${words}</button></li>`)}</ul>
      </div>`}
    </main>
  `;
}

async function execute(sql) {
  if (!sql.trim()) return;
  running?.abort();
  const mine = (running = new AbortController());
  isBusy.value = true;
  recent.value = [sql, ...recent.value.filter((one) => one !== sql)].slice(0, RECENT);
  try {
    outcome.value = { sql, answer: await run({ sql }, { maxRows: maxRows.value, timeoutMs: timeout.value, signal: mine.signal }) };
  } catch (problem) {
    if (problem.name !== "AbortError") outcome.value = { sql, problem };
  }
  if (running === mine) isBusy.value = false;
}

async function saveCsv(sql) {
  try {
    await saveRows({ sql }, "query.csv", { maxRows: maxRows.value, timeoutMs: timeout.value });
  } catch (problem) {
    outcome.value = { sql, problem };
  }
}

// Where in the statement PostgreSQL stumbled, if it says so: it counts characters from 1.
function Place({ sql, problem }) {
  const at = Number(problem.document?.position);
  if (!(at >= 1)) return null;
  const before = sql.slice(0, at - 1);
  const line = before.split("\n").length;
  const column = at - before.lastIndexOf("\n") - 1;
  return html`<pre class="mono place" aria-label=${`Line ${line}, column ${column}`}>${sql.split("\n")[line - 1]}\n${" ".repeat(Math.max(0, column - 1))}^ line ${line}</pre>`;
}

function Answer({ answer }) {
  const columns = answer.columns.map((column) => ({ ...column, choices: [], comment: column.type }));
  const widths = columns.map((column, index) => widthOf(column, answer.rows.slice(0, 200).map((row) => row[index])));
  const shown = answer.rows.slice(0, Math.max(50, Math.floor(SHOWN_CELLS / columns.length)));
  const total = widths.reduce((sum, width) => sum + width, 0);
  const words = `${answer.rows.length.toLocaleString("en")} ${answer.rows.length === 1 ? "row" : "rows"}${answer.truncated ? ", and there are more" : ""}`;
  return html`
    <div class="scroller">
      <table class="grid" aria-label="Result" style=${{ width: `${total}ch` }}>
        <colgroup>${widths.map((width, index) => html`<col key=${index} style=${{ width: `${width}ch` }} />`)}</colgroup>
        <thead><tr>${columns.map((column, index) => html`<th scope="col" key=${index} class=${isRight(column) ? "right" : ""}><span class="unsorted" title=${column.type}>${column.name}</span></th>`)}</tr></thead>
        <tbody>${shown.map((row, at) => html`<tr key=${at}>${columns.map((column, index) => html`<td key=${index} class=${isRight(column) ? "right" : ""}><${Cell} column=${column} value=${row[index]} /></td>`)}</tr>`)}</tbody>
      </table>
      ${!answer.rows.length && html`<p class="empty">No rows.</p>`}
    </div>
    <footer class="foot"><span role="status">${words}</span><span class="quiet">${Math.round(answer.elapsed_ms)} ms</span>${shown.length < answer.rows.length && html`<span class="quiet">The first ${shown.length.toLocaleString("en")} are shown; CSV has ${answer.truncated ? "more, up to the number of rows" : "all"}.</span>`}</footer>
  `;
}
