"""How often an address may ask for links that there are not: as `api.session.FailedLogins` has it of keys.

Links cannot be guessed; this bounds what trying costs. Where it is used up, only what was a link here before is looked at.
"""

import hashlib
import math
from collections import OrderedDict

from starlette.requests import Request

from api.problems import Problem
from api.session import FAILED_LOGINS_BURST, FAILED_LOGINS_RATE, MOST_KEPT, whence
from runtime.buckets import TokenBucket
from runtime.clock import Clock


class LinkTries:
    def __init__(self, clock: Clock) -> None:
        self._bucket: TokenBucket[str] = TokenBucket(clock, rate=FAILED_LOGINS_RATE, burst=FAILED_LOGINS_BURST)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        """Hashes of what led somewhere."""

    def check(self, request: Request, token: str) -> None:
        """Raises Problem (429)."""
        wait = self._bucket.wait(whence(request))
        if wait > 0 and _hash(token) not in self._known:
            detail = "Too many links that there are not were asked for from your address. Try again in a moment."
            raise Problem(429, "rate_limited", detail, headers={"Retry-After": str(math.ceil(wait))})

    def known(self, token: str) -> None:
        self._known[_hash(token)] = None
        self._known.move_to_end(_hash(token))
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def unknown(self, request: Request) -> None:
        self._bucket.take(whence(request))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
