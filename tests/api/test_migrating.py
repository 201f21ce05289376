"""Migration over HTTP: two processes, a worker that reports over the change, and what the tables say of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.api.behind import Two, ok
from tests.api.conftest import Gesta
from tests.api.racing import DUE, ROUNDS, at_once, code, ended, ends, history, racing
from tests.api.working import execution, leased, report, run_sql
from tests.engine.drawing import ask, drawing
from tests.worker.house import worker_of
from worker.maintenance import fire_timers

WORK = drawing(
    {"s": "start", "one": ("task", {"job_type": "one"}, {"timeout": "PT1H"}), "e": "end"}, "s > one", "one > e", key="race"
)
RENAMED = drawing(
    {
        "s": "start",
        "uno": ("task", {"job_type": "one"}),
        "check": ask("ok:approve"),
        "late": "end",
        "e": ("end", {"output": "=[nodes.uno.output, execution.workflow_version]"}),
    },
    "s > uno",
    "uno > check",
    "uno.timeout > late",
    "check.ok > e",
    key="race",
)
MAPPING = {"one": "uno"}


@pytest.fixture
async def two(gesta: Gesta) -> AsyncIterator[Two]:
    """In the end, all tables are as the events say."""
    async with racing(gesta) as made:
        yield made


async def published(two: Two, first: Any = WORK, *others: Any) -> None:
    workflow_id = await two.behind.publish(first)
    for definition in others or (RENAMED,):
        await ok(two.behind.admin.call("PUT", f"/workflows/{workflow_id}/draft", {"definition": definition}))
        await ok(two.behind.admin.post(f"/workflows/{workflow_id}/publish"))


async def begun(two: Two) -> str:
    return str((await ok(two.behind.admin.post("/executions", {"workflow_key": "race", "version": 1, "input": {}})))["id"])


async def migrate(process: Any, id: str, **body: Any) -> httpx2.Response:
    headers = {name.replace("_", "-"): body.pop(name) for name in ("Idempotency_Key", "If_Match") if name in body}
    answer: httpx2.Response = await process.admin.post(
        f"/executions/{id}/migrate", {"to_version": 2, "mapping": MAPPING, **body}, **headers
    )
    return answer


async def test_a_worker_reports_over_the_change_and_the_other_process_goes_on(two: Two) -> None:
    await published(two)
    id = await begun(two)
    job = await leased(two.worker, "one")
    before = await execution(two.behind, id)
    preview = await ok(migrate(two.ahead, id, dry_run=True))
    assert (preview["possible"], preview["version"], preview["moved"][0]["to"]) == (True, before["version"], "uno")
    assert (await execution(two.behind, id)) == before, "a dry run writes nothing"
    migrated = await migrate(two.ahead, id, reason="better")
    assert migrated.status_code == 200, migrated.text
    assert migrated.headers["ETag"] == f'"{migrated.json()["version"]}"'
    row = await execution(two.behind, id)
    assert (row["workflow_version"], row["current_nodes"], row["open"][0]["node_id"]) == (2, ["uno"], "uno")
    waits = (await ok(two.behind.admin.get(f"/executions/{id}/waits")))["items"]
    assert {wait["node_id"] for wait in waits} == {"uno"}
    found = (await ok(two.behind.admin.get("/executions", node_id="uno")))["items"]
    assert [one["id"] for one in found] == [id]
    assert code(await report(two.at(two.behind, two.worker), job, "complete", {"output": 7})) == ""
    (item,) = (await execution(two.ahead, id))["open"]
    assert item["node_id"] == "check"
    await ok(two.person.client.post(f"/approvals/{item['id']}/decide", {"outcome": "ok"}))
    assert (await execution(two.ahead, id))["output"] == [7, 2]
    topics = [item["topic"] for item in await history(two, id)]
    assert topics.count("execution.migrated.v1") == 1
    (entry,) = (await ok(two.ahead.admin.get("/audit-logs", action="execution.migrated", resource_id=id)))["items"]
    assert entry["metadata"]["before"]["workflow_version"] == 1
    assert entry["metadata"]["after"]["workflow_version"] == 2


async def test_a_key_makes_it_once_and_if_match_makes_it_what_was_seen(two: Two) -> None:
    await published(two)
    id = await begun(two)
    version = (await execution(two.behind, id))["version"]
    stale = await migrate(two.ahead, id, If_Match=f'"{version - 1}"')
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    first = await migrate(two.ahead, id, Idempotency_Key="once", If_Match=f'"{version}"')
    again = await migrate(two.behind, id, Idempotency_Key="once", If_Match=f'"{version}"')
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_what_stands_in_the_way_is_told_at_its_node_and_recorded(two: Two) -> None:
    await published(two)
    id = await begun(two)
    refused = await migrate(two.ahead, id, mapping={})
    assert (refused.status_code, refused.json()["code"]) == (409, "migration_refused")
    assert [(each["path"], each["code"]) for each in refused.json()["errors"]] == [("/mapping/one", "no_counterpart")]
    preview = await ok(migrate(two.behind, id, mapping={}, dry_run=True))
    assert (preview["possible"], preview["status"], preview["open"]) == (False, None, None)
    assert preview["obstacles"] == refused.json()["errors"]
    unknown = await migrate(two.behind, id, mapping={"nowhere": "uno"})
    assert (unknown.status_code, unknown.json()["errors"][0]["path"]) == (422, "/mapping/nowhere")
    later = await migrate(two.behind, id, to_version=9)
    assert (later.status_code, later.json()["errors"][0]["path"]) == (422, "/to_version")
    assert (await two.behind.admin.get("/audit-logs", action="command.refused", resource_id=id)).status_code == 200


async def test_a_report_against_the_migration(two: Two) -> None:
    """Whoever comes first, the report counts, once, and the execution goes on by the version that it is at then."""
    await published(two)
    for number in range(ROUNDS):
        id = await begun(two)
        job = await leased(two.worker, "one", wait_seconds=10)
        reported, migrated = await at_once(
            number, report(two.worker, job, "complete", {"output": number}), migrate(two.ahead, id)
        )
        assert code(reported) == ""
        assert code(migrated) in ("", "execution_closed")
        row = await execution(two.behind, id)
        if code(migrated):
            assert (row["status"], row["workflow_version"]) == ("completed", 1)
        else:
            assert (row["open"][0]["node_id"], row["workflow_version"]) == ("check", 2)


async def test_a_timeout_against_the_migration(two: Two) -> None:
    await published(two)
    for number in range(ROUNDS):
        id = await begun(two)
        await run_sql(two.behind.gesta.database, DUE)
        async with worker_of(two.behind.gesta.database) as house:
            _, migrated = await at_once(number, fire_timers(house.context), migrate(two.ahead, id))
            while await fire_timers(house.context):
                pass
        row = await execution(two.behind, id)
        if code(migrated):
            assert (row["status"], row["error_details"]["code"], row["workflow_version"]) == ("failed", "timeout", 1)
        else:
            assert (row["status"], row["workflow_version"], await ended(two, id, "uno")) == (
                "completed",
                2,
                [("activation.failed.v1", "timeout")],
            )


async def test_two_migrations_at_once(two: Two) -> None:
    await published(two)
    for number in range(ROUNDS):
        id = await begun(two)
        one, other = await at_once(number, migrate(two.ahead, id), migrate(two.behind, id))
        # who comes second finds another version, whose nodes the mapping does not name
        assert sorted([one.status_code, other.status_code]) == [200, 422]
        assert (await execution(two.behind, id))["workflow_version"] == 2
        assert await ends(two, id) == []


async def test_many_at_once_are_each_decided_alone(two: Two) -> None:
    await published(two)
    ids = [await begun(two) for _ in range(8)]
    answers = await asyncio.gather(*(migrate(two.ahead, id) for id in ids))
    assert [answer.status_code for answer in answers] == [200] * 8
    for _ in ids:
        await ok(report(two.worker, await leased(two.worker, "one"), "complete"))
    assert {(await execution(two.behind, id))["current_nodes"][0] for id in ids} == {"check"}
