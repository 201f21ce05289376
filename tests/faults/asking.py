"""Approval requests of their own on a platform whose processes die: asked, ended in every way, and told of at their ends."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import httpx2

from tests.api.conftest import Client, Gesta, Member, Tenant
from tests.api.receiving import Receiver, receiver
from tests.api.test_notifications import SECRET
from tests.faults.platform import PATIENCE, Platform
from tests.worker.outbound.servers import server

ENDS = {
    "approved": {"approval.requested", "approval.decided", "approval.resolved"},
    "expired": {"approval.requested", "approval.expired"},
    "withdrawn": {"approval.requested", "approval.cancelled"},
}
"""What is on record in the end of a request, once each."""
FOUND = """
SELECT stream_id::text, topic FROM ledger.events WHERE tenant_id = '{0}' AND topic LIKE 'approval.%'
UNION ALL SELECT 'job', id::text FROM runtime.jobs UNION ALL SELECT 'timer', id::text FROM runtime.timers
"""
"""What has become of requests, and what is still to be done."""
TOLD = {"approved": "approval.resolved", "expired": "approval.expired", "withdrawn": "approval.cancelled"}


@dataclass
class Asking:
    """A tenant, somebody who decides there, and the address where the ends of requests are told."""

    platform: Platform
    tenant: Tenant
    person: Member
    service: Receiver
    port: int
    asked: dict[str, str] = field(default_factory=dict)
    """By request: what is to become of it."""

    async def end(self, *ends: str, deaths: Sequence[str] = ()) -> None:
        """A request for each. `deaths`: failpoints that are armed anew for each command."""
        for end in ends:
            self.platform.arm(*deaths)
            callback = {"url": f"http://127.0.0.1:{self.port}/done"}
            more = {"timeout": "PT0.5S"} if end == "expired" else {"timeout": "PT1H"}
            id = (await insisted(self.tenant.admin, "/approvals", {"title": end, "callback": callback, **more}))["id"]
            self.asked[id] = end
            if end == "expired":
                continue
            self.platform.arm(*deaths)
            if end == "approved":
                await insisted(self.person.client, f"/approvals/{id}/decide", {"outcome": "approved"})
            else:
                await insisted(self.tenant.admin, f"/approvals/{id}/withdraw", {})

    async def until_all_is_told(self) -> None:
        """As the tables say, too."""
        async with asyncio.timeout(PATIENCE):
            while len(await self._told()) < len(self.asked):  # noqa: ASYNC110 - it sets no event
                await asyncio.sleep(0.05)

    async def _told(self) -> list[Any]:
        try:
            answer = await self.tenant.admin.get("/deliveries", status="delivered")
        except httpx2.TransportError:
            return []
        return list(answer.json()["items"]) if answer.is_success else []

    async def nothing_is_lost_or_twice(self) -> None:
        lines = (await asyncio.to_thread(self.platform.sql, FOUND.format(self.tenant.id))).split()
        found: dict[str, Counter[str]] = {}
        for line in lines:
            id, topic = line.split("|")
            found.setdefault(id, Counter())[re.sub(r"\.v\d+$", "", topic)] += 1
        assert found == {id: Counter(ENDS[end]) for id, end in self.asked.items()}, "or something is left to be done"
        told = {
            (id, each["type"], each["data"]["id"]) for id, each in zip(self.service.ids(), self.service.messages(), strict=True)
        }
        assert sorted(each[1:] for each in told) == sorted((TOLD[end], id) for id, end in self.asked.items())
        assert all(self.service.is_signed(SECRET, number) for number in range(len(self.service.seen)))
        await asyncio.to_thread(self.platform.gesta, "verify")


@asynccontextmanager
async def asking(platform: Platform) -> AsyncIterator[Asking]:
    key = platform.gesta("key", "create", "--platform").split()[-1]
    service = receiver()
    async with httpx2.AsyncClient(base_url=platform.url, timeout=30) as http, server(service.handle) as port:
        house = Gesta(http, cast("Any", None), Client(http, key), cast("Any", None))
        tenant = await house.tenant(f"asking-{uuid4().hex[:8]}")
        await insisted(tenant.admin, "/secrets", {"name": "callbacks", "value": SECRET})
        yield Asking(platform, tenant, await tenant.member("approver"), service, port)


async def insisted(client: Client, path: str, body: Any) -> dict[str, Any]:
    """Given again under its key until there is an answer."""
    key = str(uuid4())
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await client.post(path, body, Idempotency_Key=key)
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code < 500:
                assert answer.is_success, answer.text
                return dict(answer.json())
            await asyncio.sleep(0.05)
