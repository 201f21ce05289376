"""What must be true when it is over. Each function returns what is not, in sentences."""

import asyncio
import json
import random
from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

import httpx2

from tests.faults.chaos.load import Order
from tests.faults.chaos.scene import Scene

LOOK_SECONDS = 0.1
REPEATED = 60
"""How many of the commands that were acknowledged are given once more."""
EVENTS = """
SELECT position, stream_id, topic, command_id, convert_from(data, 'UTF8')
  FROM ledger.events WHERE tenant_id = %s ORDER BY position
"""
COMMANDS = "SELECT command_id, position FROM runtime.commands WHERE tenant_id = %s"
WAITING = """
SELECT count(*) FROM pg_stat_activity
 WHERE usename IN ('gesta_system', 'gesta_api') AND (wait_event_type = 'Lock' OR state = 'idle in transaction (aborted)')
"""
DUE = """
SELECT (SELECT count(*) FROM runtime.jobs WHERE state IN ('ready', 'leased') OR state = 'waiting' AND run_at < clock_timestamp())
     + (SELECT count(*) FROM runtime.timers WHERE due_at < clock_timestamp())
"""


async def rest(scene: Scene, within: float, *, well: bool = True) -> tuple[float, list[str]]:
    """In how many seconds the platform came to rest, and what is in the way if it did not in so many.

    `well`: until no background task counts as failing any more, which is some seconds after its last failure.
    """
    clock = asyncio.get_running_loop().time
    begun = clock()
    async with httpx2.AsyncClient(timeout=5) as http:
        while True:
            found = [sentence for url in scene.urls for sentence in await _of_api(http, url, well)]
            if not found:
                found = await _of_database(scene)
            if not found or clock() - begun > within:
                return clock() - begun, [f"not at rest after {within:.0f} s: {sentence}" for sentence in found]
            await asyncio.sleep(LOOK_SECONDS)


async def _of_api(http: httpx2.AsyncClient, url: str, well: bool) -> list[str]:
    try:
        ready = await http.get(f"{url}/readyz")
    except httpx2.TransportError as error:
        return [f"{url} does not answer: {error!r}"]
    told = ready.json()
    behind = any(told["projections"].values()) or any(told["work"].values())
    if ready.status_code != 200 or behind or (well and told["failing_tasks"]):
        return [f"{url} says {ready.status_code} {json.dumps(told)}"]
    return []


async def _of_database(scene: Scene) -> list[str]:
    ((waiting,),), ((due,),) = await scene.sql(WAITING), await scene.sql(DUE)
    found = [f"{waiting} connections wait"] if waiting else []
    return found + ([f"{due} jobs and timers are due"] if due else [])


async def held_against_the_ledger(scene: Scene, orders: list[Order]) -> list[str]:
    """Every acknowledged command is there, once; of the others each is there once or not at all."""
    found = []
    for slug, someone in scene.tenants.items():
        own = [order for order in orders if order.tenant == slug]
        found += _compare(slug, own, *await _ledger(scene, someone.tenant.id))
    return found


async def _ledger(scene: Scene, tenant_id: UUID) -> tuple[list[tuple[Any, ...]], dict[UUID, int | None]]:
    return await scene.sql(EVENTS, tenant_id), dict(await scene.sql(COMMANDS, tenant_id))


def _compare(slug: str, orders: list[Order], events: list[tuple[Any, ...]], commands: dict[UUID, int | None]) -> list[str]:
    found = []
    command_at = {position: command_id for position, _, _, command_id, _ in events}
    ends: dict[UUID, int] = {}
    for position, command_id in command_at.items():
        ends[command_id] = max(position, ends.get(command_id, 0))
    starts: dict[str, list[str]] = defaultdict(list)
    for _, stream_id, topic, _, data in events:
        if topic == "execution.started.v1":
            starts[json.loads(data)["business_key"]].append(str(stream_id))
    decisions = Counter(str(stream_id) for _, stream_id, topic, _, _ in events if topic == "approval.decided.v1")
    claimed: Counter[UUID] = Counter()
    for order in orders:
        if (position := order.position) is not None:
            command = command_at.get(position)
            if command is None or ends[command] != position or commands.get(command) != position:
                found.append(f"{slug}: {order.path} was acknowledged at {position}, and is not what ends there")
            else:
                claimed[command] += 1
        if order.path == "/executions":
            ids = starts.pop(order.body["business_key"], [])
            told = [order.answer.json()["id"]] if order.is_acknowledged and order.answer is not None else None
            if (told is not None and ids != told) or len(ids) > 1:
                found.append(f"{slug}: an execution was acknowledged as {told}, and the ledger has {ids}")
        elif order.path.endswith("/decide") and order.is_acknowledged and decisions[order.path.split("/")[2]] != 1:
            found.append(f"{slug}: {order.path} was acknowledged, and there are {decisions[order.path.split('/')[2]]} decisions")
    found += [f"{slug}: two commands were told that they are {command}" for command, count in claimed.items() if count > 1]
    found += [f"{slug}: nobody started the executions {ids}" for ids in starts.values()]
    return found + [f"{slug}: {count} decisions on {id}" for id, count in decisions.items() if count > 1]


OF_CLIENTS = """
SELECT count(*) FROM ledger.events WHERE starts_with(topic, 'execution.started.') OR starts_with(topic, 'approval.decided.')
"""
"""What clients' commands come to. Workers may still be at work, and have events of their own."""


async def repeated(scene: Scene, orders: list[Order], chance: random.Random) -> list[str]:
    """Given once more under its key, what was acknowledged is answered the same and done no second time; the rest is done now,
    or answered as what it came to without anybody's knowing."""
    known = [order for order in orders if order.is_acknowledged]
    unknown = [order for order in orders if order.answer is None]
    found = []
    before = await scene.sql(OF_CLIENTS)
    for order in chance.sample(known, min(REPEATED, len(known))):
        assert order.answer is not None
        again = await order.send()
        if (again.status_code, again.json()) != (order.answer.status_code, order.answer.json()):
            found.append(f"{order.tenant}: {order.path} was answered {order.answer.text}, and again: {again.text}")
    if await scene.sql(OF_CLIENTS) != before:
        found.append("commands that were repeated have left events")
    for order in unknown:
        again = await order.send()
        if again.status_code >= 500:
            found.append(f"{order.tenant}: {order.path} is answered {again.status_code} {again.text}")
        order.answer = again
    return found
