"""A suspended tenant: nothing of it is leased, fired or called, and what is due waits until it is reactivated."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from domain import tenant
from domain.envelope import PLATFORM
from domain.facts import Decided, Json, View
from domain.tenant import TenantReactivated, TenantSuspended
from runtime import migrations
from store import due, jobs
from store.command import Command
from store.jobs import LeasedJob
from store.topics import topic_of
from tests.conftest import Database
from tests.worker.house import RETRY, WHO, House, ScriptedProvider, asking, at_work, house, steps, worker_of
from tests.worker.test_maintenance import overdue
from worker.maintenance import fire_timers, take_expired_leases

SUSPENDED = "SELECT tenant_id FROM runtime.suspended_tenants"
TRIGGER = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'suspensions'"
EVENT = """
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
VALUES (%s, %s, %s, %s, %s, now(), now(), gen_random_uuid(), '{}', '{}')
"""


async def on_platform(home: House, decide: Callable[[View], Decided]) -> None:
    await home.handler.handle(Command(PLATFORM, "tenant", WHO), decide)


async def suspend(home: House) -> None:
    slug = f"t-{home.tenant_id.hex[:20]}"
    await on_platform(home, lambda view: tenant.create(view, home.tenant_id, slug, "Acme"))
    await on_platform(home, lambda view: tenant.suspend(view, home.tenant_id))


async def reactivate(home: House) -> None:
    await on_platform(home, lambda view: tenant.reactivate(view, home.tenant_id))


async def done(_job: LeasedJob) -> Json:
    return 1


async def leased(home: House, **given: Any) -> list[LeasedJob]:
    async with await psycopg.AsyncConnection.connect(home.database.system_url, autocommit=True) as conn:
        return await jobs.lease(conn, ["step"], 9, 60, "w", **given)


async def test_no_job_of_a_suspended_tenant_is_leased_and_others_go_on(database: Database) -> None:
    async with house(database) as home, house(database) as other:
        execution = await home.start(steps())
        await suspend(home)
        elsewhere = await other.start(steps())
        async with worker_of(database, {"step": done}) as worker, at_work(worker):
            assert (await other.ended(elsewhere)).status == "completed"
            assert home.sql("SELECT state, attempt FROM runtime.jobs WHERE tenant_id = %s", home.tenant_id) == [("ready", 0)]
            assert await leased(home, tenant_id=home.tenant_id) == []
            assert await leased(home, reserved=5, held_by=[other.tenant_id]) == []
            await reactivate(home)
            assert (await home.ended(execution)).status == "completed"


async def test_a_suspended_tenants_timers_wait(database: Database) -> None:
    async with house(database) as home, house(database) as other, worker_of(database) as worker:
        execution = await overdue(home)
        await suspend(home)
        assert await fire_timers(worker.context) is None
        await overdue(other)
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
            for window in (1_000, 1):
                found = await due.claim_timers(conn, ["execution"], 9, window=window, seconds=0)
                assert [one.tenant_id for one in found] == [other.tenant_id]
        await fire_timers(worker.context)
        await reactivate(home)
        assert await fire_timers(worker.context) == 0
        assert (await home.state(execution)).status == "failed"


async def test_a_suspended_tenants_expired_leases_use_up_no_attempt(database: Database) -> None:
    async with house(database) as home, worker_of(database) as worker:
        await home.start(steps(retry=RETRY))
        (job,) = await leased(home)
        home.lapse_all()
        await suspend(home)
        assert await take_expired_leases(worker.context) is None
        assert await home.topics("activation.retried") == []
        await reactivate(home)
        assert await take_expired_leases(worker.context) == 0
        assert await home.topics("activation.retried") == ["activation.retried.v1"]
        assert job.attempt == 1


async def test_no_model_is_called_for_a_suspended_tenant(database: Database) -> None:
    provider = ScriptedProvider()
    async with house(database) as home, house(database) as other:
        execution = await home.start(asking())
        await suspend(home)
        elsewhere = await other.start(asking())
        async with worker_of(database, provider=provider) as worker, at_work(worker):
            await other.ended(elsewhere)
            assert len(provider.calls) == 1
            await reactivate(home)
            assert (await home.ended(execution)).status == "completed"


async def test_the_trigger_knows_the_topics(database: Database) -> None:
    """A new version of either needs a migration."""
    with psycopg.connect(database.superuser_url) as connection:
        row = connection.execute(TRIGGER).fetchone()
    assert row is not None
    for event in (TenantSuspended, TenantReactivated):
        assert f"'{topic_of(event)}'" in row[0]


@pytest.mark.parametrize("again", [False, True])
def test_tenants_that_were_suspended_before_the_migration_are_known(empty_database: Database, again: bool) -> None:
    known = migrations.load()
    before = known[: next(n for n, one in enumerate(known) if one.name == "suspended_tenants")]
    tenant_id = uuid4()
    with psycopg.connect(empty_database.owner_url, autocommit=True) as owner:
        migrations.migrate(owner, before)
        with psycopg.connect(empty_database.superuser_url, autocommit=True) as superuser:
            superuser.execute(EVENT, (PLATFORM, 1, tenant_id, 1, topic_of(TenantSuspended)))
            if again:
                superuser.execute(EVENT, (PLATFORM, 2, tenant_id, 2, topic_of(TenantReactivated)))
            migrations.migrate(owner, known)
            assert superuser.execute(SUSPENDED).fetchall() == ([] if again else [(tenant_id,)])
