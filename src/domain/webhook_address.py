"""The address of a webhook: whose it is, and a secret that nobody can guess. It is shown once, and only its hash is kept."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import NamedTuple
from uuid import UUID

_PREFIX = "wh_"
SECRET_BYTES = 32


class Address(NamedTuple):
    tenant_id: UUID
    trigger_id: UUID
    secret: bytes


def written(address: Address) -> str:
    """The last part of the address, as its sender gets it."""
    raw = address.tenant_id.bytes + address.trigger_id.bytes + address.secret
    return _PREFIX + urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str) -> Address | None:
    """None where it does not have the form of one."""
    if not text.startswith(_PREFIX) or not text.isascii():
        return None
    body = text[len(_PREFIX) :]
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return None
    if len(raw) != 32 + SECRET_BYTES:
        return None
    found = Address(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])
    return found if written(found) == text else None  # base64 has several texts for the same bytes; one is an address
