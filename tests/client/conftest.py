"""A running Gesta, as the API's tests have it, and clients of it."""

from collections.abc import AsyncIterator

import pytest

from client import AsyncClient
from tests.api.conftest import Client as Raw
from tests.api.conftest import Gesta, Tenant, gesta
from tests.api.definitions import APPROVAL, TASK, task

__all__ = ["gesta"]


def url_of(gesta: Gesta) -> str:
    return str(gesta.http.base_url)


@pytest.fixture
async def acme(gesta: Gesta) -> Tenant:
    """Knows how to buy, to resize, and to stamp (one attempt only)."""
    made = await gesta.tenant()
    for definition in (APPROVAL, TASK, task("stamp", "stamp", retry={"max_attempts": 1})):
        await made.publish(definition)
    return made


@pytest.fixture
async def boss(gesta: Gesta, acme: Tenant) -> AsyncIterator[AsyncClient]:
    """Somebody who may start, decide and look."""
    member = await acme.member("owner", "approver")
    async with AsyncClient(url_of(gesta), member.client.token) as client:
        yield client


@pytest.fixture
async def hand(acme: Tenant) -> Raw:
    """A worker's key."""
    return await acme.service("jobs:work")
