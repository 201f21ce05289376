// Where the page begins, and which part of it is shown.

import { effect, signal } from "@preact/signals";
import { render } from "preact";
import * as catalog from "./catalog.js";
import { html } from "./html.js";
import { Help, listen } from "./keys.js";
import { Login } from "./login.js";
import { Fault, Said } from "./notices.js";
import { keepLoading } from "./rows.js";
import { begin, isReady, me } from "./session.js";
import { Home, Side, Top, applyTheme } from "./shell.js";
import { SqlView, forgetSql } from "./sql_view.js";
import { TableView } from "./table_view.js";
import { follow, parse, view } from "./view.js";

const isBegun = signal(false);

function Studio() {
  if (!isBegun.value) return html`<p class="empty quiet">Looking…</p>`;
  if (me.value === null) return html`<${Login} wantedTenant=${view.value.tenant} />`;
  return html`
    <${Top} />
    <div class="below"><${Side} /><${Page} /></div>
    <${Help} /><${Said} />
  `;
}

function Page() {
  if (!isReady.value) return html`<main class="home"><p class="empty">There is no tenant yet.</p></main>`;
  if (catalog.problem.value) return html`<main class="home"><${Fault} problem=${catalog.problem.value} again=${catalog.load} /></main>`;
  if (!catalog.catalog.value) return html`<main class="home"><p class="empty quiet">Looking…</p></main>`;
  if (view.value.page === "sql") return html`<${SqlView} />`;
  return view.value.page === "table" ? html`<${TableView} />` : html`<${Home} />`;
}

applyTheme();
const wantedTenant = parse(location.hash).tenant;
await begin(wantedTenant);
follow();
keepLoading();
listen();
effect(() => {
  if (me.value !== null) catalog.load();
  else forgetSql();
});
effect(() => {
  const { page, table } = view.value;
  document.title = `${page === "table" ? `${table} · ` : page === "sql" ? "SQL · " : ""}Gesta Studio`;
});
isBegun.value = true;
render(html`<${Studio} />`, document.getElementById("studio"));
