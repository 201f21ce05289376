"""A replay finds whatever somebody did to a table behind the ledger's back."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from psycopg import AsyncConnection, sql

from domain.envelope import PLATFORM
from projections.registry import TABLES
from projections.replay import Comparison, replay
from projections.table import Table
from tests.conftest import Database
from tests.in_turn import in_turn
from tests.projections.story import ACME, GLOBEX

BY_NAME = {table.name: table for table in TABLES}


@pytest.fixture
async def vandal(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    """A superuser who has put constraints and triggers out of action."""
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await conn.execute("SET session_replication_role = replica")
        yield conn


def owner_of(table: Table) -> Any:
    return ACME if "tenant_id" in table.columns else PLATFORM


def where_owned(table: Table) -> sql.Composable:
    if "tenant_id" not in table.columns:
        return sql.SQL("")
    return sql.SQL("WHERE tenant_id = {}").format(str(ACME))


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize("tenant_id", [PLATFORM, ACME, GLOBEX])
async def test_untouched_tables_equal_a_replay_in_every_column(system: AsyncConnection[Any], tenant_id: Any) -> None:
    found = await replay(system, tenant_id)
    assert found.differences == []
    expected = {table.name for table in TABLES if "tenant_id" in table.columns or tenant_id == PLATFORM}
    assert set(found.rows) == expected


@pytest.mark.usefixtures("told")
async def test_the_story_fills_every_table(system: AsyncConnection[Any]) -> None:
    rows = {**(await replay(system, PLATFORM)).rows, **(await replay(system, ACME)).rows}
    assert [table.name for table in TABLES if rows[table.name] == 0] == []


ALTERED = {
    "uuid": sql.SQL("'00000000-0000-7000-8000-00000000beef'::uuid"),
    "text": sql.SQL("coalesce({column}, '') || '?'"),
    "text[]": sql.SQL("coalesce({column}, '{{}}') || 'x'::text"),
    "uuid[]": sql.SQL("coalesce({column}, '{{}}') || '00000000-0000-7000-8000-00000000beef'::uuid"),
    "jsonb": sql.SQL("jsonb_build_array({column})"),
    "integer": sql.SQL("coalesce({column}, 0) + 1"),
    "bigint": sql.SQL("coalesce({column}, 0) + 1"),
    "numeric": sql.SQL("coalesce({column}, 0) + 0.00000000000000000001"),
    "numeric(20,10)": sql.SQL("coalesce({column}, 0) + 0.0000000001"),
    "double precision": sql.SQL("coalesce({column}, 0) * 1.0000000000000002 + 1e-300"),
    "boolean": sql.SQL("NOT coalesce({column}, false)"),
    "timestamptz": sql.SQL("coalesce({column}, 'epoch') + interval '1 microsecond'"),
    "inet": sql.SQL("'192.0.2.8'::inet"),
}
UPDATE = sql.SQL("UPDATE projections.{table} SET {values} WHERE ctid = (SELECT min(ctid) FROM projections.{table} {where})")
DELETE = sql.SQL("DELETE FROM projections.{table} WHERE ctid = (SELECT min(ctid) FROM projections.{table} {where})")


@pytest.mark.usefixtures("told")
@in_turn("name", BY_NAME)
async def test_an_altered_cell_is_found_in_each_column(
    name: str, vandal: AsyncConnection[Any], system: AsyncConnection[Any]
) -> None:
    """Every other column at once, then those between them, each time put back: a replay takes longer than anything else here."""
    table = BY_NAME[name]
    await loosen(vandal, table)
    columns = [column for column in table.columns if column not in table.key]
    for altered in filter(None, (columns[::2], columns[1::2])):
        before = await snapshot_of(vandal, table)
        assert await alter(vandal, table, altered) == 1
        found = await replay(system, owner_of(table))
        assert {(each.table, each.kind, each.column) for each in found.differences} == {(name, "differs", one) for one in altered}
        assert len(found.differences) == len(altered)
        await put_back(vandal, table, before)
    assert (await replay(system, owner_of(table))).equal


@pytest.mark.usefixtures("told")
@in_turn("name", BY_NAME)
async def test_a_missing_row_is_found(name: str, vandal: AsyncConnection[Any], system: AsyncConnection[Any]) -> None:
    table = BY_NAME[name]
    before = await snapshot_of(vandal, table)
    await vandal.execute(DELETE.format(table=sql.Identifier(name), where=where_owned(table)))
    assert kinds(await replay(system, owner_of(table))) == [(name, "missing")]
    await put_back(vandal, table, before)


@pytest.mark.usefixtures("told")
@in_turn("name", BY_NAME)
async def test_an_extra_row_is_found(name: str, vandal: AsyncConnection[Any], system: AsyncConnection[Any]) -> None:
    table = BY_NAME[name]
    before = await snapshot_of(vandal, table)
    await loosen(vandal, table)
    column = table.key[-1]
    value: sql.Composable = ALTERED[table.columns[column].type].format(column=sql.Identifier(column))
    if table.columns[column].type in ("bigint", "integer"):
        value = sql.SQL("1000000")
    copied = sql.SQL(", ").join(value if each == column else sql.Identifier(each) for each in table.columns)
    names = sql.SQL(", ").join(sql.Identifier(each) for each in table.columns)
    insert = sql.SQL("INSERT INTO projections.{table} ({names}) SELECT {copied} FROM projections.{table} {where} LIMIT 1")
    await vandal.execute(insert.format(table=sql.Identifier(name), names=names, copied=copied, where=where_owned(table)))
    assert kinds(await replay(system, owner_of(table))) == [(name, "extra")]
    await put_back(vandal, table, before)


def kinds(found: Comparison) -> list[tuple[str, str]]:
    return [(each.table, each.kind) for each in found.differences]


async def alter(vandal: AsyncConnection[Any], table: Table, columns: Sequence[str]) -> int:
    """These cells of one row. How many rows there were."""
    names = [sql.Identifier(column) for column in columns]
    made = [
        sql.SQL("{} = {}").format(name, ALTERED[table.columns[column].type].format(column=name))
        for name, column in zip(names, columns, strict=True)
    ]
    parts = {"table": sql.Identifier(table.name), "where": where_owned(table)}
    return (await vandal.execute(UPDATE.format(values=sql.SQL(", ").join(made), **parts))).rowcount


async def loosen(vandal: AsyncConnection[Any], table: Table) -> None:
    """Take the table's checks, unique constraints (but the key) and NOT NULLs away."""
    await vandal.execute(
        """DO $$ DECLARE c record; BEGIN
        FOR c IN SELECT conname FROM pg_constraint WHERE conrelid = 'projections.TABLE'::regclass AND contype IN ('c', 'u') LOOP
            EXECUTE format('ALTER TABLE projections.TABLE DROP CONSTRAINT %I', c.conname);
        END LOOP;
        FOR c IN SELECT i.indexrelid::regclass AS name FROM pg_index i WHERE i.indrelid = 'projections.TABLE'::regclass
                    AND i.indisunique AND NOT i.indisprimary LOOP
            EXECUTE format('DROP INDEX %s', c.name);
        END LOOP; END $$""".replace("TABLE'", f"{table.name}'").replace("projections.TABLE", f"projections.{table.name}")
    )


async def snapshot_of(vandal: AsyncConnection[Any], table: Table) -> str:
    await vandal.execute(sql.SQL("CREATE TEMP TABLE before AS TABLE projections.{}").format(sql.Identifier(table.name)))
    return "before"


async def put_back(vandal: AsyncConnection[Any], table: Table, before: str) -> None:
    async with vandal.transaction():
        await vandal.execute(sql.SQL("DELETE FROM projections.{}").format(sql.Identifier(table.name)))
        restore = sql.SQL("INSERT INTO projections.{} TABLE {}")
        await vandal.execute(restore.format(sql.Identifier(table.name), sql.Identifier(before)))
        await vandal.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(before)))
