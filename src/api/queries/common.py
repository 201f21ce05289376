"""Orders that most lists have: by creation, newest first unless asked otherwise."""

from psycopg import sql

from api.listing import TIME, UUID_, Order, Source


def two_ways(name: str, source: Source, instead: tuple[Source, ...] = (), *, newest_first: bool = True) -> dict[str, Order]:
    """An order and its reverse; `newest_first`: which of them is the default."""
    ascending, descending = Order(source, False, instead), Order(source, True, instead)
    if newest_first:
        return {f"-{name}": descending, name: ascending}
    return {name: ascending, f"-{name}": descending}


def by_creation(select: sql.SQL, created_at: str, id_: str, *, id_name: str = "id", drives: str | None = None) -> Source:
    """Rows by the moment at which they were recorded, and by id where that is the same.

    `created_at`, `id_`: columns of the statement, as alias.column.
    """
    return Source(select, (_column(created_at), _column(id_)), ("created_at", id_name), (TIME, UUID_), drives)


def cut(select: str, href: str, *columns: str) -> sql.SQL:
    """The statement with large values of these JSON columns replaced by a mark and a link to the whole.

    What is stored compressed is written out only where it is not small; what is large as it is stored is not touched at all.
    """
    for column in columns:
        name = column.partition(".")[2]
        large = f"pg_column_size({column}) > 4096 OR (pg_column_size({column}) > 500 AND octet_length({column}::text) > 16384)"
        mark = f"jsonb_build_object('$cut', true, 'href', {href})"
        select = select.replace(f" {column},", f" CASE WHEN {large} THEN {mark} ELSE {column} END AS {name},")
    return sql.SQL(select)


def _column(text: str) -> sql.Identifier:
    return sql.Identifier(*text.split("."))
