// What tables there are: their columns, their keys, and where their rows lead. Identifiers in statements come from here alone.

import { computed, signal } from "@preact/signals";
import { ask } from "./session.js";

export const catalog = signal(null); // by name, in the order of the API
export const problem = signal(null);

// The tenant is the same in every row, so it is neither shown nor part of how a row is named.
export const TENANT = "tenant_id";

export async function load() {
  problem.value = null;
  try {
    const { data } = await ask("GET", "v1/catalog");
    catalog.value = prepared(data.tables);
  } catch (error) {
    problem.value = error;
  }
}

const GROUPS = { work: "Work", people: "People and access", audit: "Audit", freshness: "How far the tables are", views: "Views" };

export const groups = computed(() => {
  const all = [...(catalog.value || new Map()).values()].sort((one, other) => one.name.localeCompare(other.name));
  const names = [...new Set([...Object.keys(GROUPS), ...all.map((one) => one.group)])];
  return names
    .map((name) => ({ name: GROUPS[name] || name, tables: all.filter((one) => one.group === name) }))
    .filter((group) => group.tables.length);
});

export function prepared(tables) {
  const known = new Map(
    tables.map((table) => [
      table.name,
      {
        ...table,
        byName: new Map(table.columns.map((column) => [column.name, column])),
        rowKey: table.key.filter((name) => name !== TENANT),
        leads: new Map(), // by each column that is shown as a link; one of its own goes before one of several
        from: [], // references of other tables to this one
      },
    ]),
  );
  for (const table of known.values()) {
    for (const reference of table.references) {
      const target = known.get(reference.table);
      if (!target) continue;
      const pairs = reference.columns.map((column, index) => [column, reference.to[index]]).filter(([column]) => column !== TENANT);
      if (!pairs.length) continue;
      const link = { target, pairs };
      for (const [column] of pairs) if (!table.leads.has(column) || pairs.length === 1) table.leads.set(column, link);
      target.from.push({ source: table, pairs });
    }
  }
  return known;
}

// The key of a row, as a view's `row` has it. Null where its table has none.
export const keyOf = (table, row) => (table.rowKey.length ? table.rowKey.map((name) => row[name]) : null);

// Where a reference of a row leads to: the target's key, or a filter where it is not by the key. Null where there is no value.
export function leadOf(link, row) {
  if (link.pairs.some(([column]) => row[column] === null || row[column] === undefined)) return null;
  const values = new Map(link.pairs.map(([column, to]) => [to, row[column]]));
  const { rowKey } = link.target;
  const isKey = rowKey.length === values.size && rowKey.every((name) => values.has(name));
  const filters = [...values].map(([column, value]) => ({ column, operator: "eq", value: String(value) }));
  return { table: link.target.name, view: isKey ? { filters, row: rowKey.map((name) => values.get(name)) } : { filters } };
}

export const isJson = (column) => column.type === "jsonb" || column.type === "json";
export const isList = (column) => column.type.endsWith("[]");
export const isTime = (column) => column.type.startsWith("timestamp") && !isList(column);
export const isNumber = (column) => !isList(column) && /^(smallint|integer|bigint|numeric|real|double precision|int[248]$|float[48]$)/.test(column.type);
export const isText = (column) => !isList(column) && /^(text|character|citext)/.test(column.type);
export const isSortable = (column) => !isJson(column) && !isList(column);
