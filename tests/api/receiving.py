"""A receiver of notifications, as somebody else would write it: it verifies by the specification alone."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.api.conftest import Client, Tenant
from tests.api.test_http_nodes import Service, saying

PATIENCE = 30.0


@dataclass
class Receiver(Service):
    """What came in, in order: see `messages`."""

    def messages(self) -> list[Any]:
        return [json.loads(body) for _, body in self.seen]

    def ids(self) -> list[str]:
        return [self.headers(number)["webhook-id"] for number in range(len(self.seen))]

    def is_signed(self, secret: str, number: int = -1) -> bool:
        """By the words of Standard Webhooks 1.0, with nothing of ours."""
        headers, body = self.headers(number), self.seen[number][1]
        key = base64.b64decode(secret.removeprefix("whsec_"))
        content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return any(
            hmac.compare_digest(signature, expected)
            for version, _, signature in (each.partition(",") for each in headers["webhook-signature"].split(" "))
            if version == "v1"
        )


def receiver(*answers: Callable[[str, bytes], bytes | None]) -> Receiver:
    """One that accepts, or answers so, the last one again and again."""
    return Receiver(answers=list(answers) or [saying(204)])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look until it holds: what is waited for is done by others."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - what happens elsewhere sets no event here
            await asyncio.sleep(0.01)


async def received(service: Receiver, count: int = 1) -> None:
    async def enough() -> bool:
        return len(service.seen) >= count

    await until(enough)


async def endpoint(tenant: Tenant | Client, url: str, *events: str, **more: Any) -> dict[str, Any]:
    client = tenant.admin if isinstance(tenant, Tenant) else tenant
    made = await client.post("/notifications/endpoints", {"url": url, "events": list(events or ("execution.*",)), **more})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def deliveries(tenant: Tenant, **query: Any) -> list[dict[str, Any]]:
    found = await tenant.admin.get("/deliveries", **{"order": "created_at", "limit": 200, **query})
    assert found.status_code == 200, found.text
    return list(found.json()["items"])


async def settled(tenant: Tenant, count: int, status: str = "delivered", **query: Any) -> list[dict[str, Any]]:
    """So many deliveries have come to this."""

    async def all_are() -> bool:
        return len(await deliveries(tenant, status=status, **query)) >= count

    await until(all_are)
    return await deliveries(tenant, status=status, **query)
