"""An event of a release that is newer than this one breaks nothing but what needs it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from projections import poison_events
from projections.replay import replay
from projections.skipped_events import skip
from projections.verify import verify
from tests.api.conftest import Client, Gesta, Tenant
from tests.api.definitions import TASK
from tests.api.test_events_sse import following
from tests.api.working import lease, start
from tests.cli.test_db import gesta as command_line
from tests.conftest import Database

NEWER = "execution.teleported.v1"
UNREAD = f"unknown topic: '{NEWER}'"
DATA = {"activation_id": str(uuid4()), "secret_hash": "cd" * 32, "where": ["Oslo"]}

# what a newer release would append: the next event of a stream
PLANT = """
WITH appended AS (
INSERT INTO ledger.events (tenant_id, position, stream_id, version, topic, occurred_at, recorded_at, command_id, meta, data)
SELECT %(tenant)s, (SELECT max(position) + 1 FROM ledger.events WHERE tenant_id = %(tenant)s), %(stream)s,
       (SELECT coalesce(max(version), 0) + 1 FROM ledger.events WHERE tenant_id = %(tenant)s AND stream_id = %(stream)s),
       %(topic)s, clock_timestamp(), clock_timestamp(), gen_random_uuid(),
       convert_to('{"actor_type": "system"}', 'UTF8'), %(data)s
RETURNING *)
INSERT INTO runtime.commands (tenant_id, command_id, position, created_at)
SELECT tenant_id, command_id, position, recorded_at FROM appended RETURNING position
"""


def plant(database: Database, tenant: Tenant, stream: str, topic: str = NEWER) -> int:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        values = {"tenant": tenant.id, "stream": stream, "topic": topic, "data": json.dumps(DATA).encode()}
        row = superuser.execute(PLANT, values).fetchone()
        superuser.execute("SELECT pg_notify('gesta_events', '')")
    assert row is not None
    return int(row[0])


async def faults(tenant: Tenant) -> Any:
    answer = await tenant.admin.get("/projections/faults")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
async def acme(gesta: Gesta) -> Tenant:
    made = await gesta.tenant()
    await made.publish(TASK)
    return made


@pytest.fixture
async def execution(acme: Tenant) -> str:
    return await start(acme)


@pytest.fixture
async def position(database: Database, acme: Tenant, execution: str, gesta: Gesta) -> int:
    """Of the event, which the projector has met."""
    planted = plant(database, acme, execution)
    await gesta.projector.catch_up()
    return planted


@pytest.mark.usefixtures("position")
async def test_lists_and_histories_show_it_raw_and_marked(acme: Tenant, execution: str, position: int) -> None:
    shown = {**DATA, "secret_hash": "[redacted]"}
    listed = (await acme.admin.get("/events", after=position - 1)).json()["items"]
    assert [(item["topic"], item["data"], item["unread"]) for item in listed] == [(NEWER, shown, UNREAD)]
    assert all("unread" not in item for item in (await acme.admin.get("/events", limit=5)).json()["items"])
    *_, last = (await acme.admin.get(f"/executions/{execution}/history")).json()["items"]
    del shown["activation_id"]
    assert (last["topic"], last["data"], last["unread"]) == (NEWER, shown, UNREAD)
    for path in ("/executions", f"/executions/{execution}", "/audit-logs", "/jobs", "/workflows", "/me"):
        assert (await acme.admin.get(path)).status_code == 200, path


async def test_whoever_follows_is_shown_it(acme: Tenant, position: int) -> None:
    reader = await acme.service("events:read")
    async with following(reader, f"?after={position - 1}") as stream:
        message = await stream.next()
    assert (message["id"], message["event"], message["data"]["unread"]) == (position, NEWER, UNREAD)


@pytest.mark.usefixtures("position")
async def test_a_command_that_needs_it_is_told_that_a_newer_release_is_needed(gesta: Gesta, acme: Tenant, execution: str) -> None:
    for verb, body in {"cancel": {"reason": "no"}, "pause": {}, "signal": {"name": "x", "payload": {}}}.items():
        answer = await acme.admin.post(f"/executions/{execution}/{verb}", body)
        assert (answer.status_code, answer.json()["code"]) == (503, "newer_release"), answer.text
        assert answer.headers["Retry-After"]
    worker: Client = await acme.service("jobs:work")
    (job,) = (await lease(worker)).json()["items"]
    report = await worker.post(f"/jobs/{job['id']}/complete", {"fence": job["fence"], "output": {}})
    assert (report.status_code, report.json()["code"]) == (503, "newer_release")
    assert await start(acme), "other executions go on"
    await gesta.tenant("other")


async def test_the_projector_waits_for_its_own_upgrade(
    database: Database, gesta: Gesta, acme: Tenant, position: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        fault = (await poison_events.read_poison_events(conn))[acme.id]
        assert (fault.position, fault.topic) == (position, NEWER)
        await gesta.projector.catch_up()
        assert (await poison_events.read_poison_events(conn))[acme.id] == fault, "it is not tried again: nothing has changed"
        monkeypatch.setattr(poison_events, "is_known", lambda topic: topic == NEWER)
        await gesta.projector.catch_up()
        assert (await poison_events.read_poison_events(conn))[acme.id].attempts == 2, "a release that knows it tries at once"


async def test_skipping_it_cures_the_tables_replay_and_verify(
    database: Database, gesta: Gesta, acme: Tenant, execution: str, position: int
) -> None:
    later = await start(acme)
    async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as conn:
        told = await faults(acme)
        held_up = told["held_up"]
        assert (told["position"], held_up["position"], told["items"]) == (position - 1, position, [])
        assert (held_up["needs_release"], held_up["retry_at"], held_up["attempts"]) == (True, None, 1)
        assert (held_up["event"]["topic"], held_up["event"]["stream_id"]) == (NEWER, execution)
        assert held_up["event"]["data"]["secret_hash"] == "[redacted]"
        assert "Traceback" not in str(told)
        await skip(conn, acme.id, position, "of a release that was taken back", now=datetime.now(UTC), by="ann")
        await gesta.projector.catch_up()
        read = await acme.admin.get(f"/executions/{later}")
        assert (read.status_code, read.headers.get("Gesta-Stale")) == (200, None)
        told = await faults(acme)
        (item,) = told["items"]
        assert (told["held_up"], item["position"], item["up_to"], item["topic"]) == (None, position, position, NEWER)
        assert (item["reason"], item["actor"]["id"]) == ("of a release that was taken back", "ann")
        (recorded,) = (await acme.admin.get("/events", after=item["recorded_position"] - 1, limit=1)).json()["items"]
        assert recorded["topic"] == "projection.event_skipped.v1"
        assert (await replay(conn, acme.id)).equal
        verdict = await verify(conn, acme.id)
        assert verdict.holds, verdict.broken
        assert [each.position for each in verdict.comparison.skipped] == [position]
    history = (await acme.admin.get(f"/executions/{execution}/history")).json()["items"]
    assert history[-1]["unread"] == UNREAD
    refused = await acme.admin.post(f"/executions/{execution}/cancel", {"reason": "no"})
    assert refused.json()["code"] == "newer_release", "nobody decides without knowing all that happened"


async def test_a_later_version_of_the_first_event_is_still_an_executions_history(database: Database, acme: Tenant) -> None:
    stream = str(uuid4())
    plant(database, acme, stream, "execution.started.v9")
    answer = await acme.admin.get(f"/executions/{stream}/history")
    assert [item["topic"] for item in answer.json()["items"]] == ["execution.started.v9"]


def test_events_show_prints_it(database: Database, tmp_path: Path) -> None:
    stream = UUID(int=7)
    addresses = {
        "DATABASE_URL": database.owner_url,
        "GESTA_SYSTEM_DATABASE_URL": database.system_url,
        "GESTA_API_DATABASE_URL": database.api_url,
    }
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        platform: Any = UUID("00000000-0000-0000-0000-000000000001")
        event = {"tenant": platform, "stream": stream, "topic": NEWER, "data": b"\x00 no JSON"}
        superuser.execute(PLANT.replace("max(position) + 1", "coalesce(max(position), 0) + 1"), event)
    shown = command_line(tmp_path, "events", "show", **addresses)
    (line,) = shown.stdout.splitlines()
    assert (shown.returncode, json.loads(line)["unread"], json.loads(line)["data"]) == (0, UNREAD, {"base64": "ACBubyBKU09O"})
    folded = command_line(tmp_path, "events", "show", "--stream", str(stream), "--fold", **addresses)
    assert folded.returncode == 1
    assert f"Event 1 ({NEWER}) cannot be folded: {UNREAD}." in folded.stderr
    assert "Traceback" not in folded.stderr
