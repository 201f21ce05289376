"""Between tenants, in every table there is: the ledger's, the runtime's and the projected ones, new ones included."""

from typing import Any

import pytest
from psycopg import AsyncConnection, sql

from domain.envelope import PLATFORM
from domain.facts import Event
from domain.permission import PermissionRegistered
from domain.tenant import TenantChanged, TenantCreated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from projections.poison_events import read_poison_events
from projections.projector import Projector
from tests.conftest import Database
from tests.projections.story import ACME, ANN, GLOBEX, Ledgers, an_id

TABLES = """
SELECT n.nspname, c.relname,  -- a view is read with the rights of who asks
       c.relrowsecurity AND c.relforcerowsecurity OR coalesce(c.reloptions @> '{security_invoker=true}', false),
       has_any_column_privilege('gesta_api', c.oid, 'SELECT'),
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'),
       (SELECT array_agg(r) FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) r
         WHERE has_table_privilege('gesta_api', c.oid, r))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('ledger', 'runtime', 'projections') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""
CALLABLE = """
SELECT p.oid::regproc::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname IN ('ledger', 'runtime', 'projections') AND has_function_privilege('gesta_api', p.oid, 'EXECUTE')
"""
A_JOB = """
INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, created_at, updated_at)
VALUES (%s, %s, 'resize', 'ready', now(), 0, 1, now(), now())
"""
A_LIMIT = "INSERT INTO runtime.limits (tenant_id, id, scope, name, concurrency, set_at) VALUES (%s, %s, 'tenant', '', 9, now())"
A_HASH = "SELECT convert_from(data, 'UTF8')::jsonb ->> 'secret_hash' FROM ledger.events WHERE topic LIKE 'api_key.created.%'"
COLUMNS = """
SELECT attname, atttypid::regtype::text FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'SELECT')
"""
NAMES = """
SELECT (SELECT array_agg(name || is_active) FROM projections.tenants), (SELECT array_agg(display_name) FROM projections.users)
"""
OF_THE_PLATFORM = {"tenants", "users", "permissions"}


async def catalog(database: Database) -> list[tuple[Any, ...]]:
    async with await AsyncConnection.connect(database.superuser_url) as superuser:
        return await (await superuser.execute(TABLES)).fetchall()


async def test_row_level_security_is_forced_everywhere_and_the_api_changes_nothing(database: Database) -> None:
    tables = await catalog(database)
    assert {schema for schema, *_ in tables} == {"ledger", "runtime", "projections"}
    assert [name for _, name, forced, *_ in tables if not forced] == []
    assert [(name, rights) for _, name, *_, rights in tables if rights] == []


READABLE = """
SELECT n.nspname || '.' || c.relname, array_agg(a.attname::text ORDER BY a.attname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname IN ('ledger', 'runtime') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND has_column_privilege('gesta_api', c.oid, a.attnum, 'SELECT')
 GROUP BY 1
"""


async def test_of_the_ledger_the_api_s_login_sees_how_far_it_reaches_and_nothing_that_is_in_it(database: Database) -> None:
    """Whoever has it can set any tenant, the platform, too: hashes of keys and raw events must be out of its reach altogether."""
    async with await AsyncConnection.connect(database.superuser_url) as superuser:
        readable: dict[str, list[str]] = dict(await (await superuser.execute(READABLE)).fetchall())
    jobs = set(readable.pop("runtime.jobs"))
    assert "name" in readable.pop("runtime.limits")
    assert readable == {"ledger.heads": ["epoch", "tenant_id"], "ledger.events": ["position", "tenant_id"]}
    assert jobs.isdisjoint({"fence", "leased_by", "worker_id"})


async def test_no_table_that_the_api_s_login_sees_holds_the_hash_of_a_key(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    await ledgers.everything()
    await projector.catch_up()
    async with await AsyncConnection.connect(database.superuser_url) as superuser:
        row = await (await superuser.execute(A_HASH)).fetchone()
        assert row is not None
        tables = [(schema, name) for schema, name, _, seen, *_ in await (await superuser.execute(TABLES)).fetchall() if seen]
    async with await AsyncConnection.connect(database.api_url, autocommit=True) as api:
        await api.execute("SELECT set_config('gesta.tenant_id', %s, false)", [str(ACME)])
        for schema, name in tables:
            columns = await (await api.execute(COLUMNS, [f"{schema}.{name}"])).fetchall()
            texts = sql.SQL(" || ").join(
                [
                    sql.SQL("coalesce(encode({}, 'escape'), '')" if kind == "bytea" else "coalesce({}::text, '')").format(
                        sql.Identifier(column)
                    )
                    for column, kind in columns
                ]
            )
            found = sql.SQL("SELECT count(*) FROM {} WHERE strpos({}, %s) > 0").format(sql.Identifier(schema, name), texts)
            assert await (await api.execute(found, [row[0]])).fetchone() == (0,), name


async def test_the_api_may_call_nothing_but_what_tells_its_tenant(database: Database) -> None:
    async with await AsyncConnection.connect(database.superuser_url) as superuser:
        assert await (await superuser.execute(CALLABLE)).fetchall() == [("runtime.current_tenant",)]


async def test_with_one_tenant_set_nothing_of_another_is_seen_in_any_table(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    await ledgers.everything()
    await projector.catch_up()
    for tenant in (ACME, GLOBEX):
        await system.execute(A_JOB, [tenant, an_id(f"job of {tenant}")])
        await system.execute(A_LIMIT, [tenant, an_id(f"limit of {tenant}")])
    told = sql.SQL("SELECT DISTINCT tenant_id FROM {} WHERE tenant_id IN (%s, %s)")
    readable = [row for row in await catalog(database) if row[3]]
    async with (
        await AsyncConnection.connect(database.api_url) as api,
        await AsyncConnection.connect(database.superuser_url) as superuser,
    ):
        await api.execute("SELECT set_config('gesta.tenant_id', %s, true)", [str(ACME)])
        for schema, name, _, _, has_tenant, _ in readable:
            if not has_tenant:
                assert name in OF_THE_PLATFORM, name  # tested by name in test_catalog
                continue
            table = told.format(sql.Identifier(schema, name))
            there = await (await superuser.execute(table, [ACME, GLOBEX])).fetchall()
            assert {row[0] for row in there} == {ACME, GLOBEX}, f"nothing is shown by {schema}.{name}"
            assert await (await api.execute(table, [ACME, GLOBEX])).fetchall() == [(ACME,)], name


@pytest.mark.parametrize(
    "event",
    [
        TenantCreated("ours", "Ours", {}),
        TenantChanged({"name": "Ours"}),
        TenantSuspended(),
        UserRegistered("new@globex.example", "New"),
        UserChanged({"display_name": "Ours"}),
        PermissionRegistered("all:all", "all", "all", "Everything"),
    ],
    ids=lambda event: type(event).__name__,
)
async def test_a_tenants_ledger_changes_nothing_of_the_platforms(
    event: Event, ledgers: Ledgers, system: AsyncConnection[Any], projector: Projector
) -> None:
    """It stops at such an event, which no command makes; the others go on."""
    await ledgers.append(
        PLATFORM, (GLOBEX, TenantCreated("globex", "Globex", {})), (ANN, UserRegistered("ann@acme.example", "Ann"))
    )
    stream = (
        ANN if isinstance(event, UserChanged) else GLOBEX if isinstance(event, TenantChanged | TenantSuspended) else an_id("new")
    )
    await ledgers.append(ACME, (stream, event))
    await projector.catch_up()
    assert list(await read_poison_events(system)) == [ACME]
    assert await (await system.execute(NAMES)).fetchone() == (["Globextrue"], ["Ann"])
