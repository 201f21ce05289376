"""What a process keeps in memory: bounded by the bytes that it takes, however few or many things those are."""

import asyncio
import gc
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.execution import EXECUTION
from domain.facts import Decided, Fact, Json, View
from domain.role import ROLE, RoleChanged
from domain.workflow import WorkflowDrafted, WorkflowPublished
from engine.cel import CelEvaluator
from engine.engine import Engine, EngineLimits, signal, start
from store.cache import ENTRY_BYTES, MEASURED_FROM, Owners, StreamEntries, StreamState
from store.handler import Decide, Tuning
from store.loader import PastEvent
from store.sizes import decoded_size, measured_size
from tests.conftest import Database
from tests.engine.drawing import drawing
from tests.store.handling import NOON, command, create, held_head, rename, running, stored
from tests.store.ledgers import append

ENGINE = Engine(CelEvaluator())
MEGABYTE = 1 << 20
DEFINITION = drawing({"s": "start", "a": ("task", {"job_type": "t"}), "e": "end"}, "s > a", "a > e")
LARGE = json.dumps(list(range(145_000)), separators=(",", ":"))
"""Some 900 kB, and five megabytes in memory."""


def resident() -> int:
    """Bytes of memory of this process."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def started(workflow_id: UUID, execution_id: UUID, input: Json) -> Decide:
    return lambda view: start(view, ENGINE, workflow_id=workflow_id, execution_id=execution_id, input=input)


def signalled(execution_id: UUID) -> Decide:
    return lambda view: signal(view, ENGINE, execution_id, "hello")


def published(ledger: psycopg.Connection[Any], tenant: UUID) -> UUID:
    workflow_id = uuid4()
    events = WorkflowDrafted("w", "W", DEFINITION), WorkflowPublished(1, DEFINITION)
    append(ledger, tenant, stored(workflow_id, *events))
    return workflow_id


async def test_a_hundred_executions_with_large_inputs_take_no_more_than_the_cache_may(
    database: Database, ledger: psycopg.Connection[Any], tenant: UUID
) -> None:
    workflow_id, ids = published(ledger, tenant), [uuid4() for _ in range(110)]
    before = resident()
    async with running(database.system_url) as process:
        for execution_id in ids:
            await process.handler.handle(command(tenant), started(workflow_id, execution_id, json.loads(LARGE)))
        grown = resident() - before
        assert grown < Tuning().cached_states + 128 * MEGABYTE, grown
        for execution_id in (ids[0], ids[-1]):  # long gone from the cache, and still there
            done = await process.handler.handle(command(tenant), signalled(execution_id))
            assert done.result["status"] == "running"
        state, _ = await process.handler.read(tenant, EXECUTION, ids[0])
        assert state.started is not None
        assert state.started.input == json.loads(LARGE)


@pytest.mark.parametrize(
    "value",
    [
        list(range(20_000)),
        "x" * 200_000,
        [{"id": number, "name": f"row {number}", "amount": number * 1.5} for number in range(4_000)],
        [[[number]] for number in range(20_000)],
        {f"k{number}": number for number in range(20_000)},
    ],
    ids=["numbers", "a text", "rows", "nested", "keys"],
)
def test_what_json_takes_in_memory_is_known_by_its_text(value: Json) -> None:
    text = json.dumps(value, separators=(",", ":"))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        held = json.loads(text)
        took = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held == value
    assert took * 0.75 < decoded_size(text.encode()) < took * 2


def test_a_state_is_measured_up_to_a_number_of_objects() -> None:
    assert 1_000 < (measured_size({"a": "x" * 1_000}) or 0) < 2_000
    assert measured_size(list(range(100_000))) is None
    shared = "x" * 1_000
    assert (measured_size([shared] * 100) or 0) < 3_000


def test_a_stream_of_many_events_counts_for_the_state_that_it_has() -> None:
    tip = StreamState(1, ROLE.initial, NOON, ROLE)
    for version in range(2, 1_000):
        tip = tip.after([PastEvent(version, NOON, RoleChanged(f"n{version}", ()), 4_000)], {RoleChanged: ROLE})
    assert tip.size < 2 * MEASURED_FROM


def sized(version: int, size: int) -> StreamState:
    return StreamState(version, None, NOON, ROLE, size)


def test_states_that_grow_push_out_those_that_were_not_used() -> None:
    entries, tenant = StreamEntries(10 * MEGABYTE), uuid4()
    small = [uuid4() for _ in range(100)]
    for stream_id in small:
        entries.entry(tenant, stream_id).adopt(sized(1, 1_000))
    grown = uuid4()
    entries.entry(tenant, grown).adopt(sized(1, 1_000))
    entries.entry(tenant, small[0])
    entries.entry(tenant, grown).adopt(sized(2, 10 * MEGABYTE - 3 * ENTRY_BYTES))
    assert [stream_id for stream_id in small if entries.find(tenant, stream_id)] == [small[0]]
    assert entries.find(tenant, grown) is not None
    assert entries.size <= 10 * MEGABYTE


def test_what_was_dropped_and_what_takes_its_place_are_counted_once() -> None:
    entries, tenant, stream_id = StreamEntries(4 * ENTRY_BYTES), uuid4(), uuid4()
    dropped = entries.entry(tenant, stream_id)
    dropped.adopt(sized(1, 3 * ENTRY_BYTES))
    entries.entry(tenant, uuid4()).adopt(sized(1, ENTRY_BYTES))
    assert entries.find(tenant, stream_id) is None
    dropped.adopt(sized(2, 3 * ENTRY_BYTES))  # its loader did not know
    assert (entries.size, len(entries)) == (2 * ENTRY_BYTES, 1)
    assert entries.keep(tenant, stream_id, dropped) is dropped
    assert (entries.size, len(entries)) == (4 * ENTRY_BYTES, 1)


async def test_what_has_commands_under_way_is_kept(database: Database, tenant: UUID) -> None:
    hot, others = uuid4(), [uuid4() for _ in range(20)]
    async with running(database.system_url, tuning=Tuning(cached_states=ENTRY_BYTES)) as process:
        await process.handler.handle(command(tenant), create(hot))
        with held_head(database.system_url, tenant):
            waiting = asyncio.create_task(process.handler.handle(command(tenant), rename(hot, "waiting")))
            await process.until(lambda: process.writer.unsettled == 1)
            for stream_id in others:
                await process.handler.read(tenant, ROLE, stream_id)
            chained = asyncio.create_task(process.handler.handle(command(tenant), rename(hot, "chained")))
            await process.until(lambda: process.writer.unsettled == 2)
        assert [(await waiting).position, (await chained).position] == [2, 3]


def test_names_are_bounded_by_their_bytes() -> None:
    owners, tenant, owner = Owners(10_000), uuid4(), uuid4()
    for number in range(100):
        owners.put(tenant, "s", f"{number:0200}", owner)
    assert owners.size <= 10_000
    assert owners.find(tenant, "s", f"{99:0200}") == owner
    assert owners.find(tenant, "s", f"{0:0200}") is None
    owners.forget(tenant, "s", f"{99:0200}")
    owners.put(tenant, "s", f"{98:0200}", owner)
    kept = [number for number in range(100) if owners.find(tenant, "s", f"{number:0200}")]
    for number in kept:
        owners.forget(tenant, "s", f"{number:0200}")
    assert owners.size == 0


async def test_plans_are_bounded_by_their_bytes(database: Database, ledger: psycopg.Connection[Any], tenant: UUID) -> None:
    engine = Engine(CelEvaluator(), EngineLimits(plans_bytes=50_000))
    workflows = [published(ledger, tenant) for _ in range(20)]

    def planned(workflow_id: UUID) -> Decide:
        def decide(view: View) -> Decided:
            plan = engine.plan(view, workflow_id, 1)
            assert engine.plan(view, workflow_id, 1) is plan
            return Decided((Fact(view.new_id(), RoleChanged("n", ())),))

        return decide

    async with running(database.system_url) as process:
        for workflow_id in workflows:
            await process.handler.handle(command(tenant), planned(workflow_id))
    assert 1 < len(engine._plans) < 20
    assert engine._plans.size <= 50_000
