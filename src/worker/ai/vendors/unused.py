"""The blocking client that some SDKs insist on beside the one that is used: it would read certificates each time it is made."""

import httpx2


def _refuse(request: httpx2.Request) -> httpx2.Response:
    raise AssertionError(f"nothing is called by this client, {request.url.host} neither")


UNUSED = httpx2.Client(transport=httpx2.MockTransport(_refuse), trust_env=False)
