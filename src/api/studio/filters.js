// Which rows: words to search for, and conditions on columns.

import { useState } from "preact/hooks";
import { isTime } from "./catalog.js";
import { html } from "./html.js";
import { Popover } from "./popover.js";
import { OPERATORS, operatorsFor } from "./statements.js";
import { localOf, shortId } from "./values.js";
import { clearAll } from "./rows.js";
import { showRows, view } from "./view.js";

let typing = null;

export function Search({ table }) {
  const set = (text) => {
    clearTimeout(typing);
    typing = setTimeout(() => text !== view.value.search && showRows({ search: text }, { replace: true }), 250);
  };
  const now = (event) => {
    if (event.key === "Enter" || event.key === "ArrowDown") {
      clearTimeout(typing);
      if (event.target.value !== view.value.search) showRows({ search: event.target.value }, { replace: true });
      document.querySelector(".grid")?.focus();
      event.preventDefault();
    }
    if (event.key === "Escape") event.target.blur();
  };
  return html`<input
    id="search" type="search" key=${table.name} placeholder="Search  /" aria-label=${`Search in ${table.name}`} spellcheck="false" autocomplete="off"
    value=${view.value.search} onInput=${(event) => set(event.target.value)} onKeyDown=${now}
  />`;
}

export function Filters({ table }) {
  const { filters, search } = view.value;
  const put = (index, filter) => showRows({ filters: filters.map((one, other) => (other === index ? filter : one)) });
  return html`
    <div class="chips" role="group" aria-label="Filters">
      ${filters.map((filter, index) => {
        const column = table.byName.get(filter.column);
        const words = wordsOf(filter, column);
        return html`
          <span class="chip" key=${index}>
            <${Popover} label=${words} title=${`Change the filter ${words}`} className="chip-text">
              ${(close) => html`<${Editor} table=${table} filter=${filter} onDone=${(one) => (put(index, one), close())} />`}
            <//>
            <button type="button" class="chip-off" aria-label=${`Remove the filter ${words}`} onClick=${() => showRows({ filters: filters.filter((_, other) => other !== index) })}>×</button>
          </span>
        `;
      })}
      <${Popover} label="+ Filter" title="Add a filter" className="plain">
        ${(close) => html`<${Editor} table=${table} onDone=${(one) => (showRows({ filters: [...filters, one] }), close())} />`}
      <//>
      ${(filters.length > 0 || search) && html`<button type="button" class="plain" onClick=${clearAll}>Clear</button>`}
    </div>
  `;
}

function wordsOf({ column: name, operator, value }, column) {
  const { words = operator, alone } = OPERATORS[operator] || {};
  if (alone) return `${name} ${words}`;
  const moment = column && isTime(column) ? new Date(value) : null;
  const shown = moment && !Number.isNaN(moment.getTime()) ? localOf(moment) : column?.type === "uuid" ? value.split(",").map(shortId).join(", ") : value;
  return `${name} ${words} ${shown.length > 40 ? `${shown.slice(0, 40)}…` : shown || "(nothing)"}`;
}

function Editor({ table, filter = null, onDone }) {
  const choosable = table.columns.filter((column) => column.name !== "tenant_id");
  const [name, setName] = useState(filter?.column || choosable.find((column) => column.name === "status")?.name || choosable[0].name);
  const column = table.byName.get(name) || choosable[0];
  const operators = operatorsFor(column);
  const [operator, setOperator] = useState(filter?.operator || operators[0]);
  const usable = operators.includes(operator) ? operator : operators[0];
  const [value, setValue] = useState(filter?.value || "");
  const done = (event) => {
    event.preventDefault();
    const alone = OPERATORS[usable].alone;
    const given = column.choices?.length && usable !== "in" && !column.choices.includes(value) ? column.choices[0] : value;
    onDone({ column: name, operator: usable, value: alone ? "" : column.type === "boolean" ? given || "true" : given });
  };
  const choose = (event) => {
    setName(event.target.value);
    setOperator(operatorsFor(table.byName.get(event.target.value))[0]);
    setValue("");
  };
  return html`
    <form class="editor" onSubmit=${done}>
      <label>Column<select value=${name} onChange=${choose}>${choosable.map((one) => html`<option key=${one.name} value=${one.name}>${one.name}</option>`)}</select></label>
      <label>Condition<select value=${usable} onChange=${(event) => setOperator(event.target.value)}>${operators.map((one) => html`<option key=${one} value=${one}>${OPERATORS[one].words}</option>`)}</select></label>
      ${!OPERATORS[usable].alone && html`<label>Value<${Value} column=${column} operator=${usable} value=${value} onValue=${setValue} /></label>`}
      <p class="hint">${column.comment} <span class="mono">${column.type}</span></p>
      <button class="primary">${filter ? "Change" : "Add"}</button>
    </form>
  `;
}

function Value({ column, operator, value, onValue }) {
  const set = (event) => onValue(event.target.value);
  if (column.choices?.length && operator === "in") {
    const chosen = new Set(value.split(","));
    const several = (event) => onValue([...event.target.selectedOptions].map((one) => one.value).join(","));
    return html`<select multiple size=${Math.min(8, column.choices.length)} onChange=${several}>${column.choices.map((one) => html`<option key=${one} value=${one} selected=${chosen.has(one)}>${one}</option>`)}</select>`;
  }
  const choices = column.type === "boolean" ? ["true", "false"] : column.choices;
  if (choices?.length) return html`<select value=${choices.includes(value) ? value : choices[0]} onChange=${set}>${choices.map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`;
  if (isTime(column)) {
    const moment = new Date(value);
    const local = Number.isNaN(moment.getTime()) ? "" : localOf(moment).replace(" ", "T");
    const read = (event) => event.target.value && onValue(new Date(event.target.value).toISOString());
    return html`<input type="datetime-local" step="1" value=${local} onChange=${read} required />`;
  }
  const placeholder = operator === "in" ? "one, two, three" : "";
  return html`<input type="text" value=${value} placeholder=${placeholder} onInput=${set} spellcheck="false" autocomplete="off" />`;
}
