// Who is logged in, and how the API is asked. The key lives in memory, and in this tab's sessionStorage until the tab is closed or
// somebody logs out; it is sent as the API's own header to this server alone, and stands in no address.

import { computed, signal } from "@preact/signals";
import { exactly } from "./exact.js";

const KEPT = "gesta.studio.key";
const QUERY = "query:run";

export const key = signal(null);
export const me = signal(null);
export const tenants = signal([]); // of a platform key
export const own = signal(null); // the slug of the tenant that any other key belongs to
export const tenant = signal(null); // the slug that a platform key has chosen
export const position = signal(null); // up to where the tables had come when they were last asked
export const why = signal(null); // why one has to log in (again): a Problem, or null

export const isReady = computed(() => me.value !== null && (!me.value.platform || tenant.value !== null));

// An error as the API tells it: a problem document (RFC 9457), or what the browser says where there was no answer.
export class Problem extends Error {
  constructor(document, status) {
    super(document.detail || document.title || "The request failed.");
    this.status = status;
    this.code = document.code || null;
    this.errors = document.errors || [];
    this.requestId = document.request_id || null;
    this.document = document;
  }
}

// Ask the API. `accept`: other than JSON, the answer is a Blob.
export async function ask(method, path, { body, accept = "application/json", more = {}, signal: abort, as = key.value, inside = tenant.value } = {}) {
  const headers = { Accept: accept, ...more };
  if (as) headers.Authorization = `Bearer ${as}`;
  if (inside) headers["Gesta-Tenant"] = inside;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method, headers, signal: abort, cache: "no-store", credentials: "omit", redirect: "error" };
  let response;
  try {
    response = await fetch(path, body === undefined ? options : { ...options, body: JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({ title: "No answer", detail: "The server did not answer. Is it running?" }, 0);
  }
  if (!response.ok) throw await problemOf(response, as);
  const blob = accept === "application/json" ? null : await response.blob();
  return { headers: response.headers, data: blob || exactly(await response.text()) };
}

async function problemOf(response, as) {
  let document = { title: response.statusText || `Status ${response.status}` };
  try {
    document = await response.json();
  } catch {
    // A proxy's page, say: the status is all there is to tell.
  }
  const problem = new Problem(document, response.status);
  if (response.status === 401 && as === key.value && me.value !== null) leave(problem);
  return problem;
}

// Try a key: it is kept where it is good for something here. Throws Problem.
export async function enter(text, wantedTenant = null) {
  const as = text.trim();
  if (!/^[\x21-\x7e]+$/.test(as)) throw new Problem({ title: "No key", detail: "This is no API key: there are characters in it that no key has." }, 0);
  const found = (await ask("GET", "v1/me", { as, inside: null })).data;
  if (!found.permissions.includes(QUERY)) throw new Problem({ title: "Forbidden", code: "permission_denied", detail: `This key may not look at the tables: that needs the permission ${QUERY}.` }, 403);
  const known = found.platform ? await listTenants(as) : [];
  key.value = as;
  tenants.value = known;
  tenant.value = found.platform ? (known.find((one) => one.slug === wantedTenant) || known[0] || { slug: null }).slug : null;
  me.value = found;
  why.value = null;
  store(as);
  if (!found.platform) own.value = await slugOf(as);
}

export function leave(reason = null) {
  key.value = me.value = tenant.value = own.value = position.value = null;
  tenants.value = [];
  why.value = reason;
  store(null);
}

// How the page begins: with a code that is good once, from `gesta db studio`; with the key of this tab; or with the question for one.
export async function begin(wantedTenant) {
  const code = takeCode();
  try {
    if (code) {
      const { data } = await ask("POST", "studio/once", { more: { "Gesta-Studio-Code": code }, as: null, inside: null });
      await enter(data.token, wantedTenant);
    } else {
      const kept = sessionStorage.getItem(KEPT);
      if (kept) await enter(kept, wantedTenant);
    }
  } catch (problem) {
    leave(problem);
  }
}

// The code leaves the address, and the tab's history, before anything else is done with it.
function takeCode() {
  const match = location.hash.match(/^#once=([A-Za-z0-9_-]+)$/);
  if (!match) return null;
  history.replaceState(null, "", location.pathname);
  return match[1];
}

// Asked of the tables, as all that is shown: not every key may read the tenant itself.
async function slugOf(as) {
  try {
    const body = { sql: "SELECT slug FROM projections.tenants" };
    return (await ask("POST", "v1/query", { body, as, inside: null })).data.rows[0][0];
  } catch {
    return null; // the rows are shown all the same
  }
}

async function listTenants(as) {
  const found = [];
  let cursor = null;
  do {
    const query = new URLSearchParams({ limit: "200", ...(cursor ? { cursor } : {}) });
    const { data } = await ask("GET", `v1/tenants?${query}`, { as, inside: null });
    found.push(...data.items);
    cursor = data.next_cursor;
  } while (cursor && found.length < 5000);
  return found.sort((one, other) => one.slug.localeCompare(other.slug));
}

function store(text) {
  try {
    if (text === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, text);
  } catch {
    // Storage is turned off: the key lives as long as the page.
  }
}
