"""The clients of one endpoint: several, each with a few connections of its own.

The HTTP library looks at all connections of a pool when a request begins, and again when it ends. With 200 calls under way in
one pool that is a quarter of what a call costs; so no pool is large.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider as Vendor
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # what is sent to an endpoint that needs no key; the SDK insists on one
CONNECTIONS = 32
"""Of one client."""


class Client:
    """One of them. `free`: connections that no call is using; less than none while calls wait for one."""

    def __init__(self, http: httpx2.AsyncClient, base_url: str | None, api_key: str | None, connections: int) -> None:
        # Retrying is the workflow's, and on record.
        self.sdk = AsyncOpenAI(api_key=api_key or NO_KEY, base_url=base_url or OPENAI, max_retries=0, http_client=http)
        self.sdk.organization = self.sdk.project = None  # the SDK takes them from the environment
        vendor: Vendor[AsyncOpenAI] = (
            OpenAIProvider(openai_client=self.sdk)
            if base_url is None
            else OpenAICompatibleProvider("openai-compatible", openai_client=self.sdk)
        )
        self.model: Callable[[str], OpenAIChatModel] = lru_cache(64)(lambda name: OpenAIChatModel(name, provider=vendor))
        self.free = connections


class Clients:
    """`connections`: of all together, at most."""

    def __init__(self, base_url: str | None, api_key: str | None, connections: int) -> None:
        trusted = httpx2.create_ssl_context()  # which takes time, once
        self._clients = []
        for begin in range(0, connections, CONNECTIONS):
            own = min(CONNECTIONS, connections - begin)
            limits = httpx2.Limits(max_connections=own, max_keepalive_connections=own)
            # A redirect would be a second request, and might take the prompt elsewhere.
            http = httpx2.AsyncClient(limits=limits, verify=trusted, follow_redirects=False)
            self._clients.append(Client(http, base_url, api_key, own))

    @contextmanager
    def model(self, name: str) -> Iterator[OpenAIChatModel]:
        """For one call: the client's with the most connections to spare."""
        client = max(self._clients, key=_free)
        client.free -= 1
        try:
            yield client.model(name)
        finally:
            client.free += 1

    async def aclose(self) -> None:
        for client in self._clients:
            await client.sdk.close()


def _free(client: Client) -> int:
    return client.free
