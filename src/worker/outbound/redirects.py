"""Redirects, where a definition allows some: each goes by the one way out like any request, its host resolved and judged anew.

As browsers do it (https://fetch.spec.whatwg.org/#http-redirect-fetch), but that nothing like a credential leaves the origin.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from time import monotonic
from urllib.parse import quote, unquote_plus

import httpx2

from worker.outbound.client import OutboundError, Request, Response, parsed

STATUSES = frozenset({301, 302, 303, 307, 308})
OF_A_BODY = frozenset({"content-type", "content-encoding", "content-language", "content-location"})
OF_WHAT_IS_NOT_SAFE = frozenset({"idempotency-key"})
CREDENTIALS = re.compile(r"auth|cookie|token|secret|signature|password|credential|session|key|hmac|jwt", re.IGNORECASE)
"""Names of headers that sound like them, whoever gave them."""
KEPT = frozenset({"idempotency-key"})
PORTS = {"https": 443, "http": 80}


async def send_on(
    send: Callable[[Request], Awaitable[Response]], request: Request, most: int, secrets: Collection[str] = ()
) -> tuple[Response, bool]:
    """The last answer, and whether it is that of a redirect. `most`: redirects; `secrets`: texts that must not leave the origin.

    All of it has the time of the one request. Raises OutboundError; after a redirect the first request was `sent`.
    """
    ends, response, redirected = monotonic() + request.timeout, await send(request), False
    for _ in range(most):
        location = response.header("location")
        if response.status not in STATUSES or location is None:
            break
        redirected = True
        try:
            request = replace(followed(request, response.status, location, secrets), timeout=max(ends - monotonic(), 0.001))
            response = await send(request)
        except OutboundError as error:
            raise OutboundError(error.type, str(error), retryable=error.retryable, sent=True) from error
    return response, redirected


def followed(request: Request, status: int, location: str, secrets: Collection[str] = ()) -> Request:
    """The request that a redirect asks for. Raises OutboundError."""
    before = parsed(request.url)
    try:
        target = parsed(str(before.join(_as_ascii(location)).copy_with(fragment=None)))
    except (httpx2.InvalidURL, ValueError) as error:
        raise OutboundError("invalid_url", "The redirect leads to what is no URL.") from error
    method, body, headers = request.method, request.body, request.headers
    if (status in (301, 302) and method == "POST") or (status == 303 and method not in ("GET", "HEAD")):
        method, body = "GET", b""
        headers = [(name, value) for name, value in headers if name.lower() not in OF_A_BODY | OF_WHAT_IS_NOT_SAFE]
    if origin(target) != origin(before):
        if any(text in unquote_plus(str(target)) or quote(text) in str(target) for text in secrets):
            raise OutboundError("forbidden", f"The redirect to {target.host} would carry a secret there.")
        headers = [
            (name, value)
            for name, value in headers
            if (name.lower() in KEPT or not CREDENTIALS.search(name)) and not any(text in value for text in secrets)
        ]
    return replace(request, method=method, url=str(target), headers=headers, body=body)


def origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host.lower(), url.port or PORTS[url.scheme]


def _as_ascii(location: str) -> str:
    """Headers are read as Latin-1; what is meant by other bytes is UTF-8."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location
