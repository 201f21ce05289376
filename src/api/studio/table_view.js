// One table: what is asked of it, its rows, and beside them the row that is opened.

import { signal } from "@preact/signals";
import { TENANT } from "./catalog.js";
import { Filters, Search } from "./filters.js";
import { Grid } from "./grid.js";
import { html } from "./html.js";
import { Fault, copied } from "./notices.js";
import { Popover } from "./popover.js";
import { saveRows } from "./query.js";
import { RowPanel } from "./row_panel.js";
import { columns, count, hidden, loaded, nextPage, picked, previousPage, reload, reloadPatiently, table } from "./rows.js";
import { PAGE_ROWS, exportStatement, written } from "./statements.js";
import { blank, show, view } from "./view.js";

const SQL_SHOWN = "gesta.studio.sql";
export const isSqlShown = signal(localStorage.getItem(SQL_SHOWN) === "yes");
const MOST_ROWS = 100_000; // of a file
const FILE_MS = 60_000;
const isSaving = signal(false);
const fileProblem = signal(null);

export function toggleSql() {
  isSqlShown.value = !isSqlShown.value;
  localStorage.setItem(SQL_SHOWN, isSqlShown.value ? "yes" : "no");
}

export function TableView() {
  const found = table.value;
  if (!found) return html`<main class="home"><p class="empty">There is no table ${view.value.table} in the catalogue.</p></main>`;
  const { error, statement } = loaded.value;
  const isSlow = error?.code === "statement_timeout";
  const isOpen = view.value.row !== null || picked.value !== null;
  return html`
    <main class=${`table-view ${isOpen ? "with-panel" : ""}`}>
      <section class="table-part" aria-label=${found.name}>
        <div class="head">
          <h1>${found.name}</h1>
          <p class="quiet comment" title=${found.comment}>${found.comment}</p>
          <span class="space"></span>
          <${Columns} table=${found} />
          <button type="button" class="plain" aria-pressed=${isSqlShown.value} title="Show the statement" onClick=${toggleSql}>Statement</button>
          <button type="button" class="plain" disabled=${isSaving.value} title="Download these rows as CSV, whole" onClick=${saveCsv}>${isSaving.value ? "Saving…" : "CSV"}</button>
          <button type="button" class="plain" title="Copy a link to this view (y)" onClick=${copyLink}>Copy link</button>
          <button type="button" class="plain" title="Ask again (r)" aria-label="Ask again" onClick=${reload}>↻</button>
        </div>
        <div class="asked"><${Search} table=${found} /><${Filters} table=${found} /></div>
        ${isSqlShown.value && statement && html`<${Statement} statement=${statement} />`}
        <${Fault} problem=${fileProblem.value} />
        <${Fault} problem=${error} again=${isSlow ? reloadPatiently : reload} againWords=${isSlow ? "Try for 30 s" : "Try again"} />
        <${Grid} table=${found} />
        <${Foot} />
      </section>
      ${isOpen && html`<${RowPanel} table=${found} />`}
    </main>
  `;
}

function Statement({ statement }) {
  const edit = () => show({ ...blank(), page: "sql", table: null, sql: written(statement) });
  return html`
    <div class="statement">
      <pre class="mono" tabindex="0" aria-label="The statement">${statement.sql}</pre>
      ${statement.params.length > 0 && html`<p class="mono quiet params">${statement.params.map((value, index) => html`<span key=${index}>$${index + 1} = ${value === null ? "null" : `'${value}'`}</span>`)}</p>`}
      <p class="statement-ways">
        <button type="button" class="plain" onClick=${() => copied(written(statement), "The statement was copied.")}>Copy</button>
        <button type="button" class="plain" onClick=${edit}>Edit as SQL</button>
      </p>
    </div>
  `;
}

function Columns({ table: of }) {
  const all = of.columns.filter((column) => column.name !== TENANT);
  const hide = (names) => show({ hide: names.length === 1 && names[0] === TENANT ? null : names });
  const toggle = (name) => {
    const next = new Set(hidden.value);
    if (!next.delete(name)) next.add(name);
    hide([...next]);
  };
  const label = all.length === columns.value.length ? "Columns" : `Columns ${columns.value.length}/${all.length}`;
  return html`
    <${Popover} label=${label} title="Which columns are shown" className="plain" end=${true}>
      ${() => html`
        <div class="columns">
          <p><button type="button" class="plain" onClick=${() => hide([TENANT])}>All</button> <button type="button" class="plain" onClick=${() => hide([TENANT, ...all.slice(1).map((one) => one.name)])}>Only the first</button></p>
          ${all.map((column) => html`<label key=${column.name} title=${column.comment}><input type="checkbox" checked=${!hidden.value.has(column.name)} onChange=${() => toggle(column.name)} /> ${column.name}<span class="quiet mono"> ${column.type}</span></label>`)}
        </div>
      `}
    <//>
  `;
}

function Foot() {
  const { rows, isBusy, elapsed, canGoOn, canGoBack, statement } = loaded.value;
  const total = count.value;
  const words = total === null ? "" : ` of ${total.more ? "more than " : ""}${total.rows.toLocaleString("en")}`;
  const from = statement && !statement.byKey && rows.length ? `rows ${view.value.offset + 1} to ${view.value.offset + rows.length}` : `${rows.length} ${rows.length === 1 ? "row" : "rows"}`;
  return html`
    <footer class="foot">
      <span role="status">${isBusy ? "Looking…" : `${from}${words}`}</span>
      <span class="quiet">${elapsed !== null && elapsed !== undefined ? `${Math.round(elapsed)} ms` : ""}</span>
      <span class="space"></span>
      <span class="quiet">${PAGE_ROWS} a page</span>
      <button type="button" disabled=${!canGoBack || isBusy} title="Previous page (p)" onClick=${previousPage}>Previous</button>
      <button type="button" disabled=${!canGoOn || isBusy} title="Next page (n)" onClick=${nextPage}>Next</button>
    </footer>
  `;
}

async function saveCsv() {
  isSaving.value = true;
  fileProblem.value = null;
  try {
    const statement = exportStatement(table.value, view.value, columns.value);
    await saveRows(statement, `${table.value.name}.csv`, { maxRows: MOST_ROWS, timeoutMs: FILE_MS });
  } catch (problem) {
    fileProblem.value = problem;
  }
  isSaving.value = false;
}

export const copyLink = () => copied(location.href, "The link was copied. It has no key in it.");
