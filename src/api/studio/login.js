// The question for a key. Nothing else is shown, and nothing asked, before there is one.

import { useState } from "preact/hooks";
import { html } from "./html.js";
import { Fault } from "./notices.js";
import { enter, why } from "./session.js";

export function Login({ wantedTenant }) {
  const [text, setText] = useState("");
  const [isBusy, setBusy] = useState(false);
  const send = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await enter(text, wantedTenant);
    } catch (problem) {
      why.value = problem;
      setBusy(false);
    }
  };
  return html`
    <main class="login">
      <form onSubmit=${send} autocomplete="off">
        <h1><img class="brand-mark" src="studio/icon.svg" alt="" />Gesta Studio</h1>
        <p class="quiet">The tables of a tenant, to look at. Nothing here changes anything.</p>
        <label for="api-key">API key</label>
        <input
          id="api-key" type="password" class="mono" placeholder="gk_…" autocomplete="off" spellcheck="false" required
          ref=${(element) => element && !text && element.focus()} value=${text} onInput=${(event) => setText(event.target.value)}
        />
        <p class="hint">It stays in this tab until you log out or close it, and is sent to this server only.</p>
        <button class="primary" disabled=${isBusy || !text.trim()}>${isBusy ? "Looking…" : "Log in"}</button>
        <${Fault} problem=${why.value} />
      </form>
    </main>
  `;
}
