"""What a running platform leaves holds; and whatever is planted beside it, or taken away, is found and named."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import PLATFORM
from projections.verify import Verdict, verify
from runtime.postgres import EmbeddedServer
from tests.api.conftest import Client, Gesta, Tenant, projecting, serving
from tests.api.definitions import AI_TASK, APPROVAL, TASK, task
from tests.api.working import start
from tests.cli.test_db import gesta as command_line
from tests.conftest import Database, create_database, temporary_database

COUNTING: dict[str, Any] = {
    "key": "counting",
    "name": "Counting",
    "triggers": [{"type": "manual"}],
    "nodes": [
        {"id": "start", "type": "start", "config": {}},
        {"id": "count", "type": "set", "config": {"values": {"n": "=has(nodes.count) ? nodes.count.output.n + 1 : 1"}}},
        {"id": "end", "type": "end", "config": {}},
    ],
    "edges": [
        {"source": "start", "target": "count"},
        {"source": "count", "target": "count", "when": "nodes.count.output.n < 1500"},
        {"source": "count", "target": "end", "when": "nodes.count.output.n >= 1500"},
    ],
}
"""Takes more steps than one command may."""

UNTIL_THE_LAST_MOMENT: dict[str, Any] = {
    "key": "last",
    "name": "Until the last moment that can be named",
    "nodes": [
        {"id": "start", "type": "start"},
        {"id": "wait", "type": "wait", "config": {"until": "9999-12-31T23:59:59.999999Z"}},
        {"id": "end", "type": "end"},
    ],
    "edges": [{"source": "start", "target": "wait"}, {"source": "wait", "target": "end"}],
}


@pytest.fixture
async def acme(gesta: Gesta) -> Tenant:
    return await busy(gesta)


@pytest.fixture(scope="module")
def resting(postgres: EmbeddedServer, seeded: tuple[str, str]) -> tuple[str, UUID]:
    """The name of a database with such a tenant, and its id; nobody works there."""
    name, token = seeded

    async def fill(database: Database) -> UUID:
        async with projecting(database) as projector, serving(database) as http:
            return (await busy(Gesta(http, database, Client(http, token), projector))).id

    create_database(postgres, "gesta_busy", name)
    return "gesta_busy", asyncio.run(fill(Database("gesta_busy", postgres)))


async def busy(gesta: Gesta) -> Tenant:
    """Work of every kind is open, two executions are paused, and one of them went on again."""
    acme = await gesta.tenant()
    for definition in (TASK, AI_TASK, APPROVAL, COUNTING, task("slow", "limited", timeout="PT1H")):
        await acme.publish(definition)
    inputs: dict[str, dict[str, Any]] = {
        "resize": {},
        "classify": {"claim": "x"},
        "counting": {},
        "purchase": {"amount": 7},
    }
    for key, given in {**inputs, "limited": {}}.items():
        await start(acme, key, **given)
    for verbs in (["pause"], ["pause", "resume"]):
        execution = await start(acme, "limited")
        for verb in verbs:
            assert (await acme.admin.post(f"/executions/{execution}/{verb}", {})).status_code == 200
    ended = await start(acme, "limited")
    assert (await acme.admin.post(f"/executions/{ended}/cancel", {"reason": "no"})).status_code == 200
    await gesta.projector.catch_up()
    return acme


async def checked(database: Database, tenant_id: Any) -> Verdict:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        return await verify(conn, tenant_id)


async def test_what_the_platform_leaves_holds(database: Database, gesta: Gesta, acme: Tenant) -> None:
    await acme.publish(UNTIL_THE_LAST_MOMENT)
    await start(acme, "last")
    await gesta.projector.catch_up()
    for tenant_id in (PLATFORM, acme.id):
        verdict = await checked(database, tenant_id)
        assert verdict.holds, verdict.broken
    with psycopg.connect(database.superuser_url) as superuser:
        kinds = superuser.execute("SELECT array_agg(DISTINCT type ORDER BY type) FROM runtime.jobs").fetchone()
        timers = superuser.execute("SELECT count(*) FROM runtime.timers").fetchone()
    assert kinds == (["gesta.ai", "gesta.continue", "resize-image", "slow"],)
    assert timers is not None
    assert timers[0] >= 2, "of what runs; of what is paused, by the ledger's own reckoning"


NEW_JOB = (
    "INSERT INTO runtime.jobs (tenant_id, id, type, state, run_at, priority, max_attempts, created_at, updated_at) "
    "VALUES (%(t)s, gen_random_uuid(), 'resize-image', 'ready', now(), 0, 1, now(), now())"
)
DAMAGE: dict[str, tuple[str, str]] = {
    "DELETE FROM runtime.jobs WHERE tenant_id = %(t)s AND type = 'resize-image'": ("jobs", "is gone"),
    "DELETE FROM runtime.jobs WHERE tenant_id = %(t)s AND type = 'gesta.ai'": ("jobs", "is gone"),
    "DELETE FROM runtime.jobs WHERE tenant_id = %(t)s AND type = 'gesta.continue'": ("jobs", "is gone"),
    NEW_JOB: ("jobs", "is for nothing that is open"),
    "DELETE FROM runtime.timers WHERE tenant_id = %(t)s": ("timers", "is gone"),
    "UPDATE runtime.timers SET due_at = due_at + interval '1 second' WHERE tenant_id = %(t)s": ("timers", "by the events at"),
    "INSERT INTO runtime.timers VALUES (%(t)s, gen_random_uuid(), now(), 'timeout')": ("timers", "is for nothing that is open"),
    "DELETE FROM ledger.heads WHERE tenant_id = %(t)s": ("ledger", "has no head"),
    "ALTER TABLE ledger.heads DISABLE TRIGGER epochs_grow; UPDATE ledger.heads SET epoch = 7": ("ledger", "epoch is 7"),
    "DELETE FROM runtime.commands WHERE tenant_id = %(t)s AND position = 12": ("commands", "is gone"),
    "UPDATE runtime.commands SET position = position - 1 WHERE tenant_id = %(t)s AND position = 12": (
        "commands",
        "did not end at",
    ),
    "UPDATE runtime.commands SET position = NULL WHERE tenant_id = %(t)s AND position = 12": ("commands", "did not end at"),
    "UPDATE runtime.commands SET created_at = created_at - interval '1 hour' WHERE tenant_id = %(t)s": (
        "commands",
        "not when it says",
    ),
    "DELETE FROM runtime.claims WHERE tenant_id = %(t)s AND name = 'resize'": ("claims", "resize"),
    "INSERT INTO runtime.claims VALUES (%(t)s, 'role.key', 'emperor', gen_random_uuid())": ("claims", "emperor"),
    "INSERT INTO ledger.events SELECT tenant_id, 9999, gen_random_uuid(), 1, topic, occurred_at, clock_timestamp(), command_id, "
    "meta, data FROM ledger.events WHERE tenant_id = %(t)s AND position = 3": ("ledger", "follows position"),
}


@pytest.mark.parametrize("damage", DAMAGE, ids=[statement[:70] for statement in DAMAGE])
async def test_what_is_planted_or_taken_away_is_found(damage: str, postgres: EmbeddedServer, resting: tuple[str, UUID]) -> None:
    origin, acme = resting
    with temporary_database(postgres, origin) as database:
        with psycopg.connect(database.superuser_url) as superuser:
            for statement in damage.split("; "):
                superuser.execute(statement.encode(), {"t": acme} if "%(t)s" in statement else None)
        check, words = DAMAGE[damage]
        broken = (await checked(database, acme)).broken
        assert any(words in sentence for sentence in broken[check]), broken


def environment(database: Database) -> dict[str, str]:
    return {
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
    }


async def test_a_verdict_on_one_tenant_says_nothing_of_the_others(
    database: Database, gesta: Gesta, acme: Tenant, tmp_path: Path
) -> None:
    """One tenant's tables cannot even be read, another one's head is gone: the third one's verdict stands, and is printed."""
    other, third = await gesta.tenant("other"), await gesta.tenant("third")
    await gesta.projector.catch_up()
    with psycopg.connect(database.superuser_url) as superuser:
        superuser.execute("DELETE FROM ledger.heads WHERE tenant_id = %s", [other.id])
        superuser.execute(
            "CREATE FUNCTION pg_temp.x() RETURNS void LANGUAGE sql AS ''; "
            "CREATE FUNCTION runtime.explode(uuid) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN "
            f"IF $1 = '{acme.id}' THEN RAISE 'a broken page'; END IF; RETURN true; END $$; "
            "GRANT EXECUTE ON FUNCTION runtime.explode TO gesta_system; "
            "CREATE POLICY broken ON projections.roles AS RESTRICTIVE TO gesta_system USING (runtime.explode(tenant_id))"
        )
    shown = command_line(tmp_path, "verify", **environment(database))
    lines = shown.stdout.splitlines()
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert any(line.startswith("acme: COULD NOT BE CHECKED: RaiseException: a broken page") for line in lines), lines
    assert any(line.startswith(f"{other.id}: ") and line.endswith("BROKEN") for line in lines) or any(
        line.startswith("other: ") and line.endswith("BROKEN") for line in lines
    ), lines
    assert any(line.startswith("third: ") and line.endswith(": holds") for line in lines), lines
    found = json.loads(command_line(tmp_path, "verify", "--json", **environment(database)).stdout)
    assert found["holds"] is False
    by_name = {one["tenant"]: one for one in found["tenants"]}
    assert by_name["third"]["holds"]
    assert by_name["acme"] == {"tenant": "acme", "tenant_id": str(acme.id), "holds": False} | {
        "unchecked": by_name["acme"]["unchecked"]
    }
    compared = command_line(tmp_path, "replay", **environment(database))
    assert compared.returncode == 1
    assert "acme: could not be compared: RaiseException" in compared.stdout
    assert "third: " in compared.stdout
    assert str(third.id) not in compared.stdout
