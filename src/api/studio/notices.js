// What went wrong, in the API's own words, with the field that it is about; and what is on its way.

import { signal } from "@preact/signals";
import { html } from "./html.js";

export function Fault({ problem, again = null, againWords = "Try again" }) {
  if (!problem) return null;
  return html`
    <div class="fault" role="alert">
      <p><strong>${problem.document?.title || "Error"}</strong>${problem.code ? html` <code>${problem.code}</code>` : ""}</p>
      <p class="pre">${problem.message}</p>
      ${problem.errors?.map((one) => html`<p class="fault-field"><code>${one.path || "request"}</code> ${one.message !== problem.message && html`<span class="pre">${one.message}</span>`}</p>`)}
      <p class="quiet">
        ${problem.requestId ? html`Request <span class="mono">${problem.requestId}</span>` : ""}
        ${again ? html` <button type="button" onClick=${again}>${againWords}</button>` : ""}
      </p>
    </div>
  `;
}

export const said = signal(""); // what has just been done, for a moment, and for screen readers
let timer = null;

export function say(text, isLong = false) {
  said.value = text;
  clearTimeout(timer);
  timer = setTimeout(() => (said.value = ""), isLong ? 10_000 : 2500);
}

// Copy, and say so. Browsers allow it where the page came by HTTPS, or from this machine.
export function copied(text, words) {
  const written = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error("no clipboard"));
  written.then(() => say(words), () => say("The browser does not let this page copy."));
}

export function Said() {
  return html`<div class=${`said ${said.value ? "" : "hidden"}`} role="status">${said.value}</div>`;
}
