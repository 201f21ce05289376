"""A client of several API processes, each call at the next one: every one is behind what the others just did."""

from collections.abc import Sequence
from itertools import cycle

import httpx2


class InTurns(httpx2.AsyncBaseTransport):
    """Sends each request to the next of these addresses, whatever host it names."""

    def __init__(self, urls: Sequence[str], limits: httpx2.Limits) -> None:
        self._urls = cycle(map(httpx2.URL, urls))
        self._transport = httpx2.AsyncHTTPTransport(limits=limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = next(self._urls)
        request.url = request.url.copy_with(scheme=url.scheme, host=url.host, port=url.port)
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()
