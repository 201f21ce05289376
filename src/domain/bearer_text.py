"""A text that gives its bearer a right: whose it is, and a secret that nobody can guess. Shown once; only its hash is kept."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import NamedTuple
from uuid import UUID

KEY, WEBHOOK, LINK = "gk_", "wh_", "al_"
"""How the texts of API keys, of webhooks' addresses and of links to decide by begin."""
SECRET_BYTES = 32
"""Random ones."""


class BearerText(NamedTuple):
    tenant_id: UUID
    id: UUID
    """Of what it gives a right to: a key, a trigger, a link."""
    secret: bytes


def written(prefix: str, parts: BearerText) -> str:
    raw = parts.tenant_id.bytes + parts.id.bytes + parts.secret
    return prefix + urlsafe_b64encode(raw).decode().rstrip("=")


def read(prefix: str, text: str) -> BearerText | None:
    """None where it does not have the form of one."""
    if not text.startswith(prefix) or not text.isascii():
        return None
    body = text[len(prefix) :]
    try:
        raw = urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (Base64Error, ValueError):
        return None
    if len(raw) != 32 + SECRET_BYTES:
        return None
    found = BearerText(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32]), raw[32:])
    return found if written(prefix, found) == text else None  # base64 has several texts for the same bytes; one is ours


def hash_secret(secret: bytes) -> str:
    """Hex SHA-256: enough for a secret of 256 random bits, which cannot be guessed by trying."""
    return hashlib.sha256(secret).hexdigest()
