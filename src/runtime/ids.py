"""New ids."""

from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): ordered by time, and strictly ascending within this process."""
    return uuid7()
