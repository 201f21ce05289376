"""Which model an attempt asks where limits leave no room or a provider is down; and where requests may not go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import ai_model, ai_provider
from domain.ai_provider import AiLimits, AiProvider
from domain.facts import Decided, View
from domain.redaction import REDACTED
from engine.ai_messages import AssistantMessage, UserMessage
from store.ai_providers import FAILURES, Wait
from store.command import Command
from tests.conftest import Database
from tests.domain.test_ai_task import REQUESTED
from tests.worker.ai.doubles import FORMATS
from tests.worker.ai.doubles.format import Format
from tests.worker.ai.wire import answer, completion, serve
from tests.worker.house import WHO, House, ScriptedProvider, house, worker_of
from tests.worker.outbound.servers import LOOPBACK
from worker.ai import vendors
from worker.ai.caching import request_of
from worker.ai.choosing import Choosing, ModelCall, Wanted
from worker.ai.provider import AiCall, AiError
from worker.ai.reckoning import expected_tokens
from worker.ai.tenants_provider import TenantsProvider
from worker.outbound.client import Outbound

ONE = AiLimits(concurrency=1)


def asking(model: str) -> Wanted:
    return Wanted(model, 0, lambda full, timeout: AiCall(full, "Hi", timeout=timeout))


@asynccontextmanager
async def choosing(database: Database, **limits: AiLimits) -> AsyncIterator[tuple[House, Choosing]]:
    """Providers of these limits, and a name `chain` for a model `m` of each."""
    async with house(database) as home, worker_of(database, outbound=Outbound(permitted=LOOPBACK)) as worker:

        async def do(decide: Any) -> None:
            await home.handler.handle(Command(home.tenant_id, "set_up", WHO), decide)

        for key, limit in limits.items():

            def set_up(view: View, key: str = key, limit: AiLimits = limit) -> Decided:
                return ai_provider.set_up(view, key, "openai_compatible", base_url="http://127.0.0.1:1/v1", limits=limit)

            await do(set_up)
        await do(lambda view: ai_model.set_up(view, "chain", tuple(f"{key}:m" for key in limits)))
        yield home, Choosing(worker.context, ScriptedProvider())


async def test_a_full_provider_is_waited_for_and_a_broken_one_is_passed_over(database: Database) -> None:
    async with choosing(database, first=ONE, second=ONE) as (home, chooses):

        async def choose(model: str = "chain", number: int = 1) -> ModelCall | Wait:
            return await chooses.choose(home.tenant_id, UUID(int=number), asking(model))

        held = await choose()
        assert isinstance(held, ModelCall)
        assert (held.provider, held.model, held.has_next) == ("first", "m", True)
        full = await choose(number=2)
        assert isinstance(full, Wait)
        assert (full.why, full.after > timedelta(0)) == ("concurrency", True)
        await held.forget()
        again = await choose()
        assert isinstance(again, ModelCall)
        for number in range(FAILURES):
            with pytest.raises(AiError, match="onnect"):
                await again.call()
            again = await choose("first:m", 3 + number) if number < FAILURES - 1 else again
            assert isinstance(again, ModelCall)
        passed_over = await choose(number=20)
        assert isinstance(passed_over, ModelCall)
        assert (passed_over.provider, passed_over.has_next) == ("second", False)
        alone = await choose("first:m", 21)
        assert isinstance(alone, Wait)
        assert alone.why == "open"


async def test_a_name_that_nobody_gave_is_asked_of_the_installation(database: Database) -> None:
    async with choosing(database, first=ONE) as (home, chooses):
        found = await chooses.choose(home.tenant_id, UUID(int=1), asking("somebody/else"))
        assert isinstance(found, ModelCall)
        assert (found.provider, found.place) == ("scripted", None)
        with pytest.raises(AiError):
            await chooses.choose(home.tenant_id, UUID(int=1), asking("nobody/knows"))


@pytest.mark.parametrize("vendor", FORMATS, ids=[each.kind for each in FORMATS])
async def test_requests_go_where_all_others_may_and_nowhere_else(vendor: Format) -> None:
    vendors.load(vendor.kind)
    async with serve(vendor.answered("Hello.")) as wire:
        base = wire.url if vendor.kind == "openai_compatible" else wire.url.removesuffix("/v1")
        provider = AiProvider(True, "own", vendor.kind, base)
        for permitted, hosts, says in (
            (LOOPBACK, None, None),
            ((), None, "public internet"),
            (LOOPBACK, ("example.com",), "list"),
        ):
            outbound = Outbound(permitted=permitted)
            caller = TenantsProvider(outbound, hosts, provider, "sk-very-secret")
            call = AiCall(f"own:{vendor.model}", "Hi", configuration=replace(REQUESTED.configuration, temperature=None))
            if says is None:
                assert (await caller.call(call)).output == "Hello."
            else:
                with pytest.raises(AiError, match=says) as caught:
                    await caller.call(call)
                assert (caught.value.type, caught.value.retryable) == ("bad_request", False)
            await outbound.aclose()
    assert len(wire.asked) == 1


async def test_a_key_that_an_endpoint_repeats_is_in_no_answer_and_in_none_that_does_not_fit() -> None:
    key = "sk-very-secret"
    async with serve(answer(completion(f"It is {key}.")), answer(completion(f"No JSON: {key}."))) as wire:
        outbound = Outbound(permitted=LOOPBACK)
        caller = TenantsProvider(outbound, None, AiProvider(True, "own", "openai_compatible", wire.url), key)
        assert (await caller.call(AiCall("own:m", "Hi"))).output == f"It is {REDACTED}."
        with pytest.raises(AiError) as caught:
            await caller.call(AiCall("own:m", "Hi", output_schema={"type": "object"}))
        assert caught.value.answered == f"No JSON: {REDACTED}."
        await outbound.aclose()


def test_an_answer_is_given_again_in_the_same_conversation_only() -> None:
    """What was said before the first message, in the tasks that this one continues, is sent as well."""
    first, later = AiCall("m", "And now?"), AiCall("m", "And now?", before=(UserMessage("Of a cat."), AssistantMessage("Meow.")))
    said_after = replace(first, messages=later.before)
    assert len({request_of(call, "") for call in (first, later, said_after)}) == 3
    assert expected_tokens(later) > expected_tokens(first)
