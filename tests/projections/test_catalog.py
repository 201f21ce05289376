"""What the database says of the tables: keys, policies, comments; and what a tenant can see."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection, sql

from domain.aggregates import AGGREGATES
from domain.envelope import PLATFORM
from domain.user import UserRegistered
from projections.audit_logs import TABLE as AUDIT_LOGS
from projections.catalog import FRESHNESS, catalog, relations
from projections.projector import Projector
from projections.rebuilding import views
from projections.registry import IGNORED, TABLES
from projections.views import VIEWS
from store.topics import TOPICS
from tests.conftest import Database
from tests.projections.catalog import columns_of
from tests.projections.story import ACME, BOB, GLOBEX, Ledgers, an_id

STRANGER = an_id("stranger")
OF_THE_PLATFORM = {"tenants", "users", "permissions"}

TABLES_OF_CATALOG = """
SELECT relname, relrowsecurity AND relforcerowsecurity OR reloptions @> '{security_invoker=true}', obj_description(oid)
  FROM pg_class WHERE relnamespace = 'projections'::regnamespace AND relkind IN ('r', 'm', 'v', 'p')
"""
FOREIGN_KEYS = """
SELECT child.relname, parent.relname,
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(f.conkey) WITH ORDINALITY k (attnum, n)
          JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.attnum),
       (SELECT array_agg(a.attname::text ORDER BY k.n) FROM unnest(f.confkey) WITH ORDINALITY k (attnum, n)
          JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.attnum)
  FROM pg_constraint f JOIN pg_class child ON child.oid = f.conrelid JOIN pg_class parent ON parent.oid = f.confrelid
 WHERE f.contype = 'f' AND f.connamespace = 'projections'::regnamespace
"""
INDEXES = """
SELECT c.relname, i.indexrelid::regclass::text, i.indisprimary,
       (SELECT array_agg(a.attname ORDER BY k.n) FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n)
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum)
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'projections'::regnamespace AND c.relkind = 'r'
"""


async def all_rows(conn: AsyncConnection[Any], statement: str) -> list[tuple[Any, ...]]:
    return await (await conn.execute(statement)).fetchall()


async def test_the_catalogue_of_columns_is_the_database_s(system: AsyncConnection[Any]) -> None:
    """Types, nullability, the CHECKs on values, the COMMENTs: SELECTs and the API's document are made of the same."""
    there = await columns_of(system, "projections")
    assert there.pop("freshness") == FRESHNESS
    for table in TABLES:
        assert there.pop(table.name) == {name: replace(column, listed=True) for name, column in table.columns.items()}
    assert there == {}


async def test_the_catalogue_of_views_is_the_database_s(system: AsyncConnection[Any]) -> None:
    """Columns in their order, types, COMMENTs; and it names the views that the file makes, in its order."""
    there = await columns_of(system, "projections", "v")
    for view in VIEWS:
        assert list(there.pop(view.name).items()) == [(name, replace(c, null=True)) for name, c in view.columns.items()]
    assert there == {}
    assert [f"projections.{view.name}" for view in VIEWS] == views.names()


async def test_what_can_be_queried_is_told_as_the_database_has_it(system: AsyncConnection[Any]) -> None:
    comments = {name: comment for name, _, comment in await all_rows(system, TABLES_OF_CATALOG)}
    assert {relation.name: relation.comment for relation in relations()} == comments
    enforced = {
        (relation.name, each.columns, each.table, each.to)
        for relation in relations()
        for each in relation.references
        if each.enforced
    }
    assert enforced == {
        (table, tuple(columns), to, tuple(key)) for table, to, columns, key in await all_rows(system, FOREIGN_KEYS)
    }
    keys = {relation.name: relation.key for relation in relations()}
    assert [(r.name, each) for r in relations() for each in r.references if each.to != keys[each.table]] == []
    tables = catalog()["tables"]
    assert [table["name"] for table in tables] == list(keys)
    pending = next(table for table in tables if table["name"] == "approval_requests")
    assert {"table": "users", "columns": ["decided_by"], "to": ["id"], "enforced": False} in pending["references"]
    status = next(column for column in pending["columns"] if column["name"] == "status")
    assert {**status, "choices": [], "comment": ""} == {
        "name": "status",
        "type": "text",
        "nullable": False,
        "choices": [],
        "comment": "",
    }
    assert "pending" in status["choices"]


async def test_every_table_forces_row_level_security_and_everything_has_a_comment(system: AsyncConnection[Any]) -> None:
    tables = await all_rows(system, TABLES_OF_CATALOG)
    assert [name for name, forced, comment in tables if not forced or not comment] == []
    for kind in "rv":
        silent = [
            (table, name)
            for table, columns in (await columns_of(system, "projections", kind)).items()
            for name, column in columns.items()
            if not column.meaning
        ]
        assert silent == []


async def test_the_tenant_leads_every_key_and_every_index(system: AsyncConnection[Any]) -> None:
    indexes = await all_rows(system, INDEXES)
    assert [name for table, name, _, columns in indexes if table not in OF_THE_PLATFORM and columns[0] != "tenant_id"] == []
    keys = {table: tuple(columns) for table, _, primary, columns in indexes if primary}
    assert keys.pop("freshness") == ("tenant_id",)
    assert keys == {table.name: table.key for table in TABLES}


async def test_the_audit_log_can_only_be_added_to(database: Database) -> None:
    async with await AsyncConnection.connect(database.superuser_url) as conn:
        rights = "SELECT r FROM unnest(%s::text[]) r WHERE has_table_privilege('gesta_system', 'projections.audit_logs', r)"
        cursor = await conn.execute(rights, [["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]])
        assert await cursor.fetchall() == [("SELECT",), ("INSERT",)]


async def visible(database: Database, tenant_id: UUID | None) -> dict[str, list[tuple[Any, ...]]]:
    """All that gesta_api sees in each table while it works for a tenant."""
    found = {}
    async with await AsyncConnection.connect(database.api_url) as conn:
        if tenant_id is not None:
            await conn.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(tenant_id)])
        for name, _, _ in await all_rows(conn, TABLES_OF_CATALOG):
            owner = "NULL" if name in OF_THE_PLATFORM else "tenant_id"
            select = sql.SQL("SELECT {}, to_jsonb(t) FROM projections.{} t").format(sql.SQL(owner), sql.Identifier(name))
            found[name] = await (await conn.execute(select)).fetchall()
    return found


async def test_a_tenant_sees_nothing_of_another(database: Database, ledgers: Ledgers, projector: Projector) -> None:
    await ledgers.everything()
    await ledgers.append(PLATFORM, (STRANGER, UserRegistered("eve@globex.example", "Eve")))
    await projector.catch_up()
    seen = await visible(database, ACME)
    for table, rows in seen.items():
        assert rows, f"{table} is empty: nothing is shown"
        if table not in OF_THE_PLATFORM:
            assert {row[0] for row in rows} == {ACME}, table
    assert [row[1]["slug"] for row in seen["tenants"]] == ["acme"]
    assert str(STRANGER) not in {row[1]["id"] for row in seen["users"]}
    assert str(BOB) in {row[1]["id"] for row in seen["users"]}
    everybody = await visible(database, PLATFORM)
    assert {row[1]["id"] for row in everybody["tenants"]} == {str(ACME), str(GLOBEX)}
    assert str(STRANGER) in {row[1]["id"] for row in everybody["users"]}


async def test_without_a_tenant_there_is_nothing_but_the_permissions(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    await ledgers.everything()
    await projector.catch_up()
    assert {table for table, rows in (await visible(database, None)).items() if rows} == {"permissions"}


def test_every_event_has_an_applier_or_an_explicit_reason_why_not() -> None:
    applied = {event for table in TABLES if table is not AUDIT_LOGS for event in table.appliers}
    assert applied.isdisjoint(IGNORED)
    assert applied | IGNORED.keys() == set(TOPICS)


@pytest.mark.parametrize("event", TOPICS)
def test_every_event_is_audited(event: type[Any]) -> None:
    assert event in AUDIT_LOGS.appliers


def test_every_aggregate_s_events_are_known() -> None:
    assert {event for aggregate in AGGREGATES for event in aggregate.events} <= set(TOPICS)


async def test_a_table_comes_after_those_it_refers_to(system: AsyncConnection[Any]) -> None:
    references = await all_rows(
        system,
        "SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint "
        "WHERE contype = 'f' AND connamespace = 'projections'::regnamespace",
    )
    place = {f"projections.{table.name}": index for index, table in enumerate(TABLES)}
    assert references
    assert [(child, parent) for child, parent in references if place[child] < place[parent]] == []
