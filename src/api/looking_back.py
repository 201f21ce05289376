"""Questions to the ledger as it was: up to which position, and whose streams they are about."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from api import headers
from api.positions import Position
from api.problems import Problem
from domain.envelope import PLATFORM
from domain.facts import Aggregate
from store.past import Past
from store.reading import head, position_at, read_ledger

if TYPE_CHECKING:
    from api.call import RequestContext

S = TypeVar("S")
AS_OF = "as_of"


TOO_MUCH = "Too much has happened to tell this here."


@dataclass(frozen=True)
class Moment:
    """Up to which position a ledger is looked at, and what time it was then."""

    position: int
    now: datetime


async def moment_of(call: "RequestContext", text: str | None, name: str = AS_OF) -> Moment:
    """None: now. A time of RFC 3339, a position as the audit log has it, or a `Gesta-Position`. `name`: the parameter that says
    so. Raises Problem."""
    reads, tenant_id = call.services.reads, call.tenant_id
    found = await reads.of_ledger(lambda conn: head(conn, tenant_id))
    end = 0 if found is None else found.position
    if text is None:
        return Moment(end, call.services.clock.now())
    position = _position(text, tenant_id)
    if position is not None:
        if not 1 <= position <= end:
            raise Problem.at(name, "range", f"{name} must be a position from 1 to {end}.")
        (record,) = await reads.of_ledger(lambda conn: read_ledger(conn, tenant_id, position - 1, 1, also_unread=True))
        return Moment(position, record.recorded_at)
    try:
        now = headers.moment(text)
    except ValueError as error:
        raise Problem.at(name, "value", f"{name} must be {error}, or a position in the ledger.") from None
    if now > call.services.clock.now():
        raise Problem.at(name, "future", f"{name} must not be in the future.")
    return Moment(await reads.of_ledger(lambda conn: position_at(conn, tenant_id, now)), now)


def _position(text: str, tenant_id: UUID) -> int | None:
    if text.isascii() and text.isdigit():
        return int(text[:18])
    token = Position.parse(text)
    return token.position if token is not None and token.tenant_id == tenant_id else None


def past_of(call: "RequestContext", position: int) -> Past:
    return Past(call.tenant_id, position, call.services.reads.of_ledger)


class PastPlatform:
    """What was known of the platform's ledger. An `access.Platform` over what was read of it before."""

    def __init__(self, past: Past) -> None:
        self._past = past

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> S:
        return self._past.state(aggregate, stream_id)


async def past_platform(call: "RequestContext", moment: Moment, streams: Collection[UUID]) -> PastPlatform:
    """As of the same moment, with these streams and the tenant's."""
    reads = call.services.reads
    position = await reads.of_ledger(lambda conn: position_at(conn, PLATFORM, moment.now))
    past = Past(PLATFORM, position, reads.of_ledger)
    await past.know([call.tenant_id, *streams])
    return PastPlatform(past)
