"""The HTTP clients that vendors' SDKs are given: no redirects, nothing from the environment, answers as they come and capped."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2

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


async def ask_plainly(request: httpx2.Request) -> None:
    """A hook of the client: SDKs have their own mind about headers."""
    request.headers["Accept-Encoding"] = "identity"


def client(**how: Any) -> httpx2.AsyncClient:
    """A redirect would be a second request, and might take the prompt elsewhere."""
    hooks: dict[str, list[Any]] = {"request": [ask_plainly], "response": [cap]}
    return httpx2.AsyncClient(follow_redirects=False, event_hooks=hooks, timeout=None, **how)
