"""What clients do meanwhile, each call at the next API, and what they were told: the record that the ledger is held against.

A command has an Idempotency-Key and is repeated under it until there is an answer. Some clients lose patience, and never learn
what became of theirs.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import uuid4

import httpx2

from api.positions import Position
from tests.api.conftest import Client
from tests.faults.chaos.scene import Someone

PATIENCE_SECONDS = 60.0
IMPATIENT = 0.25
"""How many of those without an answer to the first try do not try again."""
AGAIN_SECONDS = 0.1
NOT_NOW = (429, 503)


@dataclass
class Order:
    """A command that a client gave. `answer`: what it was told in the end; None: it never was."""

    tenant: str
    client: Client
    path: str
    body: Any
    key: str = field(default_factory=lambda: str(uuid4()))
    answer: httpx2.Response | None = None

    @property
    def is_acknowledged(self) -> bool:
        return self.answer is not None and self.answer.is_success

    @property
    def position(self) -> int | None:
        """Where its last event stands, by the answer."""
        token = None if self.answer is None else self.answer.headers.get("Gesta-Position")
        found = None if token is None else Position.parse(token)
        return None if found is None else found.position

    async def send(self) -> httpx2.Response:
        return await self.client.post(self.path, self.body, Idempotency_Key=self.key)


@dataclass(frozen=True)
class Call:
    """How long one call took. `status`: None where there was no answer."""

    tenant: str
    begun: float
    seconds: float
    status: int | None


@dataclass
class Load:
    """The clients of all tenants. `orders` and `calls` are the record."""

    chance: random.Random
    orders: list[Order] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """Answers that nobody may be given, whatever happens."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller(self, slug: str, someone: Someone, http: httpx2.AsyncClient) -> None:
        """One client of a tenant, until told to stop."""
        admin = Client(http, someone.tenant.admin.token, someone.tenant.admin.headers)
        person = Client(http, someone.person.token)
        started: list[str] = []
        while not self.stopping.is_set():
            match self.chance.choice(("start", "decide", "decide", "look", "look", "signal")):
                case "start":
                    body = {"workflow_key": "chaos", "business_key": str(uuid4()), "input": {}}
                    order = await self.give(Order(slug, admin, "/executions", body))
                    if order.is_acknowledged and order.answer is not None:
                        started.append(order.answer.json()["id"])
                case "decide":
                    await self.decide(slug, person)
                case "look" if started:
                    await self.look(slug, person, self.chance.choice(started))
                case "signal" if started:
                    path = f"/executions/{self.chance.choice(started)}/signal"
                    await self.give(Order(slug, admin, path, {"name": "hello"}))

    async def decide(self, slug: str, person: Client) -> None:
        found = await self.call(slug, lambda: person.get("/approvals", status="pending", limit="20"))
        if found is not None and found.is_success and found.json()["items"]:
            id = self.chance.choice(found.json()["items"])["id"]
            await self.give(Order(slug, person, f"/approvals/{id}/decide", {"outcome": "approved"}))

    async def look(self, slug: str, person: Client, id: str) -> None:
        """What was acknowledged is shown from then on, by every API; or the answer says that the tables are behind."""
        found = await self.call(slug, lambda: person.get(f"/executions/{id}"))
        if found is not None and found.status_code == 404 and "Gesta-Stale" not in found.headers:
            self.wrong.append(f"{slug}: the execution {id} was acknowledged, and is not found: {found.text}")

    async def give(self, order: Order) -> Order:
        """Repeat a command until there is an answer, or until the client loses patience."""
        self.orders.append(order)
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            answer = await self.call(order.tenant, order.send)
            if answer is not None and answer.status_code not in NOT_NOW and not _in_flight(answer):
                order.answer = answer
                return order
            if self.chance.random() < IMPATIENT:
                return order
            await asyncio.sleep(AGAIN_SECONDS)
        self.wrong.append(f"{order.tenant}: {order.path} had no answer in {PATIENCE_SECONDS:.0f} s")
        return order

    async def call(self, slug: str, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response | None:
        """The answer; None where the connection was lost."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        answer: httpx2.Response | None = None
        with suppress(httpx2.TransportError):
            answer = await send()
        self.calls.append(Call(slug, begun, clock() - begun, None if answer is None else answer.status_code))
        if answer is None:
            await asyncio.sleep(AGAIN_SECONDS)  # nobody listens there yet
        elif answer.status_code >= 500 and answer.status_code not in NOT_NOW:
            self.wrong.append(f"{slug}: {answer.status_code} {answer.request.method} {answer.request.url.path}: {answer.text}")
        return answer

    def p99(self, tenants: Sequence[str], since: float, until: float) -> tuple[float, int]:
        """Of the calls of these tenants that began in this time, answered or not, and how many that were."""
        seconds = sorted(one.seconds for one in self.calls if one.tenant in tenants and since <= one.begun < until)
        return (seconds[int(len(seconds) * 0.99)] if seconds else 0.0), len(seconds)

    def longest_silence(self, since: float, until: float) -> float:
        """Seconds in which nobody of any tenant was answered a thing."""
        answered = sorted(c.begun + c.seconds for c in self.calls if c.status is not None and c.status < 500)
        moments = [since, *(moment for moment in answered if since < moment < until), until]
        return max(later - earlier for earlier, later in pairwise(moments))

    def statuses(self) -> Counter[int | None]:
        return Counter(one.status for one in self.calls)


def _in_flight(answer: httpx2.Response) -> bool:
    return answer.status_code == 409 and answer.json().get("code") == "in_flight"
