"""Signatures of requests as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from datetime import datetime, timedelta

PREFIX = "whsec_"
VERSION = "v1"
MOST_SIGNATURES = 20
"""Of one request: a sender that rotates its secret signs with two."""


class BadSignature(Exception):
    """The request is not signed with the secret, or not now. `str()`: why, without saying what would be right."""


def key_of(secret: str) -> bytes:
    """The key that a secret stands for: after `whsec_` its base64, otherwise the text itself."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix(PREFIX), validate=True)
    except (Base64Error, ValueError):
        return secret.encode()


def sign(secret: str, id: str, timestamp: str, body: bytes) -> str:
    digest = hmac.digest(key_of(secret), f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"{VERSION},{b64encode(digest).decode()}"


def verify(secret: str, id: str, timestamp: str, body: bytes, signatures: str, *, now: datetime, window: timedelta) -> None:
    """`signatures`: of the header, parted by blanks; one of them has to be right. Raises BadSignature."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise BadSignature("webhook-timestamp is not a number of seconds")
    if abs(now.timestamp() - int(timestamp)) > window.total_seconds():
        raise BadSignature("webhook-timestamp is too far from now")
    expected = sign(secret, id, timestamp, body).encode()
    given = [each.encode() for each in signatures.split(" ")[:MOST_SIGNATURES]]
    if not any(hmac.compare_digest(each, expected) for each in given):
        raise BadSignature("webhook-signature is none of this request by this secret")
