"""What most questions have: the columns of a table, in full or as lists show them; and the order by creation, newest first."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from psycopg import sql

from api.listing import TIME, UUID_, ListSource, Order
from projections.table import Table


def two_ways(
    name: str, source: ListSource, instead: tuple[ListSource, ...] = (), *, newest_first: bool = True
) -> dict[str, Order]:
    """An order and its reverse; `newest_first`: which of them is the default."""
    ascending, descending = Order(source, False, instead), Order(source, True, instead)
    if newest_first:
        return {f"-{name}": descending, name: ascending}
    return {name: ascending, f"-{name}": descending}


def by_creation(select: sql.SQL, created_at: str, id_: str, *, id_name: str = "id", drives: str | None = None) -> ListSource:
    """Rows by the moment at which they were recorded, and by id where that is the same.

    `created_at`, `id_`: columns of the statement, as alias.column.
    """
    return ListSource(select, (_column(created_at), _column(id_)), ("created_at", id_name), (TIME, UUID_), drives)


def rows_of(table: Table, alias: str, where: str = "{alias}.tenant_id = %(tenant_id)s", also: str = "") -> str:
    """The statement for rows of one table, which more conditions may follow. `also`: what is shown beside its columns."""
    shown = f"{{columns}},\n       {also}" if also else "{columns}"
    return f"\nSELECT {shown}\n  FROM projections.{table.name} {alias}\n WHERE {where.format(alias=alias)}\n"


def one(statement: str, table: Table, alias: str, *, without: Sequence[str] = ("tenant_id",)) -> str:
    """The statement with all columns of the table, but some, at {columns}."""
    return statement.replace("{columns}", _listed([name for name in table.columns if name not in without], alias, {}))


def summaries(
    statement: str,
    table: Table,
    alias: str,
    *,
    without: Sequence[str] = ("tenant_id",),
    instead: Mapping[str, str] = MappingProxyType({}),
) -> sql.SQL:
    """The statement with those columns of the table that lists show, but some, at {columns}.

    `instead`: what stands for a column that is not shown as it is.
    """
    names = [name for name, column in table.columns.items() if column.listed and name not in without]
    return sql.SQL(statement.replace("{columns}", _listed(names, alias, instead)))


def item(statement: str, table: Table, alias: str, *, without: Sequence[str], place: str = "item") -> str:
    """The statement with a JSON object of all columns of the table, but some, at {item}, or another place.

    Money is text in it: jsonb would make it a number, which clients read as a binary fraction.
    """
    names = [name for name in table.columns if name not in without]
    pairs = (f"'{name}', {IN_JSON.get(table.columns[name].type, '{}').format(f'{alias}.{name}')}" for name in names)
    return statement.replace(f"{{{place}}}", f"jsonb_build_object({', '.join(pairs)})")


IN_JSON: Mapping[str, str] = {
    "numeric(20,10)": "{}::text",
    "numeric": "{}::text",
    "timestamptz": 'to_char({}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')',
}
"""How a column is written in a JSON object, by its type, where jsonb would do it otherwise."""


def _listed(names: Sequence[str], alias: str, instead: Mapping[str, str]) -> str:
    return ", ".join(f"{instead[name]} AS {name}" if name in instead else f"{alias}.{name}" for name in names)


def cut(column: str, href: str) -> str:
    """A column of JSON, or where it is large a mark and a link to the whole.

    What is stored compressed is written out only where it is not small; what is large as it is stored is not touched at all.
    """
    large = f"pg_column_size({column}) > 4096 OR (pg_column_size({column}) > 500 AND octet_length({column}::text) > 16384)"
    return f"CASE WHEN {large} THEN jsonb_build_object('$cut', true, 'href', {href}) ELSE {column} END"


def _column(text: str) -> sql.Identifier:
    return sql.Identifier(*text.split("."))
