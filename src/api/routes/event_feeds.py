"""Endpoints that are sent the ledger itself: where each is, and having it go on from elsewhere."""

from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.documented import Calling, documented
from api.models import Body, Text
from api.problems import Problem, not_found
from api.routing import router
from api.schemas import results
from domain import notification_endpoint as endpoint
from domain.notification_endpoint import NOTIFICATION_ENDPOINT
from store import event_feeds
from store.notifications.channels import FOLLOWED
from store.notifications.sending import notify
from store.reading import head

routes = router("notifications")


class Rewind(Body):
    position: Annotated[int, Field(ge=0, le=2**63 - 1, description="Behind it the feed goes on; 0: from the beginning.")]
    reason: Text | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"position": 4711}]})


@routes.get(
    "/notifications/endpoints/{id}/feed",
    **documented("See how far an endpoint has got that is sent the ledger", "Where it is", results.FEED, parameters=[]),
)
async def get_feed(call: Calling, id: UUID) -> Response:
    """Only of the format `events`. `behind`: how many events of the ledger it has not been looked at for."""
    call.require("notifications:read")
    state, _ = await call.services.handler.read(call.tenant_id, NOTIFICATION_ENDPOINT, id)
    found = await call.services.system_pool.read(lambda connection: event_feeds.standing(connection, call.tenant_id, id))
    if found is None or not state.exists:  # the row of one that was deleted stays for a while
        raise not_found()
    told = found._asdict()
    reached = told.pop("head")
    return answers.answer({**told, "behind": max(reached - found.position, 0)})


@routes.post(
    "/notifications/endpoints/{id}/rewind",
    **documented("Send the ledger again from a position", "How it stands", results.NOTIFICATION_ENDPOINT_RESULT),
)
async def rewind(call: Calling, id: UUID, body: Rewind) -> Response:
    """Only of the format `events`: it goes on behind `position`, whatever it was sent before. It is on record."""
    async with call.services.system_pool.connection() as connection:
        end = await head(connection, call.tenant_id)
    if end is None or body.position > end.position:
        raise Problem.at("/position", "range", "The ledger does not reach there.")
    spec = commands.NOTIFICATION_ENDPOINT_REWIND
    done = await call.decide(spec, lambda view, _who: endpoint.rewind(view, id, body.position, body.reason), id)
    async with call.services.system_pool.connection() as connection:
        await event_feeds.move(connection, call.tenant_id, id, body.position, done.result["version"])
        await notify(connection, FOLLOWED, str(call.tenant_id))
    return call.answer(done, call.tenant_id)
