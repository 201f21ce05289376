// The rows as a grid: columns that keep their width, a header that stays, one row that the keyboard is at.

import { signal } from "@preact/signals";
import { Component } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { isSortable, leadOf } from "./catalog.js";
import { html } from "./html.js";
import { Cell, isRight } from "./values.js";
import { active, columns, isOpened, loaded, openRow, setWidth, sortBy, widthOfColumn } from "./rows.js";
import { linkTo, showTable, view } from "./view.js";

const resized = signal(0);

export function Grid({ table }) {
  const { rows, isBusy, error } = loaded.value;
  const shown = columns.value;
  const { sort } = view.value;
  const scroller = useRef(null);
  resized.value; // widths are no signals: whoever changes one says so here
  const sizes = shown.map((column) => widthOfColumn(table, column));
  const total = sizes.reduce((sum, width) => sum + width, 0);

  useEffect(() => {
    const row = scroller.current?.querySelector(`#row-${active.value}`);
    row?.scrollIntoView({ block: "nearest" });
  }, [active.value, rows]);

  return html`
    <div class=${`scroller ${isBusy ? "busy" : ""}`} ref=${scroller}>
      <table
        class="grid" role="grid" tabindex="0" aria-label=${`Rows of ${table.name}`} aria-busy=${isBusy} aria-rowcount=${rows.length}
        aria-activedescendant=${rows.length ? `row-${active.value}` : undefined} style=${{ width: `${total}ch` }}
      >
        <colgroup>${sizes.map((width, index) => html`<col key=${shown[index].name} style=${{ width: `${width}ch` }} />`)}</colgroup>
        <thead>
          <tr>${shown.map((column) => html`<${Header} key=${column.name} table=${table} column=${column} sort=${sort} />`)}</tr>
        </thead>
        <tbody>
          ${rows.map(
            (row, index) => html`<${Row} key=${index} index=${index} row=${row} table=${table} columns=${shown} isActive=${index === active.value} isOpen=${isOpened(row)} />`,
          )}
        </tbody>
      </table>
      ${!rows.length && !isBusy && !error && html`<${Empty} />`}
      ${!rows.length && isBusy && html`<p class="empty quiet">Looking…</p>`}
    </div>
  `;
}

function Empty() {
  const { filters, search, after, before } = view.value;
  const isNarrow = filters.length > 0 || search !== "" || after !== null || before !== null;
  return html`<p class="empty">${isNarrow ? "No rows are like this." : "No rows yet."}</p>`;
}

function Header({ table, column, sort }) {
  const isSorted = sort?.column === column.name;
  const direction = !isSorted ? "none" : sort.descending ? "descending" : "ascending";
  const title = `${column.comment}\n${column.type}${column.nullable ? ", may be null" : ""}`;
  const name = html`<span class="column-name">${column.name}</span>`;
  return html`
    <th scope="col" aria-sort=${direction} class=${isRight(column) ? "right" : ""}>
      ${isSortable(column)
        ? html`<button type="button" tabindex="-1" title=${title} onClick=${() => sortBy(column)}>${name}<span class="sort-mark" aria-hidden="true">${isSorted ? (sort.descending ? "↓" : "↑") : ""}</span></button>`
        : html`<span class="unsorted" title=${title}>${name}</span>`}
      <span class="resize" aria-hidden="true" onPointerDown=${(event) => resize(event, table, column)}></span>
    </th>
  `;
}

function resize(event, table, column) {
  event.preventDefault();
  const handle = event.currentTarget;
  const cell = handle.parentElement;
  const character = cell.offsetWidth / widthOfColumn(table, column);
  const [begun, width] = [event.clientX, cell.offsetWidth];
  handle.setPointerCapture(event.pointerId);
  const drag = (moved) => {
    setWidth(table, column, Math.max(5, Math.min(160, (width + moved.clientX - begun) / character)));
    resized.value += 1;
  };
  handle.addEventListener("pointermove", drag);
  handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", drag), { once: true });
}

// Drawn anew only where something of it is another: a page may have ten thousand cells.
class Row extends Component {
  shouldComponentUpdate(next) {
    return ["row", "columns", "isActive", "isOpen"].some((name) => next[name] !== this.props[name]);
  }

  render({ row, index, table, columns: shown, isActive, isOpen }) {
    const open = () => {
      active.value = index;
      openRow(row);
    };
    return html`
      <tr id=${`row-${index}`} class=${isActive ? "active" : ""} aria-selected=${isOpen} onClick=${open}>
        ${shown.map((column) => {
          const lead = leadFrom(table, column, row);
          return html`<td key=${column.name} class=${isRight(column) ? "right" : ""}><${Cell} column=${column} value=${row[column.name]} lead=${lead} onLead=${follow} /></td>`;
        })}
      </tr>
    `;
  }
}

export function leadFrom(table, column, row) {
  const link = table.leads.get(column.name);
  const lead = link && leadOf(link, row);
  return lead ? { ...lead, href: linkTo(lead.table, lead.view) } : null;
}

export const follow = (lead) => showTable(lead.table, lead.view);
