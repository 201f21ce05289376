"""`Gesta-Position`: where in which ledger something stands, as a token that clients hand back without reading it."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from uuid import UUID

LAYOUT = struct.Struct(">16sIQ")


@dataclass(frozen=True)
class Position:
    """A position counts from 1; 0 is before the first event. A restore or failover raises the epoch."""

    tenant_id: UUID
    epoch: int
    position: int

    def __str__(self) -> str:
        return urlsafe_b64encode(LAYOUT.pack(self.tenant_id.bytes, self.epoch, self.position)).rstrip(b"=").decode()

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """None where the text is no token of ours."""
        try:
            packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            tenant, epoch, position = LAYOUT.unpack(packed)
        except (Error, ValueError, struct.error):
            return None
        return cls(UUID(bytes=tenant), epoch, position)
