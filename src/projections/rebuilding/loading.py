"""What is put off until the rows of a generation are there: indexes, foreign keys, unique constraints, row-level security.

An index that grows with every row costs more than one that is made at the end, a foreign key that is asked for every row more
than one that is checked once, and PostgreSQL copies nothing into a table with row-level security for a role that it holds
for. Nobody but gesta_system and the owner reaches the schema. What was put off is written down in the schema itself,
`<schema>.put_off`, and is crossed out in the transaction that does it: a kill loses nothing. What the fold looks rows up by
stays.
"""

from collections.abc import Callable
from typing import Any

from psycopg import AsyncConnection, Error, sql

from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.generation import Generation
from runtime import limits
from runtime.errors import OperatorError
from runtime.failpoints import failpoint

PUT_OFF = sql.SQL("CREATE TABLE {}.put_off (number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, statement text NOT NULL)")
NOTE = sql.SQL("INSERT INTO {}.put_off (statement) VALUES (%s)")
IS_LOADING = "SELECT to_regclass(%s) IS NOT NULL"
WHOLE = sql.SQL("SELECT number, statement FROM {}.put_off ORDER BY number")
CROSS_OUT = sql.SQL("DELETE FROM {}.put_off WHERE number = {}")
DONE = sql.SQL("DROP TABLE {}.put_off")
# One trip, and so one transaction. What is lost in a crash is still put off: nobody waits for the disk some hundred times.
SETTINGS = f"{limits.NONE}; SET LOCAL maintenance_work_mem = '256MB'; SET LOCAL synchronous_commit = off"
AT_ONCE = sql.SQL("{settings}; {statement}; {crossed_out}")

FOREIGN_KEYS = """
SELECT format('ALTER TABLE %%s DROP CONSTRAINT %%I', k.conrelid::regclass, k.conname),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
  FROM pg_constraint k WHERE k.connamespace = quote_ident(%(schema)s::text)::regnamespace AND k.contype = 'f'
 ORDER BY k.conrelid::regclass::text, k.conname
"""
# An index of a constraint is made again as one. The first columns of each, by which it may be needed.
INDEXES = """
SELECT c.relname,
       CASE WHEN k.oid IS NULL THEN format('DROP INDEX %%s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', i.indrelid::regclass, k.conname) END,
       CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', i.indrelid::regclass, k.conname, pg_get_constraintdef(k.oid))
             END,
       i.indisprimary,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY key (number, place)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = key.number ORDER BY key.place)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
  LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
 WHERE c.relnamespace = quote_ident(%(schema)s::text)::regnamespace
 ORDER BY c.relname, i.indexrelid
"""
SECURITY = sql.SQL("ALTER TABLE {table} {no}FORCE ROW LEVEL SECURITY, {enable} ROW LEVEL SECURITY")

Told = Callable[[int, int], None]
"""Told how many of how many are done."""


async def put_off(owner: AsyncConnection[Any], generation: Generation) -> None:
    """Take from the empty tables what is better made at the end, within the caller's transaction; its search path: pg_catalog."""
    schema = sql.Identifier(generation.schema)
    await owner.execute(PUT_OFF.format(schema))
    later: list[str] = []
    for drop, again in await _rows(owner, FOREIGN_KEYS, generation):
        await owner.execute(drop)
        later.append(again)
    needed = {table.name: {table.key, *table.lookups} for table in generation.tables if table is not AUDIT_LOGS}
    at_first: list[str] = []
    for table, drop, again, is_primary, columns in await _rows(owner, INDEXES, generation):
        if table != AUDIT_LOGS.name and (
            is_primary or any(set(columns[: len(looked)]) == set(looked) for looked in needed.get(table, ()))
        ):
            continue
        if table in ("freshness", "put_off"):
            continue
        await owner.execute(drop)
        at_first.append(again)
    tables = [sql.Identifier(generation.schema, table.name) for table in generation.tables]
    for name in tables:
        await owner.execute(SECURITY.format(table=name, no=sql.SQL("NO "), enable=sql.SQL("DISABLE")))
    secured = [SECURITY.format(table=name, no=sql.SQL(""), enable=sql.SQL("ENABLE")).as_string(owner) for name in tables]
    analyzed = [sql.SQL("ANALYZE {}").format(name).as_string(owner) for name in tables]
    for statement in (*at_first, *later, *analyzed, *secured):
        await owner.execute(NOTE.format(schema), [statement])


async def is_loading(conn: AsyncConnection[Any], generation: Generation) -> bool:
    """Whether something is still put off."""
    cursor = await conn.execute(IS_LOADING, [f"{generation.schema}.put_off"])
    return await cursor.fetchone() == (True,)


async def finish(owner: AsyncConnection[Any], generation: Generation, told: Told) -> None:
    """Make up for what was put off, one thing after the other. Raises OperatorError where the rows do not allow it."""
    schema = sql.Identifier(generation.schema)
    row = await (await owner.execute(sql.SQL("SELECT count(*) FROM {}.put_off").format(schema))).fetchone()
    assert row is not None
    done, total = 0, int(row[0])
    told(done, total)
    for number, statement in await (await owner.execute(WHOLE.format(schema))).fetchall():
        crossed_out = CROSS_OUT.format(schema, sql.Literal(number))
        try:
            settings = sql.SQL(SETTINGS)
            await owner.execute(AT_ONCE.format(settings=settings, statement=sql.SQL(statement), crossed_out=crossed_out))
        except Error as error:
            if error.sqlstate is None or not error.sqlstate.startswith("23"):
                raise
            raise OperatorError(f"The rows that were built do not fit together: {' '.join(str(error).split())}") from error
        failpoint("rebuild.finishing")
        done += 1
        told(done, total)
    await owner.execute(DONE.format(schema))


async def _rows(owner: AsyncConnection[Any], query: str, generation: Generation) -> list[tuple[Any, ...]]:
    return await (await owner.execute(query, {"schema": generation.schema})).fetchall()
