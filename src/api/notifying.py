"""What commands need that name somebody to notify, and what of a time is to be notified once more."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

from pydantic import Field

from api.call import RequestContext
from api.models import Body, Id
from domain.access import Rights
from domain.callbacks import callback
from domain.facts import Json, View
from domain.notices import TYPES
from domain.notification_delivery import DeliveryRequested
from domain.notification_endpoint import LONGEST_URL, NotificationEndpoint
from engine.notices import deliveries_of
from projections.audit_logs import event_id
from runtime.pools import Connection
from store import event_feeds, notification_cursors
from store.notifications.channels import FOLLOWED
from store.notifications.sending import notify
from store.reading import position_at, read_ledger
from store.topics import topics_of

MOST_EVENTS = 500
"""That are looked at for one replay."""
NOTHING_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
"""No event was recorded earlier; the first moments there are have none before them."""


class Callback(Body):
    """Where the end of something is told: one or the other."""

    url: Annotated[str | None, Field(max_length=LONGEST_URL)] = None
    endpoint_id: Id | None = None

    def named(self, view: View, who: Rights, permission: str) -> Json:
        """As the event keeps it. `permission`: to see what is told. Raises PermissionDenied and Invalid."""
        who.require(permission)
        return callback(view, "/callback", self.url, self.endpoint_id)


async def follow(call: RequestContext) -> None:
    """Have the tenant's ledger looked through for what is to be delivered, from before the command on."""
    async with call.services.system_pool.connection() as connection:
        await notification_cursors.follow(connection, call.tenant_id)


async def feed(call: RequestContext, endpoint_id: UUID) -> None:
    """Have an endpoint sent the ledger from where it is now, once it is made by the command that follows."""
    async with call.services.system_pool.connection() as connection:
        await event_feeds.begin(connection, call.tenant_id, endpoint_id)
        await notify(connection, FOLLOWED, str(call.tenant_id))


@dataclass(frozen=True)
class Period:
    """By the moments at which events were recorded; `after`: only those behind this position."""

    start: datetime
    end: datetime
    after: int = 0


@dataclass(frozen=True)
class Missed:
    """What an endpoint wishes for, of a period. `more_after`: behind which position there is more."""

    deliveries: list[tuple[UUID, DeliveryRequested]]
    more_after: int | None


async def wished_for(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, endpoint: NotificationEndpoint, period: Period
) -> Missed:
    """By the wishes of now."""
    just_before = max(period.start, NOTHING_BEFORE) - timedelta(microseconds=1)
    before = await position_at(connection, tenant_id, just_before)
    up_to = await position_at(connection, tenant_id, period.end)
    topics, after = topics_of(*TYPES), max(before, period.after)
    records = await read_ledger(connection, tenant_id, after, MOST_EVENTS, topics, up_to, also_unread=True)
    begun = await notification_cursors.beginnings_of(connection, tenant_id, records)
    wishes = {str(endpoint_id): {"events": endpoint.events, "workflow_key": endpoint.workflow_key, "enabled": True}}
    found = [
        each
        for record in records
        if record.stream_id in begun
        for each in deliveries_of(record, event_id(tenant_id, record.position), wishes, begun[record.stream_id])
        if each[1].endpoint_id is not None
    ]
    return Missed(found, records[-1].position if len(records) == MOST_EVENTS else None)
