// A value by itself, whole.

import { isJson, isList, isTime } from "./catalog.js";
import { follow } from "./grid.js";
import { html } from "./html.js";
import { Json, Long } from "./json_view.js";
import { Time, plain, toneOf } from "./values.js";
import { isPlainClick } from "./view.js";

const LONG_TEXT = 1500; // characters

export function Value({ column, value, lead = null }) {
  if (value === null || value === undefined) return html`<span class="null">null</span>`;
  if (lead) {
    const go = (event) => {
      if (!isPlainClick(event)) return;
      event.preventDefault();
      follow(lead);
    };
    return html`<a class="lead mono" href=${lead.href} title=${`→ ${lead.table}`} onClick=${go}>${plain(value)}</a>`;
  }
  if (isTime(column)) return html`<${Time} value=${value} exact=${true} />`;
  if (isJson(column) || isList(column)) return html`<div class="json mono"><${Json} value=${value} /></div>`;
  if (column.choices?.length) return html`<span class=${`word ${toneOf(value)}`}>${value}</span>`;
  if (column.type === "uuid") return html`<span class="mono">${value}</span>`;
  return html`<span class="text"><${Long} text=${plain(value)} limit=${LONG_TEXT} /></span>`;
}
