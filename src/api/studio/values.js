// How a value looks: in a list, where there is a line for it, and by itself.

import { isJson, isList, isNumber, isText, isTime } from "./catalog.js";
import { html } from "./html.js";
import { isPlainClick } from "./view.js";

const GOOD = new Set(["completed", "approved", "active", "succeeded", "success", "ok", "published", "delivered", "accepted", "resolved", "approve", "done"]);
const BAD = new Set(["failed", "rejected", "dead", "error", "refused", "denied", "revoked", "reject", "disabled", "timed_out", "lease_lost"]);
const UNDER_WAY = new Set(["running", "pending", "waiting", "open", "queued", "in_progress", "scheduled", "leased", "invited", "compensating", "paused", "draft"]);

export const toneOf = (word) => (GOOD.has(word) ? "good" : BAD.has(word) ? "bad" : UNDER_WAY.has(word) ? "busy" : "plain");

// A moment here, to the second; and in UTC, exactly, for whoever hovers.
export function Time({ value, exact = false }) {
  const moment = new Date(value);
  if (Number.isNaN(moment.getTime())) return html`<span>${value}</span>`;
  const utc = utcOf(value);
  return html`<time datetime=${utc} title=${`${utc} (UTC)\n${ago(moment)}`}>${localOf(moment, exact)}</time>`;
}

const two = (number) => String(number).padStart(2, "0");

export function localOf(moment, exact = false) {
  const day = `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
  const time = `${two(moment.getHours())}:${two(moment.getMinutes())}:${two(moment.getSeconds())}`;
  return `${day} ${time}${exact ? `.${String(moment.getMilliseconds()).padStart(3, "0")}` : ""}`;
}

// PostgreSQL's microseconds are more than a Date holds.
function utcOf(text) {
  const fraction = (String(text).match(/\.\d+/) || [""])[0];
  return new Date(text).toISOString().replace(/\.\d+Z$/, `${fraction}Z`);
}

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

export function ago(moment) {
  const seconds = (moment.getTime() - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) || UNITS[UNITS.length - 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

// Ids of one time begin alike, so their end tells them apart.
export const shortId = (id) => (id.length === 36 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id);

// In a list: one line, cut by its column's width.
export function Cell({ column, value, lead, onLead }) {
  if (value === null || value === undefined) return html`<span class="null" title="null">null</span>`;
  const text = column.type === "uuid" ? shortId(value) : plain(value);
  if (lead) {
    const follow = (event) => {
      event.stopPropagation();
      if (!isPlainClick(event)) return;
      event.preventDefault();
      onLead(lead);
    };
    return html`<a class="lead mono" href=${lead.href} title=${`${value}\n→ ${lead.table}`} tabindex="-1" onClick=${follow}>${text}</a>`;
  }
  if (isTime(column)) return html`<${Time} value=${value} />`;
  if (column.type === "uuid") return html`<span class="mono" title=${value}>${text}</span>`;
  if (column.type === "boolean") return html`<span class=${value ? "yes" : "no"}>${String(value)}</span>`;
  if (column.choices?.length) return html`<span class=${`word ${toneOf(value)}`}>${text}</span>`;
  if (isJson(column) || isList(column)) return html`<span class="mono data" title=${text}>${text}</span>`;
  return html`<span title=${text.length > 30 ? text : undefined}>${text}</span>`;
}

export const plain = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// In characters: how wide a column is, by what it holds and what it is called. Fixed from then on, so that nothing jumps.
export function widthOf(column, values) {
  const header = Math.ceil(column.name.length * 1.08) + 4;
  if (column.type === "uuid") return Math.max(17, Math.min(header, 26));
  if (isTime(column)) return Math.max(20, Math.min(header, 26));
  const longest = values.reduce((most, value) => Math.max(most, value === null ? 4 : plain(value).length), 0);
  const most = isJson(column) || isList(column) ? 38 : isText(column) ? 44 : 26;
  return Math.min(Math.max(longest + 3, header, 8), Math.max(most, Math.min(header, 30)));
}

export const isRight = (column) => isNumber(column);

// How many rows a CSV has, beside its heading: lines within quotes are none.
export async function rowsIn(blob) {
  const reader = blob.stream().getReader();
  let lines = 0;
  let isQuoted = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return Math.max(0, lines - 1);
    for (const byte of value) {
      if (byte === 34) isQuoted = !isQuoted;
      else if (byte === 10 && !isQuoted) lines += 1;
    }
  }
}

export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
