// Around everything: the tables at the side, who is logged in at the top.

import { signal } from "@preact/signals";
import { catalog, groups } from "./catalog.js";
import { html } from "./html.js";
import { leave, me, own, position, tenant, tenants } from "./session.js";
import { blank, isPlainClick, linkTo, show, showTable, view } from "./view.js";

const wanted = signal(""); // what the list of tables is narrowed to
const THEME = "gesta.studio.theme";
export const theme = signal(localStorage.getItem(THEME) || "auto");
export const isHelpOpen = signal(false);

export function applyTheme() {
  document.documentElement.dataset.theme = theme.value;
}

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const THEME_WORDS = { auto: "As the system", light: "Light", dark: "Dark" };

function nextTheme() {
  theme.value = NEXT[theme.value] || "auto";
  localStorage.setItem(THEME, theme.value);
  applyTheme();
}

export function Top() {
  const { platform, api_key: apiKey, roles } = me.value;
  return html`
    <header class="top">
      <a class="brand" href="#/" onClick=${(event) => (event.preventDefault(), show({ ...blank(), page: "home", table: null }))}><img class="brand-mark" src="studio/icon.svg" alt="" />Gesta Studio</a>
      ${platform
        ? html`<label class="tenant">Tenant <select value=${tenant.value} onChange=${(event) => changeTenant(event.target.value)}>${tenants.value.map((one) => html`<option key=${one.slug} value=${one.slug}>${one.slug}</option>`)}</select></label>`
        : own.value && html`<span class="tenant">Tenant <strong>${own.value}</strong></span>`}
      <nav class="pages" aria-label="Pages">
        <button type="button" class="plain" aria-pressed=${view.value.page === "sql"} title="SQL (s)" onClick=${() => show({ ...blank(), page: "sql", table: null })}>SQL</button>
      </nav>
      <span class="space"></span>
      <span class="quiet at" title="The position in the ledger that the last answer speaks of">${position.value === null ? "" : `position ${Number(position.value).toLocaleString("en")}`}</span>
      <span class="quiet" title=${roles?.length ? `Roles: ${roles.join(", ")}` : undefined}>${apiKey.name}</span>
      <button type="button" class="plain" title=${`Colours: ${THEME_WORDS[theme.value]}`} aria-label=${`Colours: ${THEME_WORDS[theme.value]}`} onClick=${nextTheme}>${{ auto: "◐", light: "☀", dark: "☾" }[theme.value]}</button>
      <button type="button" class="plain" title="Keys (?)" aria-label="Keys" onClick=${() => (isHelpOpen.value = true)}>?</button>
      <button type="button" class="plain" onClick=${() => leave()}>Log out</button>
    </header>
  `;
}

function changeTenant(slug) {
  tenant.value = slug;
  position.value = null;
  // Rows of one tenant are none of another's: the table stays, what was chosen in it does not.
  show({ ...blank(), hide: view.value.hide });
}

export function Side() {
  if (!catalog.value) return html`<nav class="side" aria-label="Tables"></nav>`;
  const text = wanted.value.toLowerCase();
  const narrowed = groups.value
    .map((group) => ({ ...group, tables: group.tables.filter((one) => one.name.includes(text)) }))
    .filter((group) => group.tables.length);
  const first = (event) => {
    if (event.key === "Enter" && narrowed.length) showTable(narrowed[0].tables[0].name);
    if (event.key === "Escape") event.target.blur();
  };
  return html`
    <nav class="side" aria-label="Tables">
      <input id="table-filter" type="search" placeholder="Tables  t" aria-label="Find a table" value=${wanted.value} spellcheck="false" onInput=${(event) => (wanted.value = event.target.value)} onKeyDown=${first} />
      <div class="side-list">
        ${narrowed.map(
          (group) => html`
            <h2 key=${group.name}>${group.name}</h2>
            <ul>
              ${group.tables.map(
                (one) => html`<li key=${one.name}><a href=${linkTo(one.name)} title=${one.comment} aria-current=${view.value.table === one.name ? "page" : undefined} onClick=${(event) => open(event, one.name)}>${one.name}</a></li>`,
              )}
            </ul>
          `,
        )}
        ${!narrowed.length && html`<p class="quiet none">No table is called so.</p>`}
      </div>
    </nav>
  `;
}

function open(event, name) {
  if (!isPlainClick(event)) return;
  event.preventDefault();
  showTable(name);
}

export function Home() {
  const all = [...catalog.value.values()];
  return html`
    <main class="home" tabindex="-1">
      <h1>Tables</h1>
      <p class="quiet">What is here is computed from the ledger of events. It is read, and never written.</p>
      ${groups.value.map(
        (group) => html`
          <section key=${group.name}>
            <h2>${group.name}</h2>
            <dl class="catalog">
              ${group.tables.map((one) => html`<div key=${one.name}><dt><a href=${linkTo(one.name)} onClick=${(event) => open(event, one.name)}>${one.name}</a></dt><dd>${one.comment}</dd></div>`)}
            </dl>
          </section>
        `,
      )}
      ${!all.length && html`<p>There are no tables.</p>`}
    </main>
  `;
}
