"""The clients of the process-wide endpoint: several, each with a few connections of its own.

The HTTP library looks at all connections of a pool when a request begins, and again when it ends. With 200 calls under way in
one pool that is a quarter of what a call costs; so no pool is large.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx2

from worker.ai.http import client
from worker.ai.vendors import Kind, Vendor, connect

if TYPE_CHECKING:
    from pydantic_ai.models import Model

CONNECTIONS = 32
"""Of one client."""


class ProviderClient:
    """One of them. `free`: connections that no call is using; less than none while calls wait for one."""

    def __init__(self, http: httpx2.AsyncClient, vendor: Vendor, connections: int) -> None:
        self.http = http
        self.vendor = vendor
        self.free = connections


class Clients:
    """`connections`: of all together, at most."""

    def __init__(self, base_url: str | None, api_key: str | None, connections: int, kind: Kind = "openai") -> None:
        trusted = httpx2.create_ssl_context()  # which takes time, once
        self._clients = []
        for begin in range(0, connections, CONNECTIONS):
            own = min(CONNECTIONS, connections - begin)
            limits = httpx2.Limits(max_connections=own, max_keepalive_connections=own)
            http = client(limits=limits, verify=trusted)
            self._clients.append(ProviderClient(http, connect(kind, http, base_url, api_key), own))

    @property
    def vendor(self) -> Vendor:
        return self._clients[0].vendor

    @contextmanager
    def model(self, name: str) -> "Iterator[Model]":
        """For one call: the client's with the most connections to spare."""
        chosen = max(self._clients, key=_free)
        chosen.free -= 1
        try:
            yield chosen.vendor.model(name)
        finally:
            chosen.free += 1

    async def aclose(self) -> None:
        for each in self._clients:
            await each.http.aclose()


def _free(client: ProviderClient) -> int:
    return client.free
