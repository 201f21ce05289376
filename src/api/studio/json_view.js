// JSON to be unfolded: what is short is open, what is long waits for a click.

import { useState } from "preact/hooks";
import { Digits } from "./exact.js";
import { html } from "./html.js";

const OPEN_DEPTH = 2;
const OPEN_ENTRIES = 20;
const LONG_TEXT = 400;
const SOME = 100;

export function Json({ value, name = null, depth = 0 }) {
  if (value === null || typeof value !== "object" || value instanceof Digits) return html`<div class="json-line"><${Name} name=${name} /><${Leaf} value=${value} /></div>`;
  return html`<${Branch} value=${value} name=${name} depth=${depth} />`;
}

function Branch({ value, name, depth }) {
  const isArray = Array.isArray(value);
  const entries = isArray ? value.map((one, index) => [index, one]) : Object.entries(value);
  const [isOpen, setOpen] = useState(depth < OPEN_DEPTH && entries.length <= OPEN_ENTRIES);
  const [most, setMost] = useState(SOME);
  const [opening, closing] = isArray ? ["[", "]"] : ["{", "}"];
  if (!entries.length) return html`<div class="json-line"><${Name} name=${name} /><span class="quiet">${opening}${closing}</span></div>`;
  const words = `${entries.length} ${isArray ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "field" : "fields"}`;
  return html`
    <div class="json-branch">
      <button type="button" class="json-fold" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
        <span class="json-mark" aria-hidden="true">${isOpen ? "▾" : "▸"}</span><${Name} name=${name} /><span class="quiet">${opening}${isOpen ? "" : ` ${words} ${closing}`}</span>
      </button>
      ${isOpen &&
      html`<div class="json-inside">
          ${entries.slice(0, most).map(([key, one]) => html`<${Json} key=${key} name=${key} value=${one} depth=${depth + 1} />`)}
          ${entries.length > most && html`<button type="button" class="more" onClick=${() => setMost(most + 10 * SOME)}>${entries.length - most} more</button>`}
        </div>
        <div class="quiet">${closing}</div>`}
    </div>
  `;
}

function Name({ name }) {
  if (name === null) return null;
  return html`<span class=${typeof name === "number" ? "json-index" : "json-name"}>${name}</span><span class="quiet">: </span>`;
}

function Leaf({ value }) {
  if (value === null) return html`<span class="null">null</span>`;
  if (typeof value === "string") return html`<span class="json-text">"<${Long} text=${value} />"</span>`;
  return html`<span class="json-plain">${String(value)}</span>`;
}

// Text of which the beginning is shown, and the rest on demand.
export function Long({ text, limit = LONG_TEXT }) {
  const [isWhole, setWhole] = useState(false);
  if (text.length <= limit + 40 || isWhole) return html`<span class="whole">${text}</span>`;
  const count = text.length.toLocaleString("en");
  return html`<span class="whole">${text.slice(0, limit)}…</span> <button type="button" class="more" onClick=${() => setWhole(true)}>all ${count} characters</button>`;
}
