"""Decisions on states that are behind, that never come true, or that do not belong together: anything may be raised there."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.facts import Claim, Decided, Fact, View
from domain.role import ROLE, RoleChanged, RoleCreated, RoleDeleted
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.cel import CelEvaluator
from engine.engine import Engine
from store.append import Entry
from store.codec import Unencodable
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.store.handling import Process, command, create, held_head, rename, running, stored
from tests.store.ledgers import append, positions
from tests.store.test_handler import refusals

Ledger = psycopg.Connection[Any]


def both(one: UUID, other: UUID, name: str, *, first: bool = False) -> Entry:
    """Two roles that always have the same name: one command of another process changes both."""
    event = RoleCreated("k", name, ()) if first else RoleChanged(name, ())
    made = stored(one, event)
    return Entry(made.command_id, made.meta, [*made.events, *stored(other, event).events])


async def test_an_error_of_any_kind_from_a_state_that_is_behind_is_not_final(
    process: Process, ledger: Ledger, tenant: UUID
) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleChanged("known", ())))

    def decide(view: View) -> Decided:
        return rename(role_id, {"known": "found"}[view.read(ROLE, role_id).name])(view)

    assert (await process.handler.handle(command(tenant), decide)).result == "found"


async def test_one_state_at_hand_and_one_just_read_need_not_belong_together(
    process: Process, ledger: Ledger, tenant: UUID
) -> None:
    one, other = uuid4(), uuid4()
    append(ledger, tenant, both(one, other, "first", first=True))
    await process.handler.read(tenant, ROLE, one)
    append(ledger, tenant, both(one, other, "second"))

    def decide(view: View) -> Decided:
        names = {view.read(ROLE, one).name: one}
        return rename(names[view.read(ROLE, other).name], "renamed")(view)

    assert (await process.handler.handle(command(tenant), decide)).result == "renamed"


@pytest.mark.parametrize("changes", [1, 2, 3])
async def test_streams_that_belong_together_are_read_as_of_one_moment(
    process: Process, ledger: Ledger, tenant: UUID, changes: int
) -> None:
    """Others change both of them each time after the first one was read, and before the second one is."""
    one, other = uuid4(), uuid4()
    append(ledger, tenant, both(one, other, "0", first=True))
    left = list(range(1, changes + 1))

    def decide(view: View) -> Decided:
        names = {view.read(ROLE, one).name: True}
        if left:
            append(ledger, tenant, both(one, other, str(left.pop(0))))
        return Decided(result=names[view.read(ROLE, other).name])

    assert (await process.handler.handle(command(tenant), decide)).result is True


async def test_a_name_and_the_stream_that_holds_it_are_read_as_of_one_moment(
    process: Process, ledger: Ledger, tenant: UUID
) -> None:
    """The name moves on, each time after its holder was looked up and before that is read."""
    holders = [uuid4() for _ in range(4)]
    append(ledger, tenant, stored(holders[0], RoleCreated("k", "n", ()), claims=[Claim("role.key", "k", holders[0])]))
    moved = 0

    def move_on() -> None:
        nonlocal moved
        old, new = holders[moved], holders[moved + 1]
        gone = stored(old, RoleDeleted("k"), releases=[Claim("role.key", "k", old)])
        append(ledger, tenant, gone, stored(new, RoleCreated("k", "n", ()), claims=[Claim("role.key", "k", new)]))
        moved += 1

    def decide(view: View) -> Decided:
        holder = view.owner("role.key", "k")
        assert holder is not None
        if moved < 3:
            move_on()
        return Decided(result={True: str(holder)}[view.read(ROLE, holder).exists])

    assert (await process.handler.handle(command(tenant), decide)).result == str(holders[3])


async def test_what_is_raised_on_what_the_ledger_holds_is_a_fault_and_told(
    process: Process, ledger: Ledger, tenant: UUID
) -> None:
    role_id, seen = uuid4(), []
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleChanged("second", ())))

    def decide(view: View) -> Decided:
        seen.append(view.read(ROLE, role_id).name)
        raise KeyError(seen[-1])

    with pytest.raises(KeyError, match="second"):
        await process.handler.handle(command(tenant), decide)
    assert seen == ["Name", "second"]
    assert refusals(ledger, tenant) == []


async def test_facts_that_cannot_be_stored_may_come_of_a_state_that_is_behind(
    process: Process, ledger: Ledger, tenant: UUID
) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    append(ledger, tenant, stored(role_id, RoleChanged("second", ())))

    def decide(view: View) -> Decided:
        return rename(role_id, {"Name": "nul\x00"}.get(view.read(ROLE, role_id).name, "fine"))(view)

    assert (await process.handler.handle(command(tenant), decide)).result == "fine"
    with pytest.raises(Unencodable):
        await process.handler.handle(command(tenant), rename(role_id, "nul\x00"))


async def test_an_error_from_a_state_that_never_comes_true_waits_for_its_end(
    process: Process, database: Database, ledger: Ledger, tenant: UUID
) -> None:
    role_id, looked = uuid4(), []
    append(ledger, tenant, stored(role_id, RoleCreated("k", "first", ())))

    def only_from_first(view: View) -> Decided:
        # "2" where the other one was decided again before this
        assert view.read(ROLE, role_id).name in ("first", "foreign", "2")
        return rename(role_id, "speculative")(view) if view.version(role_id) == 1 else Decided()

    def fault(view: View) -> Decided:
        looked.append(view.read(ROLE, role_id).name)
        return rename(role_id, {"first": "1", "foreign": "2"}[looked[-1]])(view)

    with held_head(database.system_url, tenant) as other:
        doomed = asyncio.create_task(process.handler.handle(command(tenant), only_from_first))
        await process.until(lambda: process.writer.unsettled == 1)
        faulty = asyncio.create_task(process.handler.handle(command(tenant), fault))
        await process.until(lambda: bool(looked))
        append(other, tenant, stored(role_id, RoleChanged("foreign", ())))
    assert (await doomed).position is None
    assert (await faulty).result == "2"
    assert looked[0] == "speculative"
    assert positions(ledger, tenant) == [1, 2, 3]


async def test_on_a_hot_stream_too_a_state_that_is_behind_is_read_again(process: Process, ledger: Ledger, tenant: UUID) -> None:
    """Others of this process write the one stream all the time; another process has changed both."""
    hot, still = uuid4(), uuid4()
    append(ledger, tenant, both(hot, still, "0", first=True))
    await asyncio.gather(*[process.handler.read(tenant, ROLE, stream) for stream in (hot, still)])
    append(ledger, tenant, both(hot, still, "1"))

    def turn(view: View) -> Decided:
        permissions = {"1": ("a:b",)}[view.read(ROLE, still).name]
        name = str(int(view.read(ROLE, hot).name) + 1)
        return Decided((Fact(hot, RoleChanged(name, permissions)),), result=int(name))

    done = await asyncio.gather(*[process.handler.handle(command(tenant), turn) for _ in range(50)])
    assert sorted(one.result for one in done) == list(range(2, 52))


async def test_a_refusal_from_before_a_restore_is_not_final(process: Process, database: Database, tenant: UUID) -> None:
    """The ledger was taken back: what this process knows is ahead of it, and never to be had again."""
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    await process.handler.handle(command(tenant), rename(role_id, "gone"))
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute("ALTER TABLE ledger.events DISABLE TRIGGER append_only")
        superuser.execute("DELETE FROM ledger.events WHERE tenant_id = %s AND position > 1", (tenant,))

    def decide(view: View) -> Decided:
        return rename(role_id, {"Name": "again"}[view.read(ROLE, role_id).name])(view)

    assert (await process.handler.handle(command(tenant), decide)).result == "again"


async def test_what_is_final_costs_one_look_at_the_ledger(
    process: Process, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many streams and names the decision read; and what is accepted at once costs none."""
    roles, looks = [uuid4() for _ in range(3)], []
    for role_id in roles:
        await process.handler.handle(command(tenant), create(role_id))
    together = process.loader.together

    async def counted(*asked: Any) -> Any:
        looks.append(asked)
        return await together(*asked)

    monkeypatch.setattr(process.loader, "together", counted)
    await process.handler.handle(command(tenant), rename(roles[0], "accepted"))
    assert looks == []

    def nothing(view: View) -> Decided:
        return Decided(result=[view.read(ROLE, role_id).name for role_id in roles])

    assert (await process.handler.handle(command(tenant), nothing)).result == ["accepted", "Name", "Name"]
    assert len(looks) == 1


async def test_a_plan_is_not_kept_of_a_version_that_another_one_becomes(database: Database, ledger: Ledger, tenant: UUID) -> None:
    """Publishing is under way here, and the version becomes what another process published under that number."""
    workflow_id, engine = uuid4(), Engine(CelEvaluator())
    ours = drawing({"s": "start", "ours": "end"}, "s > ours")
    theirs = drawing({"s": "start", "theirs": "end"}, "s > theirs")
    append(ledger, tenant, stored(workflow_id, WorkflowDrafted("w", "W", ours)))

    def publish(view: View) -> Decided:
        if view.version(workflow_id) > 1:
            return Decided()
        return Decided((Fact(workflow_id, WorkflowPublished(1, ours)),))

    planned: list[set[str]] = []

    def plan(view: View) -> Decided:
        planned.append(set(engine.plan(view, workflow_id, 1).nodes))
        return Decided((Fact(view.new_id(), RoleCreated("k", "n", ())),))

    async with running(database.system_url) as process:
        with held_head(database.system_url, tenant) as other:
            doomed = asyncio.create_task(process.handler.handle(command(tenant), publish))
            await process.until(lambda: process.writer.unsettled == 1)
            planning = asyncio.create_task(process.handler.handle(command(tenant), plan))
            await process.until(lambda: bool(planned))
            append(other, tenant, stored(workflow_id, WorkflowPublished(1, theirs)))
        await asyncio.gather(doomed, planning)
        assert planned[0] == {"s", "ours"}
        await process.handler.handle(command(tenant), plan)
        assert planned[-1] == {"s", "theirs"}
