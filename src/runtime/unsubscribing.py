"""The proof in an address by which somebody says that they want no more mail of a tenant's: whoever has the mail may say so."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from hmac import compare_digest
from uuid import UUID

from runtime.master_keys import MasterKeys

PROOF_BYTES = 20
LENGTH = 2 * 16 + PROOF_BYTES
PURPOSE = b"unsubscribe "


def token_of(keys: MasterKeys, tenant_id: UUID, user_id: UUID) -> str:
    """The same for every mail to a person, for as long as the master key is the first one."""
    who = tenant_id.bytes + user_id.bytes
    return urlsafe_b64encode(who + _proof(keys, who)).decode().rstrip("=")


def whose(keys: MasterKeys, token: str) -> tuple[UUID, UUID] | None:
    """Tenant and person; None: it is none of ours."""
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (Base64Error, ValueError):
        return None
    who = data[:32]
    if len(data) != LENGTH or not compare_digest(data[32:], _proof(keys, who)):
        return None
    return UUID(bytes=who[:16]), UUID(bytes=who[16:])


def _proof(keys: MasterKeys, who: bytes) -> bytes:
    return keys.fingerprint(PURPOSE + who)[:PROOF_BYTES]
