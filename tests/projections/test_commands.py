"""`gesta replay`, `verify`, `events`, `projections` and `projector`, as a person would type them."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from psycopg import AsyncConnection

from cli.ledgers import ledgers as ledgers_of
from domain.envelope import PLATFORM
from domain.execution import ExecutionCompleted
from domain.role import RoleCreated
from projections import freshness
from projections.projector import Projector
from projections.verify import verify as verified
from store.notifications.channels import PROJECTED
from store.notifications.listening import listen
from tests.conftest import Database
from tests.projections.story import ACME, APPROVER, GLOBEX, START, Ledgers, Step, an_id, bulk, platform_story, tenant_story

GESTA = [sys.executable, "-m", "cli.main"]


def environment(database: Database) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GESTA_") and name != "DATABASE_URL"}
    return {**kept, "DATABASE_URL": database.owner_url, "GESTA_SYSTEM_DATABASE_URL": database.system_url}


def gesta(database: Database, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GESTA, *arguments],
        env=environment(database),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("told")
async def test_replay_says_equal_or_names_the_cell(database: Database, system: AsyncConnection[Any]) -> None:
    equal = gesta(database, "replay")
    assert equal.returncode == 0, equal.stderr
    assert [line.split(":")[0] for line in equal.stdout.splitlines()] == ["platform", "globex", "acme"]
    await system.execute("UPDATE projections.roles SET name = 'Kings' WHERE id = %s AND tenant_id = %s", [APPROVER, ACME])
    differs = gesta(database, "replay", "--tenant", "acme")
    assert differs.returncode == 1
    assert f"roles ({ACME}, {APPROVER}): name is Kings, replayed Approvers" in differs.stdout


@pytest.mark.usefixtures("told")
async def test_replay_goes_back_to_a_position_or_a_time(database: Database) -> None:
    early = gesta(database, "replay", "--tenant", "acme", "--position", "3")
    assert early.returncode == 0
    assert early.stdout.splitlines()[0] == "acme as of position 3:"
    assert next(line.split() for line in early.stdout.splitlines() if "roles" in line) == ["roles", "3"]
    before = gesta(database, "replay", "--tenant", "acme", "--as-of", START.isoformat())
    assert before.stdout.startswith("acme as of position 0:")
    made = gesta(database, "replay", "--tenant", "acme", "--position", "5", "--into", "then")
    assert made.returncode == 0, made.stderr
    async with await AsyncConnection.connect(database.superuser_url) as conn:
        cursor = await conn.execute('SELECT key FROM "then".roles ORDER BY key')
        assert await cursor.fetchall() == [("approver",), ("clerk",), ("temporary",)]
    again = gesta(database, "replay", "--tenant", "acme", "--position", "5", "--into", "then")
    assert again.returncode == 1
    assert again.stderr.startswith("gesta: No schema then: ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "--position", "3"],
        ["replay", "--tenant", "nobody"],
        ["replay", "--tenant", "platform", "--as-of", "yesterday"],
        ["replay", "--tenant", "platform", "--as-of", "2026-01-01", "--position", "1"],
        ["verify", "--tenant", "nobody"],
        ["events", "show", "--tenant", "platform", "--fold"],
        ["projections", "skip", "--tenant", "platform", "--position", "0", "--reason", "x"],
        ["projections", "skip", "--tenant", "platform", "--position", "1", "--reason", " "],
        ["projections", "skip", "--position", "1", "--reason", "x"],
    ],
)
def test_wrong_usage(arguments: list[str], database: Database) -> None:
    assert gesta(database, *arguments).returncode == 2


async def test_verify_says_what_is_broken(database: Database, ledgers: Ledgers, projector: Projector) -> None:
    sound = gesta(database, "verify", "--sample", "10", "--seed", "7")
    covered = "Read: 1 of 1 ledgers, and 0 streams of others: 0 of 0 events (--seed 7). The others were looked over.\n"
    assert (sound.returncode, sound.stdout) == (0, f"platform: 0 events: holds\n{covered}")
    await ledgers.append(PLATFORM, *platform_story())
    await projector.catch_up()
    broken = gesta(database, "verify", "--tenant", "platform", "--json")
    assert broken.returncode == 1
    (platform,) = json.loads(broken.stdout)["tenants"]
    assert {check for check, found in platform["broken"].items() if found} == {"claims"}, "nothing was claimed by append"
    sampled = gesta(database, "verify", "--sample", "60", "--seed", "7", "--within", "60", "--json")
    told = json.loads(sampled.stdout)
    assert told["tenants"][0]["streams"]["read"] == told["sample"]["streams"] > 0
    assert (sampled.returncode, told["holds"], told["sample"]["seed"]) == (0, True, 7)
    assert "user.email “ann@acme.example” is held by None" in gesta(database, "verify").stdout


@pytest.mark.usefixtures("told")
async def test_rows_without_a_ledger_are_found_and_one_without_a_head_keeps_its_name(
    database: Database, system: AsyncConnection[Any]
) -> None:
    nobody = an_id("nobody")
    async with await AsyncConnection.connect(database.superuser_url) as conn:
        await conn.execute("SET session_replication_role = replica")
        await conn.execute("DELETE FROM ledger.heads WHERE tenant_id = %s", [ACME])
        await conn.execute("UPDATE projections.role_permissions SET tenant_id = %s WHERE tenant_id = %s", [nobody, GLOBEX])
    found = {ledger.tenant_id: ledger.name for ledger in await ledgers_of(system, None, headless=True)}
    assert (found[nobody], found[ACME]) == (str(nobody), "acme")
    assert any("extra row" in sentence for sentence in (await verified(system, nobody)).broken["tables"])


@pytest.mark.usefixtures("told")
def test_events_are_shown_without_their_secrets(database: Database) -> None:
    shown = gesta(database, "events", "show", "--tenant", "acme", "--stream", str(an_id("acme key")))
    created, revoked = map(json.loads, shown.stdout.splitlines())
    assert (created["topic"], revoked["version"]) == ("api_key.created.v2", 2)
    assert "secret_hash" not in created["data"]
    assert len(gesta(database, "events", "show", "--after", "30").stdout.splitlines()) == sum(
        max(len(story) - 30, 0) for story in (platform_story(), whole_story("acme"), whole_story("globex"))
    )


@pytest.mark.usefixtures("told")
def test_a_stream_is_shown_folded(database: Database) -> None:
    task = str(an_id("acme 5 task"))
    shown = gesta(database, "events", "show", "--stream", task, "--fold").stdout.splitlines()
    heads = [line.split()[2] for line in shown if not line.startswith(" ")]
    assert heads[0] == "ai_task.requested.v1"
    assert heads[-1] == "ai_task.completed.v1"
    assert shown[1] == '    ~ status: "absent" → "pending"'
    assert shown[-1] == '    ~ status: "pending" → "completed"'
    position = next(line.split()[0] for line in shown if "attempt_succeeded" in line)
    later = gesta(database, "events", "show", "--tenant", "acme", "--stream", task, "--fold", "--after", position)
    assert later.stdout.splitlines() == shown[-2:], "folded from the beginning, shown from there"


def whole_story(name: str) -> tuple[Step, ...]:
    return *tenant_story(name), *bulk(name)


async def lines_of(process: asyncio.subprocess.Process, count: int) -> list[dict[str, Any]]:
    assert process.stdout is not None
    return [json.loads(await asyncio.wait_for(process.stdout.readline(), 30)) for _ in range(count)]


@pytest.mark.usefixtures("told")
async def test_tail_shows_the_latest_and_then_each_new_one_until_it_is_interrupted(database: Database, ledgers: Ledgers) -> None:
    process = await asyncio.create_subprocess_exec(
        *GESTA,
        *("events", "tail", "--tenant", "acme"),
        env=environment(database),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        latest = await lines_of(process, 20)
        last = len(whole_story("acme"))
        assert [each["position"] for each in latest] == [*range(last - 19, last + 1)]
        await ledgers.append(GLOBEX, (an_id("r"), RoleCreated("elsewhere", "E", ())))
        await ledgers.append(ACME, (an_id("r"), RoleCreated("fresh", "F", ())))
        await ledgers.conn.execute("SELECT pg_notify('gesta_events', '')")
        (new,) = await lines_of(process, 1)
        assert (new["position"], new["data"]["key"]) == (last + 1, "fresh")
        process.send_signal(signal.SIGINT)
        rest, complaints = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, rest, complaints) == (0, b"", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_an_event_that_cannot_be_applied_is_skipped_on_record(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    await ledgers.append(ACME, (an_id("x"), ExecutionCompleted(None)), (an_id("r"), RoleCreated("r", "R", ())))
    await projector.catch_up()
    acme = ("--tenant", str(ACME))
    refused = gesta(database, "projections", "skip", *acme, "--position", "2", "--reason", "to be rid of it")
    assert refused.returncode == 1
    assert refused.stderr == "gesta: Event 2 cannot be skipped: event 1 holds it up.\n"
    skipped = gesta(database, "projections", "skip", *acme, "--position", "1", "--reason", "a bug of ours")
    assert (skipped.returncode, skipped.stdout) == (0, f"{ACME}: event 1 is skipped.\n")
    await projector.catch_up()
    assert (
        "skipped: a bug of ours (Unappliable: workflow_executions has no row" in gesta(database, "projections", "status").stdout
    )
    replayed = gesta(database, "replay", *acme)
    assert replayed.returncode == 0
    assert "event 1 was skipped at" in replayed.stdout
    verified = json.loads(gesta(database, "verify", *acme, "--json").stdout)
    assert [each["reason"] for each in verified["tenants"][0]["skipped"]] == ["a bug of ours"]


async def test_what_holds_a_tenant_up_is_shown_and_tried_again(
    database: Database, ledgers: Ledgers, projector: Projector
) -> None:
    assert gesta(database, "projections", "retry").stdout == "Nothing is held up.\n"
    await ledgers.append(ACME, (an_id("x"), ExecutionCompleted(None)))
    await projector.catch_up()
    status = gesta(database, "projections", "status").stdout
    assert "behind by 1" in status
    assert "cannot be applied (1 attempts): Unappliable: workflow_executions has no row" in status
    assert gesta(database, "projections", "retry", "--tenant", str(ACME)).stdout == "1 will be retried.\n"


async def test_the_process_projects_and_stops_when_told(
    database: Database, ledgers: Ledgers, system: AsyncConnection[Any]
) -> None:
    await ledgers.append(PLATFORM, *platform_story())
    await listen(system, [PROJECTED.name])
    process = await asyncio.create_subprocess_exec(*GESTA, "projector", env=environment(database), stdin=subprocess.DEVNULL)
    try:
        notes = [note async for note in system.notifies(timeout=60, stop_after=1)]
        assert [note.payload for note in notes] == [str(PLATFORM)]
        assert await freshness.position(system, PLATFORM) == len(platform_story())
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("url", ["owner_url", "superuser_url"])
def test_the_process_refuses_to_run_as_somebody_mightier(url: str, database: Database) -> None:
    refused = subprocess.run(
        [*GESTA, "projector"],
        env={**environment(database), "GESTA_SYSTEM_DATABASE_URL": getattr(database, url)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 1
    assert refused.stderr.startswith("gesta: ")
