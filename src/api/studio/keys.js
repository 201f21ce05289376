// What keys do, wherever one is; and the list of them.

import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { active, closeRow, loaded, move, nextPage, openRow, picked, previousPage, reload } from "./rows.js";
import { isReady } from "./session.js";
import { isHelpOpen } from "./shell.js";
import { copyLink } from "./table_view.js";
import { blank, show, view } from "./view.js";

const ALL = [
  ["/", "search in the table"],
  ["t", "find a table"],
  ["j ↓, k ↑", "next row, row before"],
  ["Enter", "open the row"],
  ["h", "its history"],
  ["← →", "in the history: the event before, the next one"],
  ["Escape", "close the row"],
  ["n, p", "next page, page before"],
  ["r", "ask again"],
  ["y", "copy a link to the view"],
  ["s", "SQL"],
  ["Ctrl or ⌘ Enter", "run the SQL"],
  ["?", "this list"],
];

const OF_TABLE = {
  j: () => move(1),
  k: () => move(-1),
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  PageDown: () => move(20),
  PageUp: () => move(-20),
  Home: () => move(-Infinity),
  End: () => move(Infinity),
  Enter: () => loaded.value.rows[active.value] && openRow(loaded.value.rows[active.value]),
  Escape: closeRow,
  h: () => loaded.value.rows[active.value] && openRow(loaded.value.rows[active.value], { tab: "history" }),
  n: nextPage,
  p: previousPage,
  r: reload,
  y: copyLink,
};

const EVERYWHERE = {
  "/": () => document.getElementById("search")?.focus(),
  t: () => document.getElementById("table-filter")?.focus(),
  s: () => show({ ...blank(), page: "sql", table: null }),
  "?": () => (isHelpOpen.value = true),
};

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (!isReady.value || event.ctrlKey || event.metaKey || event.altKey || isHelpOpen.value) return;
    const { target } = event;
    if (target.closest("input:not([type=range]):not([type=checkbox]), textarea, select, [role=dialog], [role=tablist]")) return;
    const isControl = target.closest("button, a, input[type=range]");
    if (isControl && ["Enter", " "].includes(event.key)) return;
    const isHistory = view.value.tab === "history" && (view.value.row !== null || picked.value !== null);
    if (isHistory && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      if (target.matches("input[type=range]")) return;
      document.querySelector(event.key === "ArrowLeft" ? ".slider button:first-of-type" : ".slider button:last-of-type")?.click();
      event.preventDefault();
      return;
    }
    if (target.matches("input[type=range]") && event.key !== "Escape") return;
    const does = EVERYWHERE[event.key] || (view.value.page === "table" ? OF_TABLE[event.key] : undefined);
    if (!does) return;
    event.preventDefault();
    does();
  });
}

export function Help() {
  const dialog = useRef(null);
  useEffect(() => {
    if (isHelpOpen.value) dialog.current?.showModal();
  }, [isHelpOpen.value]);
  if (!isHelpOpen.value) return null;
  return html`
    <dialog ref=${dialog} class="help" aria-label="Keys" onClose=${() => (isHelpOpen.value = false)}>
      <h2>Keys</h2>
      <dl>${ALL.map(([keys, words]) => html`<div key=${keys}><dt><kbd>${keys}</kbd></dt><dd>${words}</dd></div>`)}</dl>
      <form method="dialog"><button class="primary" autofocus>Close</button></form>
    </dialog>
  `;
}
