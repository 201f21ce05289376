"""Which addresses a request may be sent to.

The standard library's own judgement is not enough: `is_private` is false for 100.64.0.0/10, `is_global` is true for multicast,
6to4 and NAT64, behind which any IPv4 address can be named. So the ranges stand here, from IANA's registries of special-purpose
addresses (RFC 6890 and its successors); of IPv6 only 2000::/3 is given out at all.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux takes 0.0.0.0 for loopback
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and with it the clouds' metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays, deprecated
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
GIVEN_OUT_IPV6 = IPv6Network("2000::/3")
SPECIAL_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks …
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address within
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")


def networks(texts: Collection[str]) -> tuple[Network, ...]:
    """Networks, or single addresses, as an operator writes them. Raises ValueError."""
    return tuple(ip_network(text.strip(), strict=False) for text in texts if text.strip())


def is_allowed(address: Address, permitted: Collection[Network] = ()) -> bool:
    """Whether a request may go there: public addresses, and those that the operator permits although they are not."""
    plain = unwrapped(address)
    if any(plain in network for network in permitted if network.version == plain.version):
        return True
    return is_public(plain)


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the public internet, the IPv4 address within an IPv6 one included."""
    plain = unwrapped(address)
    if isinstance(plain, IPv4Address):
        return not any(plain in network for network in SPECIAL_IPV4)
    if plain.scope_id is not None:
        return False
    return plain in GIVEN_OUT_IPV6 and not any(plain in network for network in SPECIAL_IPV6)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only stands for: mapped, or behind the well-known NAT64 prefix (RFC 6052)."""
    if isinstance(address, IPv6Address) and (address in MAPPED or address in NAT64):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
