"""How often an address may present what leads nowhere: keys that are not valid, links that there are not.

They cannot be guessed; this bounds what trying costs. Where it is used up, only what has led somewhere here before is looked at:
so those who share the address with whoever tries go on.
"""

import hashlib
import ipaddress
from collections import OrderedDict
from functools import lru_cache

from starlette.requests import Request

from runtime.buckets import TokenBucket
from runtime.clock import Clock

BURST = 100
RATE = 1.0
"""A second."""
MOST_KEPT = 10_000


class Tries:
    def __init__(self, clock: Clock) -> None:
        self._bucket: TokenBucket[str] = TokenBucket(clock, rate=RATE, burst=BURST)
        self._known: OrderedDict[bytes, None] = OrderedDict()
        """Hashes of what led somewhere."""

    def wait(self, request: Request, presented: str) -> float:
        """Seconds until this is looked at; 0.0: now."""
        wait = self._bucket.wait(_whence(request))
        return wait if wait > 0 and _hash(presented) not in self._known else 0.0

    def known(self, presented: str) -> None:
        self._known[_hash(presented)] = None
        self._known.move_to_end(_hash(presented))
        if len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def failed(self, request: Request) -> None:
        self._bucket.take(_whence(request))


def _hash(presented: str) -> bytes:
    return hashlib.sha256(presented.encode()).digest()


def _whence(request: Request) -> str:
    return "" if request.client is None else _network(request.client.host)


@lru_cache(maxsize=MOST_KEPT)
def _network(host: str) -> str:
    """Whom an address belongs to: of IPv6 everybody has as many as they like, in a network of their own."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((int(address), 64), strict=False))
