"""Whole sets of tables as they stood, in a schema of their own; and what differs between two moments."""

import json
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.errors import InsufficientPrivilege

from projections.differing import COMPARED, folded_between
from projections.replay import rebuilt
from projections.schemas import copying
from projections.table import STAMP, Row
from runtime.drift.catalog import read_catalog
from runtime.errors import OperatorError
from tests.conftest import Database
from tests.projections.story import ACME, GLOBEX
from tests.projections.test_commands import gesta

COUNT = sql.SQL("SELECT count(*), count(*) FILTER (WHERE tenant_id <> {tenant}) FROM {table}")


def catalogs_of(database: Database, *schemas: str) -> list[dict[tuple[str, str], str]]:
    """All that the database knows of each schema, whatever it is called."""
    with psycopg.connect(database.superuser_url) as connection:
        facts = read_catalog(connection).values()
    return [
        {
            (fact.kind, fact.name.replace(schema, "*")): fact.value.replace(schema, "*")
            for fact in facts
            if f"{schema}." in fact.name
        }
        for schema in schemas
    ]


@pytest.mark.usefixtures("told")
async def test_a_copy_has_all_that_the_tables_have_and_only_what_was(database: Database, system: AsyncConnection[Any]) -> None:
    made = gesta(database, "replay", "--tenant", "acme", "--position", "300", "--into", "copied_tables")
    assert made.returncode == 0, made.stderr
    copied, serving = catalogs_of(database, "copied_tables", "projections")
    assert len(serving) > 2000
    assert {key: (copied.get(key), serving.get(key)) for key in {*copied, *serving} if copied.get(key) != serving.get(key)} == {}
    async with rebuilt(system, ACME, 300) as rows:
        for table in COMPARED:
            if "tenant_id" in table.columns:
                named = {"tenant": ACME, "table": sql.Identifier("copied_tables", table.name)}
                cursor = await system.execute(COUNT.format(**named))
                assert await cursor.fetchone() == (len(rows.of(table.name).current), 0), table.name
    async with await AsyncConnection.connect(database.api_url) as reader:
        await reader.execute("SELECT set_config('gesta.tenant_id', %s, false)", [str(GLOBEX)])
        assert await (await reader.execute("SELECT count(*) FROM copied_tables.roles")).fetchone() == (0,)
        await reader.execute("SELECT set_config('gesta.tenant_id', %s, false)", [str(ACME)])
        assert await (await reader.execute("SELECT position FROM copied_tables.freshness")).fetchone() == (300,)
        assert await (await reader.execute("SELECT count(*) FROM copied_tables.approver_load")).fetchone() is not None

    again = gesta(database, "replay", "--into", "copied_tables")
    assert (again.returncode, "Give --replace" in again.stderr) == (1, True)
    all_of_them = gesta(database, "replay", "--into", "copied_tables", "--replace")
    assert all_of_them.returncode == 0, all_of_them.stderr
    cursor = await system.execute("SELECT count(DISTINCT tenant_id) FROM copied_tables.roles")
    assert await cursor.fetchone() == (2,)
    for name in ('a"b', "a\\b", "ä" * 32, "", "5 %s"):
        with pytest.raises(OperatorError, match="from 1 to 63 bytes"):
            async with copying(database.owner_url, database.system_url, name, "nothing"):
                raise AssertionError(name)
    other = gesta(database, "replay", "--into", "runtime", "--replace")
    assert (other.returncode, "no replay made it" in other.stderr) == (1, True)


async def test_nobody_reads_a_copy_that_is_not_complete_and_one_that_fails_is_gone(database: Database) -> None:
    """While rows are copied no policy holds them apart."""
    there = "SELECT to_regnamespace('\"Of March\"') IS NOT NULL"

    async def left_half_way() -> None:
        async with copying(database.owner_url, database.system_url, "Of March", "for a test"):
            assert await (await reader.execute(there)).fetchone() == (True,)
            with pytest.raises(InsufficientPrivilege):
                await reader.execute('SELECT count(*) FROM "Of March".roles')
            raise ZeroDivisionError

    async with await AsyncConnection.connect(database.api_url, autocommit=True) as reader:
        with pytest.raises(ZeroDivisionError):
            await left_half_way()
        assert await (await reader.execute(there)).fetchone() == (False,)


def told_by(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in STAMP}


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(("start", "end"), [(0, 420), (100, 101), (150, 380), (200, 200)])
async def test_what_differs_is_what_two_folds_differ_in(system: AsyncConnection[Any], start: int, end: int) -> None:
    tables = [table.name for table in COMPARED]
    async with rebuilt(system, ACME, start) as before, rebuilt(system, ACME, end) as after:
        expected: dict[tuple[str, str], tuple[Row | None, Row | None]] = {}
        for table in COMPARED:
            old, new = before.of(table.name).current, after.of(table.name).current
            for key in {*old, *new}:
                was, now = old.get(key), new.get(key)
                if was is None or now is None or told_by(was) != told_by(now):
                    expected[table.name, str(key)] = was, now
    async with folded_between(system, ACME, start, end, tables, lambda _events: None) as found:
        assert {(each.table, str((ACME, *each.key.values()))): (each.before, each.after) for each in found} == expected


@pytest.mark.usefixtures("told")
def test_diff_tells_by_row_and_ends_with_what_it_found(database: Database) -> None:
    same = gesta(database, "diff", "--tenant", "acme", "--from", "50", "--to", "50")
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "  nothing differs")
    found = gesta(database, "diff", "--tenant", "acme", "--from", "3", "--to", "4", "--table", "roles", "--json")
    assert found.returncode == 1, found.stderr
    first, summary = map(json.loads, found.stdout.splitlines())
    assert (first["what"], first["changes"]["name"]) == ("changed", ["Approver", "Approvers"])
    assert summary["summary"] == {"roles": {"came": 0, "went": 0, "changed": 1}}
    key = str(UUID(first["key"]["id"]))
    one = gesta(database, "diff", "--tenant", "acme", "--from", "3", "--to", "4", "--table", "roles", "--key", key)
    assert 'name: "Approver" → "Approvers"' in one.stdout
    assert gesta(database, "diff", "--from", "3", "--to", "4").returncode == 2
