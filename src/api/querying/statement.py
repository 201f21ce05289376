"""A statement that somebody has written, judged and run; or explained (plans.py).

It is parsed as it stands, so that it is one statement and errors name its own places. Then it becomes a subquery: so it can only
read, however long it is, and each row comes with its size, before any of it leaves the database. All values come as text.
"""

import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple, cast

import psycopg
from psycopg import AsyncRawCursor, generators, pq, sql

from api.querying import plans
from api.querying.parameters import ELEMENTS, has_lists, texts
from projections.exporting.values import SETTINGS, written
from runtime.pools import Connection

MOST_ROW_BYTES = 4 << 20
MOST_COLUMNS = 500

BEGIN = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The position is of the same snapshot as the rows.
SET_UP = """
SELECT (SELECT position FROM projections.freshness), set_config('statement_timeout', %(milliseconds)s, true),
       set_config('idle_in_transaction_session_timeout', %(idle)s, true)
"""
TYPES = """
SELECT format_type(o.oid, NULL), coalesce(t.typcategory::text, 'X')
  FROM unnest(%s::oid[]) WITH ORDINALITY o (oid, n) LEFT JOIN pg_type t ON t.oid = o.oid ORDER BY o.n
"""
# OFFSET 0: each value is made once, in the order of the statement's rows.
BOUNDED = sql.SQL("""SELECT s.size, {kept}
  FROM (SELECT r.*, {size} AS size
          FROM (SELECT {texts} FROM (
{statement}
) q ({columns}) OFFSET 0) r OFFSET 0) s
 LIMIT {limit}""")
KEPT = sql.SQL("CASE WHEN s.size <= {most} THEN s.{text} END")
SIZE = sql.SQL("coalesce(octet_length(r.{text}), 0)")
VALUE = sql.SQL("q.{column}")
AS_TEXT = sql.SQL("{value} AS {text}")
STRUCTURED = ("A", "C", "P")
"""Categories of types: arrays, composites, pseudo-types such as a record."""

TOKEN = re.compile(
    r"""(?P<passed_over> [eE]'(?:[^'\\]|\\.|'')*+' | '(?:[^']|'')*+' | "(?:[^"]|"")*+" | (\$(?:[^\W\d]\w*)?\$).*?\2
                       | --[^\n\r]* | [^\W\d][\w$]*+ )
      | (?P<comment> /\*) | (?P<end> ; )""",
    re.VERBOSE | re.DOTALL,
)
"""What a semicolon may be in, or be."""
OF_COMMENT = re.compile(r"/\*|\*/")

VALUE_AT_FAULT = re.compile(r"portal parameter \$([0-9]+)")

Row = tuple[str | None, ...]


class NoQuery(Exception):
    """A statement, but none that reads rows."""


class WrongParams(Exception):
    """More or fewer values than the statement has parameters."""

    def __init__(self, wanted: int, given: int) -> None:
        self.wanted = wanted
        self.given = given


class TooManyColumns(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


class RowTooLarge(Exception):
    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.size = size


class SqlFault(Exception):
    """`position`: of the character in the statement as it was given, from 1, where PostgreSQL names one; `parameter`: the number
    of the one whose value is at fault."""

    def __init__(self, error: psycopg.Error, before: int = 0) -> None:
        self.sqlstate = error.sqlstate or "XX000"
        diag = error.diag
        parts = (diag.message_primary or str(error), diag.message_detail, diag.message_hint)
        self.message = " ".join(part for part in parts if part)
        at = diag.statement_position
        value = VALUE_AT_FAULT.search(diag.context or "")
        self.parameter = int(value[1]) if value else None
        self.position = int(at) - before if at is not None and int(at) > before else None


class QueryColumn(NamedTuple):
    """`structured`: an array or a composite, whose text is JSON."""

    name: str
    type: str
    oid: int
    structured: bool


@dataclass(frozen=True)
class Running:
    """`position`: what the tables speak of. `rows`: one more than wanted, where there are more; they raise as `begun` does."""

    position: int
    columns: Sequence[QueryColumn]
    rows: AsyncGenerator[Row]


async def begun(
    connection: Connection, statement: str, params: Sequence[Any], *, most: int, milliseconds: int, as_csv: bool
) -> Running:
    """In a transaction that the caller rolls back. `as_csv`: values are written as for CSV; else as PostgreSQL writes them, and
    what is structured as JSON.

    `params`: as JSON has them. Raises SqlFault, NoQuery, NotAllowed, WrongParams, TooManyColumns; rows raise
    RowTooLarge besides.
    """
    await connection.execute(BEGIN.encode())
    named = {"milliseconds": f"{milliseconds}ms", "idle": f"{milliseconds + 10_000}ms"}
    found = await (await connection.execute(SET_UP, named)).fetchone()
    assert found is not None
    await connection.execute(SETTINGS)
    try:
        described, wanted = await _described(connection, statement)
        alone = without_end(statement)
        if alone != statement:  # by itself, too, it is one statement
            await _described(connection, alone)
    except psycopg.Error as error:
        raise SqlFault(error) from error
    if not described:
        raise NoQuery
    if len(described) > MOST_COLUMNS:
        raise TooManyColumns(len(described))
    asked = plans.asked(alone)
    if asked is not None:
        wanted = await _judged(connection, asked)
    if asked is not None and asked.is_generic and not params:
        wanted = []
    if len(params) != len(wanted):
        raise WrongParams(len(wanted), len(params))
    kinds = await _types(connection, [oid for _, oid in described])
    columns = [
        QueryColumn(name, kind, oid, category in STRUCTURED and oid not in NOT_STRUCTURED)
        for (name, oid), (kind, category) in zip(described, kinds, strict=True)
    ]
    values = await _texts(connection, params, wanted)
    if asked is not None:
        rows = _plan(connection, asked.run, values, [kind for kind, _ in await _types(connection, wanted)])
    else:
        before, text = _bounded(connection, alone, columns, most + 1, as_csv=as_csv)
        rows = _rows(connection, text, before, values)
    return Running(found[0] or 0, columns, rows)


NOT_STRUCTURED = frozenset({2278, 705})
"""void and unknown: pseudo-types whose text says all."""


def without_end(statement: str) -> str:
    """Without the semicolon that ends it, and what comments follow that. It has been parsed, as one statement."""
    at = 0
    while found := TOKEN.search(statement, at):
        if found["end"]:
            return statement[: found.start()]
        at = _after_comment(statement, found.end()) if found["comment"] else found.end()
    return statement


def _after_comment(statement: str, at: int) -> int:
    """They nest."""
    depth = 1
    while depth and (found := OF_COMMENT.search(statement, at)):
        depth += 1 if found[0] == "/*" else -1
        at = found.end()
    return at if not depth else len(statement)


async def _texts(connection: Connection, params: Sequence[Any], types: Sequence[int]) -> list[str | None]:
    """What is a list is an array where the statement wants one."""
    found = await (await connection.execute(ELEMENTS, [list(types)])).fetchall() if has_lists(params) else []
    return texts(params, types, dict(found))


async def _types(connection: Connection, oids: Sequence[int]) -> list[tuple[str, str]]:
    """Names and categories."""
    return await (await connection.execute(TYPES, [list(oids)])).fetchall()


async def _judged(connection: Connection, asked: plans.Asked) -> list[int]:
    """The types of the parameters of what is to be explained. Raises NoQuery where it is not a statement that reads, SqlFault."""
    try:
        described, wanted = await _described(connection, asked.statement)
        await _described(connection, asked.judged)
    except psycopg.errors.SyntaxError as error:
        raise NoQuery from error
    except psycopg.Error as error:
        raise SqlFault(error, asked.shift) from error
    if not described:
        raise NoQuery
    return wanted


async def _plan(
    connection: Connection, statement: str, params: Sequence[str | None], types: Sequence[str]
) -> AsyncGenerator[Row]:
    try:
        await connection.execute(plans.gathering(connection, statement, params, types))
        for row in await (await connection.execute(plans.GATHERED)).fetchall():
            yield row
    except psycopg.Error as error:
        raise SqlFault(error) from error


async def _described(connection: Connection, statement: str) -> tuple[list[tuple[str, int]], list[int]]:
    """Names and types of the columns, without running it; none: it gives no rows. And the types of its parameters."""
    pgconn = connection.pgconn
    pgconn.send_prepare(b"", statement.encode())
    await _results(connection)
    pgconn.send_describe_prepared(b"")
    (result,) = await _results(connection)
    columns = [((result.fname(number) or b"?column?").decode(), result.ftype(number)) for number in range(result.nfields)]
    return columns, [result.param_type(number) for number in range(result.nparams)]


async def _results(connection: Connection) -> list[Any]:
    results = await connection.wait(generators.execute(connection.pgconn))
    for result in results:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    return list(results)


def _bounded(
    connection: Connection, statement: str, columns: Sequence[QueryColumn], limit: int, *, as_csv: bool
) -> tuple[int, bytes]:
    """The statement with its bounds, and how many characters come before its own."""
    names = [(sql.Identifier(f"c{number}"), sql.Identifier(f"t{number}")) for number in range(len(columns))]
    texts = []
    for column, (name, text) in zip(columns, names, strict=True):
        value = written(VALUE.format(column=name), column.type if as_csv else "text", structured=column.structured)
        texts.append(AS_TEXT.format(value=value, text=text))
    whole = BOUNDED.format(
        kept=sql.SQL(", ").join([KEPT.format(most=sql.Literal(MOST_ROW_BYTES), text=text) for _, text in names]),
        size=sql.SQL(" + ").join([SIZE.format(text=text) for _, text in names]),
        texts=sql.SQL(", ").join(texts),
        statement=sql.SQL("\0"),
        columns=sql.SQL(", ").join([name for name, _ in names]),
        limit=sql.Literal(limit),
    ).as_string(connection)
    head, _, tail = whole.partition("\0")
    return len(head), (head + statement + tail).encode()


async def _rows(connection: Connection, statement: bytes, before: int, params: Sequence[str | None]) -> AsyncGenerator[Row]:
    cursor = AsyncRawCursor(connection)
    numbers = count(1)
    try:
        # closed with this, a statement that is in the midst of its rows is cancelled
        async with aclosing(cast("AsyncGenerator[Sequence[Any]]", cursor.stream(statement, params))) as found:
            async for size, *values in found:
                number = next(numbers)
                if size > MOST_ROW_BYTES:
                    raise RowTooLarge(number, size)
                yield tuple(values)
    except psycopg.errors.SyntaxError as error:
        fault = SqlFault(error, before)
        raise NoQuery from fault
    except psycopg.Error as error:
        raise SqlFault(error, before) from error
