"""Where a request came from, behind proxies: the nearest address that is not one of ours.

Who sends a request may write any header. Only what a trusted proxy has put there counts: each appends the address that it was
called from, so the list is read from its end, for as long as the address that is vouched for is itself a trusted proxy's.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^";,\s]*))', re.IGNORECASE)
"""The node of one element of `Forwarded` (RFC 7239)."""


@dataclass(frozen=True)
class Proxies:
    """Those that are trusted; nobody unless somebody is named. `header`: the one that they write, in lower case."""

    trusted: tuple[Network, ...] = ()
    header: str = "x-forwarded-for"

    def put_client(self, scope: Scope) -> None:
        """Make the client's address that of the request."""
        client = scope.get("client")
        if not self.trusted or client is None:
            return
        peer = _address(client[0])
        if peer is not None and self._trusts(peer):
            scope["client"] = (str(self._nearest(peer, self._hops(scope["headers"]))), 0)

    def _nearest(self, peer: Address, hops: Iterable[str]) -> Address:
        """What is no address (`unknown`, a name made up by a proxy) ends the way: what stands before it, nobody vouches for."""
        nearest = peer
        for hop in hops:
            address = _address(hop)
            if address is None:
                break
            nearest = address
            if not self._trusts(address):
                break
        return nearest

    def _hops(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """The addresses in the header, the one added last first."""
        wanted = self.header.encode()
        values = ",".join(value.decode("latin-1") for name, value in headers if name == wanted)
        for element in reversed(values.split(",")):
            if self.header == "forwarded":
                found = FOR.search(element.strip())
                yield "" if found is None else found[1] or found[2] or ""
            else:
                yield element.strip()

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self.trusted)


def _address(text: str) -> Address | None:
    """An address, with or without brackets, port and zone; IPv4 where it is written as IPv6."""
    bracketed = text.startswith("[")
    host = text[1:].partition("]")[0] if bracketed else text.partition(":")[0] if text.count(":") == 1 else text
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
