"""Fresh ledgers, callers on them, and the proof that nothing was lost."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.figures import Lost
from bench.stage import Stage
from domain.envelope import Envelope
from store.command import Command
from store.handler import Decide, Handler, open_handler

ENVELOPE = Envelope("user", "0190f0c1-0000-7000-8000-000000000000", ip="10.1.2.3", user_agent="curl/8")

OPEN = "SELECT ledger.open(%s)"
HELD = "SELECT count(*), coalesce(max(position), 0), count(DISTINCT stream_id) FROM ledger.events WHERE tenant_id = %s"
GAPS = """
SELECT count(*) FROM (
    SELECT FROM ledger.events WHERE tenant_id = %s
    GROUP BY stream_id HAVING min(version) <> 1 OR max(version) <> count(*)) AS stream
"""
BYTES = "SELECT avg(length(data))::float8, avg(length(meta))::float8 FROM ledger.events WHERE tenant_id = %s"

WARM_LEDGERS, WARM_ROUNDS = 8, 12  # two for each of the writer's lanes; PostgreSQL keeps a plan from the sixth run on

Caller = Callable[[Handler, int], Coroutine[Any, Any, None]]


def open_ledgers(on: Stage, count: int) -> list[UUID]:
    ledgers = [uuid4() for _ in range(count)]
    with psycopg.connect(on.addresses.system, autocommit=True) as connection:
        connection.cursor().executemany(OPEN, [(ledger,) for ledger in ledgers])
    return ledgers


def expect(on: Stage, ledgers: Sequence[UUID], *, events: int, streams: int) -> None:
    """That these ledgers together hold just that, without gaps. Raises Lost."""
    held_events = held_streams = 0
    with psycopg.connect(on.addresses.system, autocommit=True) as connection:
        for ledger in ledgers:
            count, last, distinct = connection.execute(HELD, (ledger,)).fetchone() or (0, 0, 0)
            gaps = connection.execute(GAPS, (ledger,)).fetchone()
            if count != last or gaps != (0,):
                raise Lost(f"{count} events up to position {last}; streams with gaps: {gaps}")
            held_events += count
            held_streams += distinct
    if (held_events, held_streams) != (events, streams):
        raise Lost(f"{held_events} events of {held_streams} streams, not {events} of {streams}")


def bytes_an_event(on: Stage, ledger: UUID) -> tuple[float, float]:
    """Of payload, of envelope; averages."""
    with psycopg.connect(on.addresses.system, autocommit=True) as connection:
        payload, envelope = connection.execute(BYTES, (ledger,)).fetchone() or (0.0, 0.0)
    return payload, envelope


async def seconds_at_once(on: Stage, callers: int, caller: Caller, warm_up: Decide) -> float:
    """How long `callers` at once take. Before, commands on ledgers of their own open the handler's connections and settle the
    plans of their statements, as in a server that has been up for a second."""
    warm = open_ledgers(on, WARM_LEDGERS)
    async with open_handler(on.addresses.system) as handler:
        for _ in range(WARM_ROUNDS):
            await asyncio.gather(*[handler.handle(Command(ledger, "bench.warm_up", ENVELOPE), warm_up) for ledger in warm])
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(caller(handler, number))
        return time.perf_counter() - begun
