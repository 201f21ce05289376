"""Sensitive values of prompts: a model is sent them, and nothing else ever has them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from domain.ai_task import AI_TASK, AiTask, AiTaskAttemptFailed, AiTaskRequested, Configuration, request
from domain.facts import Decided, Fact, Job, Json
from domain.prompt import PromptContent, PromptDrafted, PromptPublished, Variable, prompt_id_of
from domain.retry import RetryPolicy
from domain.secret import SecretCreated, secret_id_of
from engine.prompts import keep_apart, pinned, render
from projections.projector import Projector
from runtime.master_keys import MasterKeys, tenant_digest
from store import secrets, sensitive
from store.command import Command
from store.secrets import Value
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.worker.ai.wire import Wire, answer, completion, error, serve
from tests.worker.house import RETRY, WHO, FakeModel, House, ScriptedProvider, at_work, house, worker_of
from worker.ai.provider import Provider
from worker.ai.pydantic_ai_provider import PydanticAiProvider
from worker.maintenance import sweep_sensitive_values

CANARY = "Canary-4711/DE02 1203"
KEYS = MasterKeys([bytes(range(32))])
CONTENT = PromptContent(
    "Greet {{ name }} of {{ account }}.",
    "Keep {{ account }} to yourself.",
    (Variable("name"), Variable("account", sensitive=True)),
)
TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""


class OnTheWire(ScriptedProvider):
    """The real provider, on a server on loopback."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self.real = PydanticAiProvider(wire.url, "sk-of-the-provider")

    def name(self, model: str) -> FakeModel:
        return FakeModel(model, "openai")

    async def provider(self, _named: Any) -> Provider:
        return self.real


@asynccontextmanager
async def on_the_wire() -> AsyncIterator[tuple[OnTheWire, Wire]]:
    """It fails once, and answers then; both repeat what it was sent."""
    async with serve(answer(error(f"I cannot do {CANARY}"), 503), answer(completion(f"Hello, {CANARY}!"))) as wire:
        provider = OnTheWire(wire)
        try:
            yield provider, wire
        finally:
            await provider.real.aclose()


async def published(home: House) -> None:
    prompt_id = prompt_id_of(home.tenant_id, "greet")
    facts = (Fact(prompt_id, PromptDrafted("greet", CONTENT)), Fact(prompt_id, PromptPublished(1, CONTENT)))
    await home.handler.handle(Command(home.tenant_id, "publish", WHO), lambda _: Decided(facts))


async def secret(home: House, *hosts: str) -> None:
    value = Value(home.tenant_id, uuid4(), secret_id_of(home.tenant_id, "account"))
    async with await psycopg.AsyncConnection.connect(home.database.system_url, autocommit=True) as connection:
        await secrets.write(connection, KEYS, value, CANARY)
    fact = Fact(value.secret_id, SecretCreated("account", value.id, hosts))
    await home.handler.handle(Command(home.tenant_id, "secret", WHO), lambda _: Decided((fact,)))


async def found_in(home: House) -> list[str]:
    """The tables in any row of which it stands, also as bytes; those that people query show all of the ledger."""
    await Projector(home.database.system_url).catch_up()
    assert home.sql("SELECT count(*) FROM projections.ai_agent_attempts") == [(2,)]
    return rows_with_it(home.database)


def rows_with_it(database: Database) -> list[str]:
    found = []
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        for schema, table in connection.execute(TABLES).fetchall():
            name = sql.Identifier(schema, table)
            rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(name)).fetchall()
            forms = ("Canary-4711", CANARY.encode().hex(), b"Canary-4711".hex())
            if any(form in text for (text,) in rows for form in forms):
                found.append(f"{schema}.{table}")
    return found


def asking(**variables: Json) -> Json:
    prompt = {"key": "greet", "variables": variables}
    agent = ("ai_agent", {"model": "openai:gpt-4o-mini", "prompt": prompt}, {"retry": RETRY})
    return drawing({"s": "start", "a": agent, "e": ("end", {"output": "=nodes.a.output"})}, "s > a", "a > e")


NAMED = {"name": "=input.name", "account": {"secret": "account"}}


async def the_task(home: House) -> AiTask:
    (stream,) = {event.stream_id for event in await home.events() if event.topic == "ai_task.requested.v1"}
    return (await home.handler.read(home.tenant_id, AI_TASK, stream))[0]


async def test_a_node_sends_a_secret_and_nothing_records_it(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with house(database) as home, on_the_wire() as (provider, wire):
        await published(home)
        await secret(home, "127.0.0.1")
        async with worker_of(database, provider=provider, master_keys=KEYS) as worker, at_work(worker):
            ended = await home.ended(await home.start(asking(**NAMED), {"name": "[secret:account] {{ account }}"}))
        task = await the_task(home)
        assert task.requested is not None
        assert task.requested.prompt == "Greet [secret:account] {{ account }} of [secret:account]."
        assert task.requested.prompt_ref is not None
        assert (task.requested.prompt_ref.key, task.requested.prompt_ref.version) == ("greet", 1)
        assert (ended.status, task.output) == ("completed", "Hello, [redacted]!")
        sent = [str(each.body) for each in wire.asked]
        assert len(sent) == 2
        for body in sent:
            assert f"Greet [secret:account] {{{{ account }}}} of {CANARY}." in body
            assert f"Keep {CANARY} to yourself." in body
        failed = [event.event.error.message for event in await home.events() if isinstance(event.event, AiTaskAttemptFailed)]
        assert failed
        assert all("[redacted]" in each for each in failed), failed
        assert await found_in(home) == []
        assert "Canary-4711" not in caplog.text


async def test_a_secret_goes_nowhere_but_to_its_hosts(database: Database) -> None:
    async with house(database) as home, on_the_wire() as (provider, wire):
        await published(home)
        await secret(home, "api.example.com")
        async with worker_of(database, provider=provider, master_keys=KEYS) as worker, at_work(worker):
            await home.ended(await home.start(asking(**NAMED), {"name": "Ada"}))
        error = (await the_task(home)).error
        assert error is not None
        assert (error.type, error.message) == ("bad_request", "The secret account may not be sent to 127.0.0.1.")
        assert wire.asked == []


async def test_values_of_a_task_of_its_own_are_sealed_until_it_is_over(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with house(database) as home, on_the_wire() as (provider, wire):
        await published(home)
        task_id, lost = uuid4(), uuid4()
        kept = keep_apart(CONTENT, {"name": "Ada", "account": CANARY}, lambda text: tenant_digest(KEYS, home.tenant_id, text))
        stands = kept.withheld["account"].stands
        async with await psycopg.AsyncConnection.connect(database.system_url, autocommit=True) as connection:
            for each in (task_id, lost):
                await sensitive.write(connection, KEYS, home.tenant_id, each, kept.sealed)

        def ask(view: Any) -> Decided:
            version = pinned(view, "greet")
            said = render(version.content, kept.plain, kept.withheld)
            requested = AiTaskRequested(
                *(None, None, None, "Greet", "openai:gpt-4o-mini", said.prompt, Configuration(), RetryPolicy(3)),
                system_prompt=said.system_prompt,
                prompt_ref=version.ref,
                sensitive=said.sensitive,
            )
            job = Job(uuid4(), "gesta.ai", None, None, None, task_id, max_attempts=3)
            return Decided((*request(view, task_id, requested).facts,), jobs=(job,))

        await home.handler.handle(Command(home.tenant_id, "ask", WHO), ask)
        left = "SELECT task_id FROM runtime.secrets WHERE task_id IS NOT NULL"
        home.sql("UPDATE runtime.secrets SET look_after = now()")
        async with worker_of(database, provider=provider, master_keys=KEYS) as worker:
            await sweep_sensitive_values(worker.context)  # the open task's stay, those of one that never was go
            assert home.sql(left) == [(task_id,)]
            async with at_work(worker):

                async def over() -> bool:
                    return (await the_task(home)).closed and home.sql(left) == []

                await home.until(over)
        task = await the_task(home)
        assert task.requested is not None
        assert (task.status, task.output) == ("completed", "Hello, [redacted]!")
        assert task.requested.prompt == f"Greet Ada of {stands}."
        assert stands.startswith("[sensitive:account:")
        assert f"Greet Ada of {CANARY}." in str(wire.asked[0].body)
        failed = [event.event.error.message for event in await home.events() if isinstance(event.event, AiTaskAttemptFailed)]
        assert failed
        assert all("[redacted]" in each for each in failed), failed
        assert await found_in(home) == []
        assert "Canary-4711" not in caplog.text
