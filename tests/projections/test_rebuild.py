"""Tables are built anew beside those that serve, compared, and exchanged for them; a kill loses nothing."""

import re
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections import poison_events, skipped_events
from projections.freshness import position
from projections.generation import NEXT_SCHEMA, next_generation
from projections.projector import Projector
from projections.rebuilding import records, schema, views
from projections.rebuilding.ledger_work import Sizes
from projections.rebuilding.rebuild import RebuildOptions, Refused, Stage, drop_old, opened, rebuild, rebuild_tenant
from projections.registry import GROUPS, TABLES
from projections.replay import compare, replay, snapshot
from runtime import failpoints
from runtime.drift.catalog import read_catalog
from runtime.errors import OperatorError
from tests.conftest import Database
from tests.projections.story import ACME, GLOBEX, Ledgers, started

ALL = next_generation(GROUPS)

NOT_ANALYSED = """
SELECT r.relname, a.attname FROM pg_attribute a JOIN pg_class r ON r.oid = a.attrelid
 WHERE r.relnamespace = %s::text::regnamespace AND a.attstattarget = 0 ORDER BY r.relname COLLATE "C", a.attname COLLATE "C"
"""


async def owner_of(database: Database) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(database.owner_url, autocommit=True)


async def test_the_file_of_tables_is_what_the_migrations_come_to(database: Database) -> None:
    async with await owner_of(database) as owner, owner.transaction():
        await schema.create(owner, ALL)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        facts = read_catalog(conn)
    told = {key: fact.value for key, fact in facts.items()}
    of_views = re.compile(rf"\b({'|'.join(map(re.escape, views.names()))})\b")  # which a generation has none of
    migrated = {
        key: value for key, value in told.items() if "projections." in f"{key[1]} {value}" and not of_views.search(key[1])
    }
    built = {
        (kind, name.replace(NEXT_SCHEMA, "projections")): value.replace(NEXT_SCHEMA, "projections")
        for (kind, name), value in told.items()
        if f"{NEXT_SCHEMA}." in f"{name} {value}"
    }
    assert len(built) > 500
    differing = [key for key in built.keys() | migrated.keys() if built.get(key) != migrated.get(key)]
    assert [(key, built.get(key), migrated.get(key)) for key in differing] == []


async def test_what_is_not_analysed_is_the_same_in_the_file_of_tables_and_in_the_migrations(database: Database) -> None:
    """All JSON, which a migration that adds some has to say: sorting it was most of what ANALYZE did. Not told as drift, for
    whoever runs a database may have a column analysed otherwise."""
    async with await owner_of(database) as owner, owner.transaction():
        await schema.create(owner, ALL)
        found = {name: await (await owner.execute(NOT_ANALYSED, [name])).fetchall() for name in ("projections", NEXT_SCHEMA)}
    json = [(table.name, name) for table in TABLES for name, column in table.columns.items() if column.type == "jsonb"]
    assert found["projections"] == found[NEXT_SCHEMA] == sorted([*json, ("audit_logs", "description"), ("audit_logs", "tags")])


def test_every_table_is_in_one_group() -> None:
    names = [table.name for tables in GROUPS.values() for table in tables]
    assert sorted(names) == sorted(table.name for table in TABLES)


async def told(ledgers: Ledgers, projector: Projector) -> None:
    await ledgers.everything()
    await projector.catch_up()


async def place_of(system: AsyncConnection[Any], table: str) -> int:
    """Which table serves under the name."""
    row = await (await system.execute("SELECT to_regclass(%s)::oid", [f"projections.{table}"])).fetchone()
    assert row is not None
    return int(row[0])


BY_BULK = Sizes(bulk=7, bulk_from=1, kept_bytes=1000)
"""Every ledger is loaded by itself, in many portions, and after the first its rows are read again."""


@pytest.mark.parametrize("group", GROUPS)
async def test_a_group_is_built_anew_and_serves(
    group: str, database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    before = {table.name: await place_of(system, table.name) for table in TABLES}
    stages: list[Stage] = []
    found = await rebuild(database.owner_url, database.system_url, RebuildOptions((group,), sizes=BY_BULK), stages.append)
    assert dict(found.changes) == {}
    after = {table.name: await place_of(system, table.name) for table in TABLES}
    assert {name for name in before if before[name] != after[name]} == {table.name for table in GROUPS[group]}
    assert [stage.name for stage in stages if stage.done == stage.total][-1] == "exchanging"
    for tenant_id in (PLATFORM, ACME, GLOBEX):
        assert (await replay(system, tenant_id)).equal
    assert [record.groups for record in await records.records(system, "serving")] == [[group]]
    assert sorted(await drop_old(database.owner_url)) == sorted(table.name for table in GROUPS[group])
    assert not await schema.exists(system, NEXT_SCHEMA)
    await ledgers.append(ACME, started("one more"))
    await projector.catch_up()
    assert (await replay(system, ACME)).equal


async def test_several_processes_load_and_compare_what_one_does(
    database: Database,
    system: AsyncConnection[Any],
    ledgers: Ledgers,
    projector: Projector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await told(ledgers, projector)
    options = RebuildOptions(processes=2, sizes=Sizes(bulk_from=1))
    stages: list[Stage] = []
    assert dict((await rebuild(database.owner_url, database.system_url, options, stages.append)).changes) == {}
    assert [stage for stage in stages if stage.name == "filling"][-1].done == await events_of(system)
    for tenant_id in (PLATFORM, ACME, GLOBEX):
        assert (await replay(system, tenant_id)).equal
    await drop_old(database.owner_url)
    await system.execute("UPDATE projections.roles SET name = 'x' WHERE tenant_id = %s", [ACME])
    with pytest.raises(Refused, match=r"roles\.name \("):
        await rebuild(database.owner_url, database.system_url, options)
    monkeypatch.setenv(failpoints.VARIABLE, "rebuild.loaded")
    with pytest.raises(OperatorError, match=r"A process of the rebuild ended with -9"):
        await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",), processes=2, sizes=BY_BULK))


def serving(database: Database) -> dict[Any, str]:
    """What the catalogs say of the tables that serve."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        told = {key: fact.value for key, fact in read_catalog(conn).items()}
    return {key: value for key, value in told.items() if "projections." in key[1]}


async def test_what_was_broken_off_between_two_steps_goes_on_from_there(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    await told(ledgers, projector)
    before = serving(database)
    options = RebuildOptions(("work",), sizes=BY_BULK)
    for place in ("rebuild.loaded", "rebuild.finishing", "rebuild.swapping"):
        monkeypatch.setattr(failpoints, "armed", f"{place}!1")
        with pytest.raises(failpoints.FailpointReached):
            await rebuild(database.owner_url, database.system_url, options)
    stages: list[Stage] = []
    await rebuild(database.owner_url, database.system_url, options, stages.append)
    assert "indexing" not in [stage.name for stage in stages], "it was done"
    assert [record.number for record in await records.records(system, "serving")] == [1], "it is the first that was begun"
    assert (await replay(system, ACME)).equal
    assert serving(database) == before, "indexes, constraints, rights, policies and row-level security"


async def events_of(system: AsyncConnection[Any]) -> int:
    row = await (await system.execute("SELECT count(*) FROM ledger.events")).fetchone()
    return int(row[0]) if row else 0


async def refused(database: Database, groups: tuple[str, ...] = ("work",), **options: Any) -> str:
    with pytest.raises(Refused) as caught:
        await rebuild(database.owner_url, database.system_url, RebuildOptions(groups, **options))
    return str(caught.value)


FAULT = """
INSERT INTO runtime.projection_faults (tenant_id, position, error, attempts, first_failed_at, failed_at, retry_at)
VALUES (%s, 9999, 'in the way', 9, now(), now(), now() + interval '5 minutes')
"""


async def test_what_differs_from_the_serving_tables_is_named_and_refused_until_it_is_accepted(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    before = await place_of(system, "workflow_executions")
    await system.execute("UPDATE projections.workflow_executions SET error = 'altered' WHERE tenant_id = %s", [ACME])
    await system.execute("DELETE FROM projections.execution_attributes WHERE tenant_id = %s", [GLOBEX])
    words = await refused(database)
    assert "workflow_executions.error (" in words
    assert "execution_attributes.rows added (" in words
    assert "workflow_executions.status" not in words
    assert "execution_attributes.rows added (" in await refused(database, accepted=["workflow_executions.error"])
    assert await place_of(system, "workflow_executions") == before
    for misspelt in ("workflow_execution", "workflow_executions.eror"):
        with pytest.raises(OperatorError, match=f"--accept {misspelt}: "):
            await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",), [misspelt]))
    await system.execute(FAULT, [ACME])
    accepted = RebuildOptions(("work",), ["workflow_executions.error", "execution_attributes", "jobs.rows lost"])
    await rebuild(database.owner_url, database.system_url, accepted)
    assert (await replay(system, ACME)).equal
    assert (await replay(system, GLOBEX)).equal
    (fault,) = (await poison_events.read_poison_events(system)).values()
    assert fault.is_due(datetime.now(UTC)), "what held the tables up may do so no more"


async def test_what_was_built_wrong_is_never_exchanged_and_built_anew(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    """Somebody writes into the tables that are being built: the fresh fold tells."""
    await told(ledgers, projector)
    await system.execute("UPDATE projections.roles SET name = 'x' WHERE tenant_id = %s", [ACME])
    await refused(database, ("people",))
    await system.execute("UPDATE projections_next.roles SET name = 'y' WHERE tenant_id = %s", [ACME])
    words = await refused(database, ("people",), accepted=["roles"])
    assert "differ from a fold of the ledger" in words
    assert "roles" in words
    await rebuild(database.owner_url, database.system_url, RebuildOptions(("people",), ["roles"]))
    assert (await replay(system, ACME)).equal


async def test_what_hangs_on_the_old_tables_goes_along_or_is_named(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        role = f"analyst_{database.name}"
        await conn.execute(f"CREATE ROLE {role}")
        try:
            await conn.execute(f"GRANT SELECT ON projections.workflow_executions TO {role}")
            await conn.execute(f"GRANT SELECT (id, tenant_id) ON projections.node_activations TO {role}")
            await conn.execute(
                f"CREATE POLICY analysts ON projections.workflow_executions FOR SELECT TO {role} USING (status = 'failed')"
            )
            await conn.execute("CREATE INDEX of_mine ON projections.workflow_executions (tenant_id, error)")
            await conn.execute(
                "CREATE VIEW public.failures AS SELECT id FROM projections.workflow_executions WHERE error IS NOT NULL"
            )
            words = await refused(database)
            assert "the index projections.of_mine is on" in words
            assert "the view failures reads" in words
            await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",), leave_behind=True))
            rights = "SELECT has_table_privilege(%s, 'projections.workflow_executions', 'SELECT'), "
            rights += "has_column_privilege(%s, 'projections.node_activations', 'id', 'SELECT')"
            assert await (await conn.execute(rights, [role, role])).fetchone() == (True, True)
            policy = "SELECT qual FROM pg_policies WHERE schemaname = 'projections' AND policyname = 'analysts'"
            assert "failed" in str(await (await conn.execute(policy)).fetchone())
            with pytest.raises(OperatorError, match=r"still needed.*view failures"):
                await drop_old(database.owner_url)
            with pytest.raises(OperatorError, match="still exists: gesta projections drop-old"):
                await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",)))
            await conn.execute("DROP VIEW public.failures")
            assert await drop_old(database.owner_url)
        finally:
            await conn.execute(f"DROP OWNED BY {role}")
            await conn.execute(f"DROP ROLE {role}")


async def test_a_session_that_has_read_is_waited_for_and_named(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    """A backup, an analyst: in their snapshot the new tables would be empty."""
    await told(ledgers, projector)
    async with await AsyncConnection.connect(database.system_url, application_name="an analyst") as analyst:
        await analyst.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        seen = await (await analyst.execute("SELECT count(*) FROM projections.workflow_executions")).fetchone()
        words = await refused(database, patience_seconds=2.0)
        assert "an analyst" in words
        assert await (await analyst.execute("SELECT count(*) FROM projections.workflow_executions")).fetchone() == seen
    await rebuild(database.owner_url, database.system_url, RebuildOptions(("work",)))


async def test_verify_and_replay_are_waited_for_from_their_beginning(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    """Also before they have come to the tables."""
    await told(ledgers, projector)
    async with snapshot(system):
        await system.execute("SELECT 1")
        assert "The tables are in use" in await refused(database, patience_seconds=1.0)
        assert (await compare(system, ACME, await position(system, ACME))).equal


async def test_an_event_that_cannot_be_applied_ends_the_building_and_one_that_is_skipped_does_not(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    await ledgers.append_raw(ACME, started("never")[0], "execution.started.v1", b"{}")
    await projector.catch_up()
    broken = next(iter((await poison_events.read_poison_events(system)).values())).position
    await skipped_events.skip(system, ACME, broken, "it is broken", now=ledgers.now)
    await ledgers.append(ACME, started("one more"))
    await projector.catch_up()
    await rebuild(database.owner_url, database.system_url, RebuildOptions(()))
    assert (await replay(system, ACME)).equal
    await drop_old(database.owner_url)
    await system.execute("SET ROLE NONE")
    async with await AsyncConnection.connect(database.superuser_url, autocommit=True) as conn:
        await conn.execute("DELETE FROM runtime.projection_skips")
    with pytest.raises(OperatorError, match=rf"event {broken} .*cannot be applied"):
        await rebuild(database.owner_url, database.system_url, RebuildOptions(()))


async def test_two_rebuilds_at_a_time_are_one_too_many(database: Database) -> None:
    async with opened(database.owner_url, database.system_url, RebuildOptions()):
        with pytest.raises(OperatorError, match="Another rebuild is running"):
            await rebuild(database.owner_url, database.system_url, RebuildOptions())


async def test_what_a_migration_asks_for_is_built_where_nothing_else_is_named(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    async with await owner_of(database) as owner:
        await owner.execute("INSERT INTO runtime.projection_generations (groups, reason) VALUES ('{people}', 'a new column')")
    await rebuild(database.owner_url, database.system_url, RebuildOptions())
    assert await records.records(system, "wanted") == []
    assert [record.groups for record in await records.records(system, "serving")] == [["people"]]


async def test_one_tenant_s_rows_are_replaced_and_no_others(
    database: Database, system: AsyncConnection[Any], ledgers: Ledgers, projector: Projector
) -> None:
    await told(ledgers, projector)
    await system.execute("UPDATE projections.workflow_executions SET error = 'altered'")
    await system.execute("DELETE FROM projections.role_permissions WHERE tenant_id = %s", [ACME])
    with pytest.raises(Refused, match=r"workflow_executions\.error"):
        await rebuild_tenant(database.owner_url, database.system_url, RebuildOptions(), ACME)
    accepted = RebuildOptions(accepted=["workflow_executions.error", "role_permissions"])
    await rebuild_tenant(database.owner_url, database.system_url, accepted, ACME)
    assert (await replay(system, ACME)).equal
    assert not (await replay(system, GLOBEX)).equal
    assert await records.records(system, "building") == []
    with pytest.raises(OperatorError, match="for all tenants"):
        await rebuild_tenant(database.owner_url, database.system_url, RebuildOptions(("audit",)), ACME)
