"""Looks whose inbox is not empty when a digest falls due, and asks for the mail of each.

The delivery's id follows from the person and the period: a job that is done twice, by whomever, asks for each once.
"""

import asyncio
from uuid import UUID

from domain.facts import Decided, View
from domain.member import MEMBER
from domain.notices import DIGEST as TYPE
from domain.notification_delivery import DeliveryRequested, request
from domain.notification_endpoint import NOTIFICATION_ENDPOINT
from domain.notification_preferences import (
    NOTIFICATION_PREFERENCES,
    asked_for,
    digest_delivery,
    preferences_of,
)
from projections import inbox
from runtime.failpoints import failpoint
from store import notification_cursors
from store.jobs import LeasedJob
from worker.context import WorkerContext
from worker.leases import Runner

PAGE, TOGETHER = 200, 20
"""People who are looked at, and of whom commands are under way, at a time."""


def digest_runner(context: WorkerContext) -> Runner:
    return Runner(lambda job: _look(context, job))


async def _look(context: WorkerContext, job: LeasedJob) -> None:
    stream, turn, period = UUID(job.input["preferences"]), job.input["turn"], job.input["period"]
    state, _ = await context.handler.read(job.tenant_id, NOTIFICATION_PREFERENCES, stream)
    endpoint_id = await _endpoint(context, job.tenant_id)
    people = 0
    if endpoint_id is not None:
        people = await _ask_all(context, job.tenant_id, state.user_id, endpoint_id, period)
    failpoint("worker.digests_asked_for")
    await context.do(job.tenant_id, "notification.digest", lambda view: asked_for(view, stream, turn, period, job.fence, people))


async def _endpoint(context: WorkerContext, tenant_id: UUID) -> UUID | None:
    """The first one by which mail goes."""
    async with context.pool.connection() as connection:
        found = await notification_cursors.mail_endpoints(connection, tenant_id)
    for endpoint_id in found:
        endpoint, _ = await context.handler.read(tenant_id, NOTIFICATION_ENDPOINT, endpoint_id)
        if endpoint.exists and endpoint.enabled and endpoint.format == "mail":
            return endpoint_id
    return None


async def _ask_all(context: WorkerContext, tenant_id: UUID, person: UUID | None, endpoint_id: UUID, period: str) -> int:
    """For how many it was asked. `person`: None: for everybody who says nothing of a digest."""
    count, after = 0, None
    while True:
        given = {"tenant_id": tenant_id, "person": person, "after": after, "limit": PAGE}
        async with context.pool.connection() as connection:
            found = await inbox.people_with_some(connection, given)
        waiting = [row["user_id"] for row in found if row["waits"]]
        for start in range(0, len(waiting), TOGETHER):
            some = waiting[start : start + TOGETHER]
            asking = (_ask(context, tenant_id, one, endpoint_id, period, is_default=person is None) for one in some)
            count += sum(await asyncio.gather(*asking))
        if len(found) < PAGE:
            return count
        after = found[-1]["user_id"]


async def _ask(
    context: WorkerContext, tenant_id: UUID, person: UUID, endpoint_id: UUID, period: str, *, is_default: bool
) -> bool:
    def decide(view: View) -> Decided:
        own = view.read(NOTIFICATION_PREFERENCES, preferences_of(tenant_id, person))
        if not view.read(MEMBER, person).active or (is_default and own.digest is not None):
            return Decided(result=False)
        requested = DeliveryRequested(TYPE, "digest", endpoint_id, user_id=person, period=period)
        asked = request(view, digest_delivery(tenant_id, person, period), requested)
        return Decided(asked.facts, jobs=asked.jobs, result=bool(asked.facts))

    done = await context.do(tenant_id, "notification.digest", decide)
    return bool(done.result)
