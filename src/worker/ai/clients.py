"""The clients of one endpoint: several, each with a few connections of its own.

The HTTP library looks at all connections of a pool when a request begins, and again when it ends. With 200 calls under way in
one pool that is a quarter of what a call costs; so no pool is large.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import httpx2
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers import Provider as Vendor
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

OPENAI = "https://api.openai.com/v1"
NO_KEY = "none"  # what is sent to an endpoint that needs no key; the SDK insists on one
CONNECTIONS = 32
"""Of one client."""
MOST_BYTES = 16 << 20
"""Of an answer: several times what the longest output that is accepted takes on the wire."""


class UnacceptableAnswer(httpx2.TransportError):
    """The message says why an answer is not read (to its end)."""


class Capped(httpx2.AsyncByteStream):
    """An answer's bytes as they come, up to the cap: nobody holds more of one than that."""

    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read += len(chunk)
            if read > MOST_BYTES:
                raise UnacceptableAnswer(f"The answer is longer than {MOST_BYTES >> 20} MiB.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


async def cap(response: httpx2.Response) -> None:
    """A hook of the client, called before the answer is read."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnacceptableAnswer("The answer is compressed, although that was not asked for.")
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    response.stream = Capped(response.stream)


class ChatModel(OpenAIChatModel):
    """Endpoints send null for counts that they do not know, which is no fault of the answer."""

    def _validate_completion(self, response: ChatCompletion) -> Any:
        usage: Any = response.usage
        if usage is not None and None in (usage.prompt_tokens, usage.completion_tokens):
            response.usage = None
        elif usage is not None and usage.total_tokens is None:
            usage.total_tokens = usage.prompt_tokens + usage.completion_tokens
        return super()._validate_completion(response)


class ProviderClient:
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
        self.model: Callable[[str], OpenAIChatModel] = lru_cache(64)(lambda name: ChatModel(name, provider=vendor))
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
            http = httpx2.AsyncClient(
                limits=limits,
                verify=trusted,
                follow_redirects=False,
                headers={"Accept-Encoding": "identity"},
                event_hooks={"response": [cap]},
            )
            self._clients.append(ProviderClient(http, base_url, api_key, own))

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


def _free(client: ProviderClient) -> int:
    return client.free
