"""What processes know of providers of AI models together: places, rates, shares and circuits, counted by the database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import AsyncConnection

from domain.ai_provider import AiLimits
from store import ai_providers
from store.ai_providers import FAILURES, Place, Verdict, Wait
from tests.conftest import Database

OWNER, PROVIDER = uuid4(), uuid4()
LASTS = timedelta(minutes=1)


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[AsyncConnection[Any]]:
    async with await AsyncConnection.connect(database.system_url, autocommit=True) as opened:
        yield opened


def place(caller: UUID = OWNER) -> Place:
    return Place(OWNER, PROVIDER, caller, uuid4())


async def begun(connection: AsyncConnection[Any], limits: AiLimits, caller: UUID = OWNER, tokens: int = 100) -> Place | Wait:
    one = place(caller)
    wait = await ai_providers.begin(connection, one, limits, tokens, LASTS)
    return one if wait is None else wait


async def let_in(connection: AsyncConnection[Any], limits: AiLimits, caller: UUID = OWNER, tokens: int = 100) -> Place:
    found = await begun(connection, limits, caller, tokens)
    assert isinstance(found, Place), found
    return found


async def kept_out(connection: AsyncConnection[Any], limits: AiLimits, caller: UUID = OWNER, tokens: int = 100) -> Wait:
    found = await begun(connection, limits, caller, tokens)
    assert isinstance(found, Wait)
    assert found.after > timedelta(0)
    return found


async def test_so_many_calls_are_under_way_and_in_a_minute(connection: AsyncConnection[Any]) -> None:
    two = AiLimits(concurrency=2)
    first, _ = await let_in(connection, two), await let_in(connection, two)
    assert (await kept_out(connection, two)).why == "concurrency"
    await ai_providers.end(connection, first, "answered", tokens=40)
    await let_in(connection, two)
    state = await ai_providers.state(connection, OWNER, PROVIDER)
    assert state is not None
    assert (state.circuit, state.calls, state.requests, state.tokens) == ("closed", 2, 3, 240)
    wait = await kept_out(connection, AiLimits(requests_per_minute=3))
    assert (wait.why, wait.after <= timedelta(seconds=61)) == ("requests", True)
    assert (await kept_out(connection, AiLimits(tokens_per_minute=300))).why == "tokens"
    await let_in(connection, AiLimits(tokens_per_minute=340))


async def test_one_call_that_is_larger_than_a_minutes_tokens_goes_alone(connection: AsyncConnection[Any]) -> None:
    few = AiLimits(tokens_per_minute=10)
    one = await let_in(connection, few)
    assert (await kept_out(connection, few)).why == "tokens"
    await ai_providers.end(connection, one, "unmade")
    await let_in(connection, few)


async def test_tenants_share_a_limit_while_others_wait(connection: AsyncConnection[Any]) -> None:
    greedy, other, four = uuid4(), uuid4(), AiLimits(concurrency=4)
    held = [await let_in(connection, four, greedy) for _ in range(4)]
    await kept_out(connection, four, other)
    for one in held[:2]:
        await ai_providers.end(connection, one, "answered")
    assert (await kept_out(connection, four, greedy)).why == "concurrency"
    await let_in(connection, four, other)
    await let_in(connection, four, other)
    await ai_providers.end(connection, held[2], "answered")
    await let_in(connection, four, greedy)


async def test_a_circuit_opens_lets_one_find_out_and_closes(connection: AsyncConnection[Any]) -> None:
    none = AiLimits()
    for _ in range(FAILURES):
        await ai_providers.end(connection, await let_in(connection, none), "failed", error="unavailable")
    wait = await kept_out(connection, none)
    assert wait.why == "open"
    assert timedelta(seconds=20) < wait.after <= ai_providers.OPEN_FOR
    assert await ai_providers.open_circuits(connection) == 1
    ends: tuple[tuple[Verdict, str], ...] = (("failed", "open"), ("answered", "closed"))
    for verdict, opened in ends:
        await connection.execute("UPDATE runtime.ai_provider_states SET open_until = clock_timestamp()")
        probe = await let_in(connection, none)
        assert (await kept_out(connection, none)).why == "open"
        await ai_providers.end(connection, probe, verdict, error="timeout")
        state = await ai_providers.state(connection, OWNER, PROVIDER)
        assert state is not None
        assert (state.circuit, state.last_error) == (opened, "timeout")
    await let_in(connection, none)


async def test_a_provider_that_asked_for_rest_gets_some(connection: AsyncConnection[Any]) -> None:
    one = await let_in(connection, AiLimits())
    await ai_providers.end(connection, one, "neutral", rest=timedelta(hours=1))
    wait = await kept_out(connection, AiLimits())
    assert (wait.why, wait.after <= ai_providers.LONGEST_REST) == ("resting", True)


async def test_a_call_that_nobody_ended_counts_until_it_must_be_over(connection: AsyncConnection[Any]) -> None:
    one = AiLimits(concurrency=1)
    await let_in(connection, one)
    await kept_out(connection, one)
    await connection.execute("UPDATE runtime.ai_provider_calls SET ends_at = clock_timestamp()")
    await let_in(connection, one)
