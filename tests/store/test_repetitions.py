"""Repetitions by Idempotency-Key: decided before they are known as such, and answered as if they had not been decided at all."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.facts import Decided, Fact, PermissionDenied, View
from domain.role import ROLE, RoleChanged, RoleCreated
from store.command import Command, CommandResult
from store.deciding import Decide
from store.errors import KeyReused, LeaseLost, UnknownLedger
from store.queue import BatchLimits
from tests.conftest import Database
from tests.store.handling import Process, RoleExists, command, count_up, create, held_head, rename, running
from tests.store.ledgers import positions, versions
from tests.store.proxy import proxied
from tests.store.test_handler import refusals

FIRST = CommandResult(1, 1, "first")
REPLAYED = CommandResult(1, 1, "first", replayed=True)


def keyed(tenant: UUID, request_hash: bytes = b"h", **given: Any) -> Command:
    return command(tenant, command_id=UUID(int=0xC0), request_hash=request_hash, **given)


def first(view: View) -> Decided:
    return Decided((Fact(view.new_id(), RoleCreated("key", "Name", ())),), result="first")


def refuse(refusal: Exception) -> Decide:
    def decide(_view: View) -> Decided:
        raise refusal

    return decide


def unencodable(view: View) -> Decided:
    return Decided((Fact(view.new_id(), RoleCreated("key", "nul\x00", ())),))


def otherwise(view: View) -> Decided:
    return Decided((Fact(view.new_id(), RoleCreated("other", "Other", ())),), result="second")


NOW_COME_TO: dict[str, Callable[[], Decide]] = {
    "a rule": lambda: refuse(RoleExists()),
    "a permission that is gone": lambda: refuse(PermissionDenied()),
    "a job that is gone": lambda: refuse(LeaseLost()),
    "a fault": lambda: refuse(ZeroDivisionError()),
    "what cannot be stored": lambda: unencodable,
    "nothing to do": lambda: lambda _: Decided(result="second"),
    "other facts": lambda: otherwise,
}


@pytest.fixture(params=list(NOW_COME_TO.values()), ids=list(NOW_COME_TO))
def second(request: pytest.FixtureRequest) -> Decide:
    """What the same decision comes to by now."""
    made: Decide = request.param()
    return made


@pytest.mark.parametrize("where", ["process", "other"])
async def test_a_repetition_is_answered_as_the_first_time_whatever_it_comes_to_now(
    process: Process, other: Process, ledger: psycopg.Connection[Any], tenant: UUID, second: Decide, where: str
) -> None:
    assert await process.handler.handle(keyed(tenant), first) == FIRST
    at = process if where == "process" else other
    assert await at.handler.handle(keyed(tenant), second) == REPLAYED
    assert positions(ledger, tenant) == [1], "no evidence either: nothing was refused"


@pytest.mark.parametrize("where", ["process", "other"])
async def test_a_key_of_another_request_is_refused_whatever_this_one_comes_to(
    process: Process, other: Process, ledger: psycopg.Connection[Any], tenant: UUID, second: Decide, where: str
) -> None:
    await process.handler.handle(keyed(tenant), first)
    at = process if where == "process" else other
    with pytest.raises(KeyReused):
        await at.handler.handle(keyed(tenant, b"another request"), second)
    assert positions(ledger, tenant) == [1]


async def test_a_new_key_is_looked_up_by_the_append_alone(
    process: Process, tenant: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process.loader, "command", refuse(AssertionError("asked twice")))
    assert await process.handler.handle(keyed(tenant), first) == FIRST


async def test_what_a_new_key_is_refused_is_recorded_and_stays_refused(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    for _ in range(2):
        with pytest.raises(RoleExists):
            await process.handler.handle(keyed(tenant), refuse(RoleExists()))
    assert refusals(ledger, tenant) == ["role_exists"] * 2


async def test_a_fault_under_a_new_key_stays_the_fault_it_is(
    process: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    with pytest.raises(ZeroDivisionError):
        await process.handler.handle(keyed(tenant), refuse(ZeroDivisionError()))
    assert positions(ledger, tenant) == []
    assert await process.handler.handle(keyed(tenant), first) == FIRST


async def test_a_refusal_in_a_ledger_that_does_not_exist_is_that_it_does_not(process: Process) -> None:
    with pytest.raises(UnknownLedger):
        await process.handler.handle(keyed(uuid4()), refuse(RoleExists()))


async def test_a_repetition_decided_on_an_outdated_state_leaves_no_trace_in_it(
    process: Process, other: Process, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    """The other process holds the state of before the first time, to which the command could be done again."""
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    await other.handler.read(tenant, ROLE, role_id)
    await process.handler.handle(keyed(tenant), rename(role_id, "renamed"))
    assert await other.handler.handle(keyed(tenant), rename(role_id, "twice")) == CommandResult(2, 1, "renamed", replayed=True)
    assert (await other.handler.read(tenant, ROLE, role_id))[0].name == "renamed"
    assert (await other.handler.handle(command(tenant), count_up_from_name(role_id))).result == "renamed+"
    assert versions(ledger, tenant, role_id) == [1, 2, 3]


def count_up_from_name(role_id: UUID) -> Decide:
    def decide(view: View) -> Decided:
        name = f"{view.read(ROLE, role_id).name}+"
        return Decided((Fact(role_id, RoleChanged(name, ())),), result=name)

    return decide


async def test_what_was_decided_on_a_repetition_is_decided_again(process: Process, database: Database, tenant: UUID) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    await process.handler.handle(keyed(tenant), rename(role_id, "renamed"))
    repetition = process.handler.handle(keyed(tenant), rename(role_id, "twice"))
    chained = process.handler.handle(command(tenant), count_up_from_name(role_id))
    with held_head(database.system_url, tenant):
        calls = [asyncio.create_task(call) for call in (repetition, chained)]
        await process.until(lambda: process.writer.unsettled == 2)
    assert [(await call).result for call in calls] == ["renamed", "renamed+"]


async def test_if_match_is_for_the_first_time(process: Process, tenant: UUID) -> None:
    role_id = uuid4()
    await process.handler.handle(command(tenant), create(role_id))
    given = keyed(tenant, expect={role_id: 1})
    assert await process.handler.handle(given, rename(role_id, "x")) == CommandResult(2, 1, "x")
    assert await process.handler.handle(given, rename(role_id, "x")) == CommandResult(2, 1, "x", replayed=True)


async def test_a_repetition_is_answered_although_somebody_holds_the_ledger(database: Database, tenant: UUID) -> None:
    async with running(database.system_url, limits=BatchLimits(lock_timeout=0.05)) as process:
        await process.handler.handle(keyed(tenant), first)
        with held_head(database.system_url, tenant):
            assert await process.handler.handle(keyed(tenant), first) == REPLAYED


@pytest.mark.parametrize("lose", ["answers", "requests"])
async def test_a_repetition_that_had_to_be_sent_again_is_one_all_the_same(database: Database, tenant: UUID, lose: str) -> None:
    role_id = uuid4()
    async with (
        proxied(database.system_url) as proxy,
        running(database.system_url, proxy.url, BatchLimits(lanes=1)) as process,
    ):
        await process.handler.handle(keyed(tenant), count_up(role_id))
        proxy.lose_answers() if lose == "answers" else proxy.lose_requests()
        done = await process.handler.handle(keyed(tenant), count_up(role_id))
    assert proxy.lost == 1
    assert done == CommandResult(1, 1, 1, replayed=True)
