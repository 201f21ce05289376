"""The clients against a running server: start, wait, decide; lists; definitions; and lost answers."""

import asyncio
import json

import pytest

from client import AsyncClient, Client, Conflict, Invalid, NotFound, PermissionDenied, StillRunning, Unauthorized
from client.protocol import Lost, Reply, Request
from tests.api.conftest import Gesta, Tenant
from tests.api.definitions import APPROVAL, INSTANT
from tests.client.conftest import url_of
from tests.worker.house import at_work, worker_of


async def test_ask_decide_and_wait(boss: AsyncClient) -> None:
    asked = await boss.request_approval("A new press?", context={"price": 12.5}, timeout="P1D")
    decided = await boss.decide(asked.id, "approved")
    assert (asked.status, decided.outcome, decided.execution) == ("pending", "approved", None)
    ended = await boss.wait_approval(asked.id)
    assert (ended.closed, ended.outcome, ended.execution_id, ended.node_id) == (True, "approved", None, None)
    assert not (await boss.wait_approval((await boss.request_approval("Another?")).id, seconds=0)).closed
    signed = await boss.request_approval("Release?", outcomes=[{"name": "released", "kind": "approve", "proof": "key"}])
    for proof, code in ((None, "proof_required"), ("key gk_x", "proof_failed")):
        with pytest.raises(PermissionDenied) as refused:
            await boss.decide(signed.id, "released", proof=proof)
        assert refused.value.code == code


async def test_start_decide_and_wait(boss: AsyncClient) -> None:
    started = await boss.start("purchase", {"amount": 12.5}, business_key="P-1")
    decided = await boss.decide(started.open[0].id, "approved", comment="Fine.")
    assert decided.execution is not None
    assert (decided.outcome, decided.execution.status) == ("approved", "completed")
    ended = await boss.wait(started.id)
    assert (ended.status, ended.output, ended.business_key) == ("completed", {"paid": 12.5}, "P-1")
    assert (await boss.approval(decided.approval_id)).data["decisions"][0]["comment"] == "Fine."


async def test_a_start_says_what_it_does_where_its_key_is_taken(boss: AsyncClient) -> None:
    first = await boss.start("purchase", {"amount": 1}, business_key="P-1", labels={"team": "north"})
    again = await boss.start("purchase", {"amount": 1}, business_key="P-1", on_conflict="return")
    other = await boss.start("purchase", {"amount": 1}, business_key="P-1", on_conflict="replace")
    assert again == first
    assert (await boss.execution(first.id)).status == "cancelled"
    assert (await boss.execution(other.id)).status == "running"
    with pytest.raises(Conflict):
        await boss.start("purchase", {"amount": 1}, business_key="P-1")


async def test_the_blocking_client_does_the_same(gesta: Gesta, acme: Tenant) -> None:
    member = await acme.member("owner", "approver")

    def play() -> tuple[str, str | None]:
        with Client(url_of(gesta), member.client.token) as client:
            started = client.start("purchase", {"amount": 1})
            client.decide(started.open[0].id, "rejected")
            ended = client.wait(started.id)
            return ended.status, ended.error_details["code"]

    assert await asyncio.to_thread(play) == ("failed", "refused")


async def test_waiting_ends_when_its_time_is_over(boss: AsyncClient) -> None:
    started = await boss.start("purchase", {"amount": 1})
    with pytest.raises(StillRunning) as still:
        await boss.wait(started.id, seconds=0)
    assert [item.node_id for item in still.value.execution.open] == ["review"]


async def test_lists_come_in_pages(boss: AsyncClient) -> None:
    ids = [(await boss.start("purchase", {"amount": amount})).id for amount in (1, 2, 3)]
    first = await boss.executions(status="running", limit=2)
    rest = await boss.executions(status="running", limit=2, cursor=first.next_cursor)
    assert [execution.id for execution in (*first, *rest)] == ids[::-1]
    assert rest.next_cursor is None
    assert [one.id for one in await boss.executions(attributes={"amount": "2"})] == [ids[1]]
    assert {approval.execution_id for approval in await boss.approvals(mine=True)} == set(ids)
    await boss.cancel(ids[0], "Not now.")
    assert (await boss.execution(ids[0])).status == "cancelled"
    assert (await boss.history(ids[0])).items[-1]["topic"] == "execution.cancelled.v1"


async def test_an_execution_is_migrated(boss: AsyncClient) -> None:
    started = await boss.start("purchase", {"amount": 1})
    called_otherwise = json.loads(json.dumps(APPROVAL).replace('"review"', '"check"'))
    await boss.apply(called_otherwise, publish=True)
    preview = await boss.preview_migration(started.id, 2)
    assert (preview.possible, [each.code for each in preview.obstacles]) == (False, ["no_counterpart"])
    with pytest.raises(Conflict) as refused:
        await boss.migrate(started.id, 2)
    assert [each.path for each in refused.value.errors] == ["/mapping/review"]
    assert (await boss.preview_migration(started.id, 2, {"review": "check"})).possible
    migrated = await boss.migrate(started.id, 2, {"review": "check"}, reason="Its name", if_match=started.version)
    assert [item.node_id for item in migrated.open] == ["check"]
    assert (await boss.execution(started.id)).workflow_version == 2


async def test_many_executions_are_acted_on(gesta: Gesta, boss: AsyncClient) -> None:
    ids = [(await boss.start("purchase", {"amount": amount})).id for amount in (1, 2, 3)]
    wanted = {"workflow_key": "purchase", "attr.amount.gte": "2"}
    preview = await boss.would_act_on("cancel", wanted)
    assert (preview.matched, [one.id for one in preview.sample]) == (2, ids[1:])
    asked = await boss.act_on_many("cancel", wanted, reason="Too dear.")
    assert (asked.status, asked.matched, asked.done) == ("running", 2, 0)
    assert not (await boss.bulk_operation_ended(asked.id, seconds=0)).ended
    async with worker_of(gesta.database) as worker, at_work(worker):
        ended = await boss.bulk_operation_ended(asked.id)
    assert (ended.status, ended.done, (await boss.bulk_operation(asked.id)).data["failures"]) == ("completed", 2, [])
    assert [(await boss.execution(id)).status for id in ids] == ["running", "cancelled", "cancelled"]
    signal = await boss.act_on_many("signal", execution_ids=ids[:1], options={"name": "went"})
    assert (await boss.cancel_bulk_operation(signal.id)).status == "cancelled"
    with pytest.raises(Conflict):
        await boss.cancel_bulk_operation(signal.id)
    migration = {"to_version": 1, "mapping": {"review": "review"}}
    preview = await boss.would_act_on("migrate", execution_ids=ids[:2], options=migration)
    assert [(one.execution_id, one.outcome, one.code) for one in preview.forecasts] == [(id, "skipped", None) for id in ids[:2]]
    asked = await boss.act_on_many("migrate", {"workflow_key": "purchase"}, options=migration)
    assert (asked.action, asked.matched) == ("migrate", 3)


async def test_a_definition_is_applied_once(boss: AsyncClient) -> None:
    drafted = await boss.apply(INSTANT)
    assert (drafted.status, drafted.published_version) == ("draft", None)
    assert (await boss.publish(drafted.id, "first")).published_version == 1
    assert (await boss.apply(INSTANT, publish=True)).published_version == 1
    changed = await boss.apply({**INSTANT, "name": "Faster"}, publish=True)
    assert (changed.id, changed.published_version) == (drafted.id, 2)


async def test_refusals_are_typed(gesta: Gesta, acme: Tenant, boss: AsyncClient) -> None:
    with pytest.raises(Invalid) as invalid:
        await boss.start("purchase", {"amount": "much"})
    assert invalid.value.errors[0].path == "/input/amount"
    await boss.start("purchase", {"amount": 1}, business_key="P-1")
    with pytest.raises(Conflict):
        await boss.start("purchase", {"amount": 1}, business_key="P-1")
    with pytest.raises(NotFound):
        await boss.execution("0198c0de-0000-7000-8000-000000000000")
    reader = await acme.service("executions:read")
    async with AsyncClient(url_of(gesta), reader.token) as client:
        with pytest.raises(PermissionDenied):
            await client.start("purchase", {"amount": 1})
    async with AsyncClient(url_of(gesta), "gk_nobody") as client:
        with pytest.raises(Unauthorized):
            await client.executions()


async def test_a_platform_key_names_its_tenant(gesta: Gesta, acme: Tenant) -> None:
    async with AsyncClient(url_of(gesta), gesta.platform.token, tenant=acme.slug) as client:
        assert (await client.start("purchase", {"amount": 1})).status == "running"


async def test_a_start_whose_answer_is_lost_is_one_start(boss: AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    send = boss._send
    lost: list[Reply | Lost] = []

    async def forgetful(request: Request) -> Reply | Lost:
        reply = await send(request)
        if request.method == "POST" and not lost:
            lost.append(reply)
            return Lost(ConnectionResetError("The answer did not arrive."))
        return reply

    monkeypatch.setattr(boss, "_send", forgetful)
    started = await boss.start("purchase", {"amount": 1}, business_key="P-1")
    assert lost
    assert [one.id for one in await boss.executions()] == [started.id]
