// One row: all its columns, whole; where it leads, and what leads to it; and how it became what it is.

import { useEffect, useState } from "preact/hooks";
import { TENANT, isJson, isList } from "./catalog.js";
import { leadFrom } from "./grid.js";
import { History } from "./history.js";
import { html } from "./html.js";
import { Fault, copied } from "./notices.js";
import { byName, run } from "./query.js";
import { addFilter, closeRow, loaded, picked } from "./rows.js";
import { tenant } from "./session.js";
import { referrersStatement, rowStatement } from "./statements.js";
import { Value } from "./value_view.js";
import { plain, shortId } from "./values.js";
import { isPlainClick, linkTo, show, showTable, view } from "./view.js";

const SETTLED_MS = 60; // whoever holds a key down passes by many rows

export function RowPanel({ table }) {
  const { row: key, tab } = view.value;
  const found = useRow(table, key, picked.value);
  const title = key ? key.map((part) => shortId(plain(part))).join(" · ") : "A row";
  const tabs = [["row", "Row"], ["history", "History"]];
  const turn = (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    show({ tab: tab === "row" ? "history" : "row" }, { replace: true });
    event.stopPropagation();
  };
  return html`
    <aside class="panel" aria-label=${`Row ${title} of ${table.name}`}>
      <div class="panel-head">
        <h2 class="mono" title=${key ? key.join(", ") : undefined}>${title}</h2>
        <span class="space"></span>
        <button type="button" class="plain" disabled=${!found.row} title="Copy the row as JSON" onClick=${() => copied(JSON.stringify(found.row, null, 2), "The row was copied.")}>Copy JSON</button>
        <button type="button" class="plain" title="Close (Escape)" aria-label="Close" onClick=${closeRow}>×</button>
      </div>
      ${key &&
      html`<div class="tabs" role="tablist" onKeyDown=${turn}>
        ${tabs.map(
          ([name, words]) => html`<button key=${name} type="button" role="tab" id=${`tab-${name}`} aria-selected=${tab === name} aria-controls="panel-body" tabindex=${tab === name ? 0 : -1} onClick=${() => show({ tab: name }, { replace: true })}>${words}</button>`,
        )}
      </div>`}
      <div class="panel-body" id="panel-body" role=${key ? "tabpanel" : undefined} aria-labelledby=${key ? `tab-${tab}` : undefined}>
        ${tab === "history" && key
          ? html`<${History} table=${table} rowKey=${key} />`
          : html`<${Fault} problem=${found.problem} />
              ${found.isGone && html`<p class="empty">There is no such row${found.table === table.name ? " (any more)" : ""}.</p>`}
              ${found.row && html`<${Fields} table=${table} row=${found.row} />${key && html`<${Referrers} table=${table} row=${found.row} />`}`}
              ${!key && html`<p class="hint">Rows of this view have no key: long values are cut, and there is no history of one.</p>`}`}
      </div>
    </aside>
  `;
}

// The whole row: lists cut what is long. A row of a view without a key is what the list has of it.
function useRow(table, key, given) {
  const [found, setFound] = useState({ row: null, problem: null, isGone: false });
  const name = JSON.stringify([tenant.value, table.name, key]);
  useEffect(() => {
    if (key === null) return undefined;
    const stop = new AbortController();
    const look = () =>
      run(rowStatement(table, key), { maxRows: 2, signal: stop.signal }).then(
        (answer) => {
          const [row = null] = byName(answer);
          setFound({ of: name, table: table.name, row, problem: null, isGone: row === null });
        },
        (problem) => problem.name === "AbortError" || setFound({ of: name, row: null, problem, isGone: false }),
      );
    const timer = setTimeout(look, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [name, loaded.value.statement]);
  if (key === null) return { row: given, problem: null, isGone: false };
  // Until its own comes, the row before stays in place, so that nothing jumps; another table's does not.
  return found.of === name || found.table === table.name ? found : { row: null, problem: null, isGone: false };
}

function Fields({ table, row }) {
  return html`
    <dl class="fields">
      ${table.columns
        .filter((column) => column.name !== TENANT && column.name in row)
        .map((column) => html`<${Field} key=${column.name} table=${table} column=${column} row=${row} />`)}
    </dl>
  `;
}

function Field({ table, column, row }) {
  const value = row[column.name];
  const lead = leadFrom(table, column, row);
  const isPlain = !isJson(column) && !isList(column);
  return html`
    <div class="field">
      <dt title=${`${column.comment}\n${column.type}`}>${column.name}</dt>
      <dd>
        <${Value} column=${column} value=${value} lead=${lead} />
        <span class="field-ways">
          ${value !== null && html`<button type="button" class="plain" title="Copy" aria-label=${`Copy ${column.name}`} onClick=${() => copied(plain(value), `${column.name} was copied.`)}>⧉</button>`}
          ${isPlain && html`<button type="button" class="plain" title="Only rows like this" aria-label=${`Only rows with this ${column.name}`} onClick=${() => addFilter(value === null ? { column: column.name, operator: "empty", value: "" } : { column: column.name, operator: "eq", value: String(value) })}>=</button>`}
        </span>
      </dd>
    </div>
  `;
}

function Referrers({ table, row }) {
  const [counts, setCounts] = useState(null);
  const usable = table.from.filter(({ pairs }) => pairs.every(([, to]) => row[to] !== null && row[to] !== undefined));
  const name = JSON.stringify([table.name, table.rowKey.map((one) => row[one])]);
  useEffect(() => {
    if (!usable.length) return undefined;
    const stop = new AbortController();
    setCounts(null);
    run(referrersStatement({ ...table, from: usable }, row), { maxRows: 1, signal: stop.signal }).then(
      (answer) => setCounts(answer.rows[0].map(Number)),
      () => {}, // It is too much to count: the links lead there all the same.
    );
    return () => stop.abort();
  }, [name]);
  if (!usable.length) return null;
  return html`
    <h3>What refers to it</h3>
    <ul class="referrers">
      ${usable.map(({ source, pairs }, index) => {
        const filters = pairs.map(([column, to]) => ({ column, operator: "eq", value: String(row[to]) }));
        const found = counts?.[index];
        const go = (event) => {
          if (!isPlainClick(event)) return;
          event.preventDefault();
          showTable(source.name, { filters });
        };
        return html`<li key=${index} class=${found === 0 ? "none" : ""}><a href=${linkTo(source.name, { filters })} onClick=${go}>${source.name}</a> <span class="quiet mono">${pairs.map(([column]) => column).join(", ")}</span><span class="space"></span><span class="number">${found === undefined ? "…" : found > 100 ? "100+" : found}</span></li>`;
      })}
    </ul>
  `;
}
