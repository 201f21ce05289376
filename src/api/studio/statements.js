// SQL as the page shows it and sends it. Names come from the catalogue and are quoted; values are parameters.

import { Problem } from "./session.js";
import { TENANT, isJson, isList, isNumber, isSortable, isText, isTime } from "./catalog.js";

export const SCHEMA = "projections";
export const PAGE_ROWS = 100;
const SHOWN = 240; // characters of a long value in a list; a row's own panel has all of it
const COUNTED = 10000;

export const quoted = (name) => `"${name.replaceAll('"', '""')}"`;
export const nameOf = (table) => `${SCHEMA}.${quoted(table.name)}`;

export const OPERATORS = {
  eq: { words: "is", sql: (name, value) => `${name} = ${value}` },
  ne: { words: "is not", sql: (name, value) => `${name} IS DISTINCT FROM ${value}` },
  has: { words: "contains", like: (text) => `%${escaped(text)}%` },
  starts: { words: "starts with", like: (text) => `${escaped(text)}%` },
  lt: { words: "<", sql: (name, value) => `${name} < ${value}` },
  le: { words: "≤", sql: (name, value) => `${name} <= ${value}` },
  gt: { words: ">", sql: (name, value) => `${name} > ${value}` },
  ge: { words: "≥", sql: (name, value) => `${name} >= ${value}` },
  in: { words: "is one of", several: true },
  empty: { words: "is null", alone: true, sql: (name) => `${name} IS NULL` },
  filled: { words: "is not null", alone: true, sql: (name) => `${name} IS NOT NULL` },
};

export function operatorsFor(column) {
  const ends = column.nullable ? ["empty", "filled"] : [];
  if (column.choices && column.choices.length) return ["eq", "ne", "in", ...ends];
  if (column.type === "boolean") return ["eq", ...ends];
  if (column.type === "uuid") return ["eq", "ne", "in", ...ends];
  if (isTime(column) || isNumber(column) || column.type === "date" || column.type === "interval") return ["ge", "le", "gt", "lt", "eq", "ne", ...ends];
  if (isText(column)) return ["has", "eq", "ne", "starts", "in", ...ends];
  return ["has", ...ends];
}

// A statement that is being made: placeholders count its values.
class Values {
  constructor() {
    this.params = [];
  }

  add(value, type) {
    this.params.push(value);
    return `$${this.params.length}::${type}`;
  }
}

// The rows of a view. What is asked for is one row more than a page, which tells whether there are more.
export function rowsStatement(table, view, shown) {
  const values = new Values();
  const order = orderOf(table, view.sort);
  const backwards = view.before !== null;
  const needed = columnsNeeded(table, view, shown);
  const columns = needed.map((column) => selected(column, view.sort));
  const where = [...conditions(table, view, values), ...beyond(order, view, values)];
  const byKey = order.isTotal;
  const orderLine = order.columns.length ? [` ORDER BY ${ordered(order, backwards)}`] : [];
  const found = [
    `  FROM ${nameOf(table)}`,
    ...whereLines(where),
    ...orderLine,
    ` LIMIT ${PAGE_ROWS + 1}${!byKey && view.offset ? ` OFFSET ${view.offset}` : ""}`,
  ];
  // Long values are cut of the rows that are found, not of all that are sorted.
  const isCut = columns.some((column, index) => column !== quoted(needed[index].name));
  const lines = isCut && order.columns.length
    ? [`SELECT ${wrapped(columns)}`, "  FROM (SELECT *", ...found.map((line) => `      ${line}`), '       ) AS "found"', ...orderLine]
    : [`SELECT ${wrapped(columns)}`, ...found];
  return { sql: lines.join("\n"), params: values.params, order, backwards, byKey };
}

// All rows of a view, whole, for a file.
export function exportStatement(table, view, shown) {
  const values = new Values();
  const order = orderOf(table, view.sort);
  const where = conditions(table, view, values);
  const lines = [
    `SELECT ${wrapped(shown.map((column) => quoted(column.name)))}`,
    `  FROM ${nameOf(table)}`,
    ...whereLines(where),
    ...(order.columns.length ? [` ORDER BY ${ordered(order, false)}`] : []),
  ];
  return { sql: lines.join("\n"), params: values.params };
}

export function rowStatement(table, key) {
  const values = new Values();
  const where = table.rowKey.map((name, index) => `${quoted(name)} = ${values.add(key[index], typeOf(table, name))}`);
  const columns = table.columns.filter((column) => column.name !== TENANT).map((column) => quoted(column.name));
  return { sql: [`SELECT ${wrapped(columns)}`, `  FROM ${nameOf(table)}`, ...whereLines(where)].join("\n"), params: values.params };
}

export function countStatement(table, view) {
  const values = new Values();
  const lines = [`  FROM ${nameOf(table)}`, ...whereLines(conditions(table, view, values))].join("\n");
  return { sql: `SELECT count(*) AS "count" FROM (\nSELECT 1\n${lines}\n LIMIT ${COUNTED + 1}) AS "first"`, params: values.params };
}

// How many rows of other tables refer to this one: up to a hundred each, in one statement.
export function referrersStatement(table, row) {
  const values = new Values();
  const counts = table.from.map(({ source, pairs }, index) => {
    const where = pairs.map(([column, to]) => `${quoted(column)} = ${values.add(row[to], typeOf(table, to))}`).join(" AND ");
    return `(SELECT count(*) FROM (SELECT 1 FROM ${nameOf(source)} WHERE ${where} LIMIT 101) AS "some") AS "n${index}"`;
  });
  return { sql: `SELECT ${counts.join(",\n       ")}`, params: values.params };
}

// Where the next page begins, or the one before ends: the values by which rows are ordered.
export const cursorOf = (order, row) => order.columns.map((one) => row[one.name]);

// With its values in place, to be read, copied and changed.
export function written({ sql, params }) {
  return sql.replace(/\$(\d+)(::[a-z ]+(?:\[\])?)/g, (_, number, cast) => {
    const value = params[number - 1];
    return value === null ? "NULL" : `'${String(value).replaceAll("'", "''")}'${/^::(text|character)/.test(cast) ? "" : cast}`;
  });
}

function columnsNeeded(table, view, shown) {
  const names = new Set([...shown.map((column) => column.name), ...table.rowKey]);
  if (view.sort && table.byName.has(view.sort.column)) names.add(view.sort.column);
  for (const column of shown) for (const [name] of table.leads.get(column.name)?.pairs || []) names.add(name);
  return table.columns.filter((column) => names.has(column.name));
}

function selected(column, sort) {
  const name = quoted(column.name);
  if (isJson(column) || isList(column)) return `left(${name}::text, ${SHOWN}) AS ${name}`;
  if (isText(column) && !column.choices?.length && !(sort && sort.column === column.name)) return `left(${name}, ${SHOWN}) AS ${name}`;
  return name;
}

// By the column that was chosen, then by the key, all in one direction: so that a page begins where another ended.
function orderOf(table, sort) {
  const chosen = sort && table.byName.get(sort.column);
  const descending = chosen ? sort.descending : true;
  const names = [...(chosen && isSortable(chosen) ? [chosen.name] : []), ...table.rowKey.filter((name) => !chosen || name !== chosen.name)];
  const columns = names.map((name) => ({ name, type: typeOf(table, name), nullable: table.byName.get(name).nullable }));
  return { columns, descending, isTotal: table.rowKey.length > 0 };
}

function ordered({ columns, descending }, backwards) {
  const direction = descending !== backwards ? " DESC" : "";
  return columns
    .map(({ name, nullable }) => {
      const nulls = !nullable ? "" : backwards ? " NULLS FIRST" : " NULLS LAST";
      return `${quoted(name)}${direction}${nulls}`;
    })
    .join(", ");
}

// The rows after a cursor in this order, or before it. Nulls come last, so they are told apart.
function beyond(order, view, values) {
  const cursor = view.after || view.before;
  if (!cursor || !order.isTotal || cursor.length !== order.columns.length) return [];
  const forwards = view.after !== null;
  const compare = forwards === order.descending ? "<" : ">";
  const [first, ...others] = order.columns;
  const rest = () => `${tuple(others.map((one) => quoted(one.name)))} ${compare} ${tuple(others.map((one, i) => values.add(cursor[i + 1], one.type)))}`;
  if (first.nullable && cursor[0] === null) {
    const among = others.length ? `(${quoted(first.name)} IS NULL AND ${rest()})` : "false";
    return [forwards ? among : `(${quoted(first.name)} IS NOT NULL OR ${among})`];
  }
  const all = `${tuple(order.columns.map((one) => quoted(one.name)))} ${compare} ${tuple(order.columns.map((one, i) => values.add(cursor[i], one.type)))}`;
  return [first.nullable && forwards ? `(${all} OR ${quoted(first.name)} IS NULL)` : all];
}

const tuple = (parts) => (parts.length === 1 ? parts[0] : `(${parts.join(", ")})`);

function conditions(table, view, values) {
  const stray = view.filters.find((one) => !table.byName.has(one.column) || !Object.hasOwn(OPERATORS, one.operator));
  if (stray) throw new Problem({ title: "No such filter", detail: `In ${table.name} nothing can be filtered by ${stray.column} ${stray.operator}. Remove this filter.` }, 0);
  const found = view.filters.map((one) => condition(table, one, values));
  return view.search.trim() ? [...found, searched(table, view.search.trim(), values)] : found;
}

function condition(table, { column: name, operator, value }, values) {
  const column = table.byName.get(name);
  const { sql, like, several, alone } = OPERATORS[operator];
  const column_sql = quoted(name);
  if (alone) return sql(column_sql);
  if (like) return `${isText(column) ? column_sql : `${column_sql}::text`} ILIKE ${values.add(like(value), "text")}`;
  if (several) return `${column_sql} IN (${value.split(",").map((one) => values.add(one.trim(), column.type)).join(", ")})`;
  return sql(column_sql, values.add(value, column.type));
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// In whatever has words in it; an id is looked for as an id.
function searched(table, text, values) {
  const columns = table.columns.filter((column) => column.name !== TENANT);
  const ids = UUID.test(text) ? columns.filter((column) => column.type === "uuid") : [];
  const places = ids.length ? ids : columns.filter((column) => isText(column) || isJson(column) || isList(column) || isNumber(column));
  if (!places.length) return "false";
  const value = ids.length ? values.add(text, "uuid") : values.add(`%${escaped(text)}%`, "text");
  const each = places.map((column) => {
    if (ids.length) return `${quoted(column.name)} = ${value}`;
    return `${quoted(column.name)}${isText(column) ? "" : "::text"} ILIKE ${value}`;
  });
  return each.length === 1 ? each[0] : `(${each.join("\n    OR ")})`;
}

const escaped = (text) => text.replace(/[\\%_]/g, "\\$&");

const whereLines = (where) => where.map((one, index) => `${index ? "   AND" : " WHERE"} ${one}`);

function typeOf(table, name) {
  const { type } = table.byName.get(name);
  if (!/^[a-z][a-z0-9 ]*(\(\d+(,\d+)?\))?(\[\])?$/.test(type)) throw new Error(`no type: ${type}`);
  return type;
}

function wrapped(columns) {
  const lines = [];
  let line = "";
  for (const column of columns) {
    if (line && line.length + column.length > 100) {
      lines.push(`${line},`);
      line = column;
    } else line = line ? `${line}, ${column}` : column;
  }
  return [...lines, line].join("\n       ");
}
