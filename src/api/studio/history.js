// How a row became what it is: the events that made it, from the first to the last, and the row as it stood after each.

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { TENANT } from "./catalog.js";
import { leadFrom } from "./grid.js";
import { html } from "./html.js";
import { Fault } from "./notices.js";
import { ask, tenant } from "./session.js";
import { Value } from "./value_view.js";
import { Time, plain, shortId } from "./values.js";
import { linkTo, show, view } from "./view.js";

const SETTLED_MS = 120; // without a move of the slider
const MOST_SEEN = 6; // events in the list, before it is scrolled
const isShort = signal(false); // only what an event changed
const STAMP = new Set(["version", "created_at", "updated_at"]); // of every row, and in no change

export function History({ table, rowKey }) {
  const isPossible = table.name !== "audit_logs";
  const address = `v1/tables/${encodeURIComponent(table.name)}/${rowKey.map((part) => encodeURIComponent(plain(part))).join(",")}`;
  const name = `${tenant.value} ${address}`;
  const [found, setFound] = useState({ events: null, problem: null });
  useEffect(() => {
    if (!isPossible) return undefined;
    const stop = new AbortController();
    load(address, stop.signal).then(
      (events) => setFound({ of: name, events, problem: null }),
      (problem) => problem.name === "AbortError" || setFound({ of: name, events: null, problem }),
    );
    return () => stop.abort();
  }, [name]);
  if (!isPossible) return html`<p class="empty">A row of the audit log is an event itself: it never changes.</p>`;
  if (found.of !== name) return html`<p class="empty quiet">Looking…</p>`;
  if (found.problem?.status === 404) return html`<p class="empty">The API has no history of this row for this key. What belongs to the platform, such as users, has one for a platform key alone.</p>`;
  if (found.problem) return html`<${Fault} problem=${found.problem} />`;
  if (!found.events.length) return html`<p class="empty">No event made this row.</p>`;
  return html`<${Timeline} table=${table} address=${address} events=${found.events} />`;
}

async function load(address, signal) {
  const events = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: "200", ...(cursor ? { cursor } : {}) });
    const { data } = await ask("GET", `${address}/history?${query}`, { signal });
    events.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor);
  return standing(events);
}

// Each event with the row as it left it, as far as changes tell.
function standing(events) {
  let row = {};
  const created = events[0]?.recorded_at;
  return events.map((event) => {
    row = { ...row, version: event.version, created_at: created, updated_at: event.recorded_at };
    for (const [column, [, after]] of Object.entries(event.changes)) row[column] = after;
    return { ...event, row: event.what === "deleted" ? null : row };
  });
}

function Timeline({ table, address, events }) {
  const last = events.length - 1;
  const { at } = view.value;
  const index = Math.max(0, at === null ? last : events.findLastIndex((one) => Number(one.position) <= Number(at)));
  const event = events[index];
  const stood = useStanding(address, event);
  const list = useRef(null);
  const fields = useRef(null);
  const go = (to) => show({ at: to >= last ? null : String(events[Math.max(0, to)].position), tab: "history" }, { replace: true });
  useEffect(() => {
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
    if (index) fields.current?.querySelector(".changed")?.scrollIntoView({ block: "nearest" });
  }, [index]);
  const columns = table.columns.filter((column) => column.name !== TENANT && !(isShort.value && event.changes[column.name] === undefined));
  return html`
    <div class="timeline">
      <div class="slider">
        <button type="button" title="The event before (←)" aria-label="The event before" disabled=${index === 0} onClick=${() => go(index - 1)}>‹</button>
        <input
          id="as-of" type="range" min="0" max=${last} step="1" value=${index} aria-label="As of which event" disabled=${last === 0}
          aria-valuetext=${`${index + 1} of ${events.length}: ${event.topic}`} onInput=${(moved) => go(Number(moved.target.value))}
        />
        <button type="button" title="The next event (→)" aria-label="The next event" disabled=${index === last} onClick=${() => go(index + 1)}>›</button>
        <span class="slider-at" role="status">${index + 1} of ${events.length}</span>
      </div>
      <ol class="events" ref=${list} aria-label="Events" style=${{ height: `${Math.min(MOST_SEEN, events.length) * 23 + 1}px` }}>
        ${events.map(
          (one, number) => html`
            <li key=${one.position}>
              <button type="button" aria-current=${number === index ? "step" : undefined} onClick=${() => go(number)}>
                <span class="event-topic">${one.topic} <span class="quiet">${one.what === "changed" ? Object.keys(one.changes).join(", ") : one.what}</span></span><span class="quiet event-time"><${Time} value=${one.recorded_at} /></span>
              </button>
            </li>
          `,
        )}
      </ol>
      <p class="event-facts quiet">
        <span>position <span class="mono">${event.position}</span></span>
        <span>version <span class="mono">${event.version}</span> of <span class="mono" title="The stream">${event.stream_id}</span></span>
        <${Actor} actor=${event.actor} />
        <span class="space"></span>
        <label><input type="checkbox" checked=${isShort.value} onChange=${(ticked) => (isShort.value = ticked.target.checked)} /> only what changed</label>
      </p>
      ${stood === null
        ? html`<p class="empty">With this event the row was gone.</p>`
        : html`<dl class="fields past" ref=${fields}>
            ${columns.map((column) => html`<${Past} key=${column.name} column=${column} lead=${leadFrom(table, column, stood)} value=${stood[column.name]} change=${event.changes[column.name]} isFirst=${index === 0} />`)}
            ${!columns.length && html`<p class="empty">It changed nothing that is shown here.</p>`}
          </dl>`}
    </div>
  `;
}

// What changes tell is there at once. What they do not (large values, what is counted of other things) comes when the slider rests.
function useStanding(address, event) {
  const [whole, setWhole] = useState(null);
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => {
      const asked = ask("GET", `${address}?position=${event.position}`, { signal: stop.signal });
      asked.then(({ data }) => setWhole({ address, position: event.position, row: data.row }), () => {});
    }, SETTLED_MS);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [address, event.position]);
  return whole?.address === address && whole.position === event.position ? whole.row : event.row;
}

function Past({ column, value, lead, change, isFirst }) {
  const isChanged = change !== undefined && !STAMP.has(column.name);
  const before = isChanged && !isFirst && change[0] !== null && html`<div class="before"><span class="off-screen">Before: </span><${Told} column=${column} value=${change[0]} /></div>`;
  return html`
    <div class=${`field ${isChanged ? "changed" : ""}`}>
      <dt title=${column.comment}>${column.name}</dt>
      <dd>${before}<${Told} column=${column} value=${value} lead=${lead} /></dd>
    </div>
  `;
}

function Told({ column, value, lead = null }) {
  if (value?.$cut) return html`<span class="quiet">too large for a list of changes</span>`;
  return html`<${Value} column=${column} value=${value ?? null} lead=${lead} />`;
}

function Actor({ actor }) {
  const who = (id) => html`<a class="mono" href=${linkTo("users", { row: [id] })} title=${id}>${shortId(id)}</a>`;
  const { type, id, user_id: user, on_behalf_of: behalf } = actor;
  return html`<span>by ${type} ${user ? who(user) : html`<span class="mono">${id ? shortId(id) : ""}</span>`}${behalf ? html` for ${who(behalf)}` : ""}</span>`;
}
