"""Deliveries of notifications: what became of each, and how one is sent again."""

from uuid import UUID

from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.queries import notifications as queries
from api.routing import router
from api.schemas import resources, results
from domain import notification_delivery as delivery

routes = router("notifications")


@routes.get("/deliveries", **paged("List deliveries", queries.DELIVERIES, resources.DELIVERY_SUMMARY))
async def list_deliveries(call: Calling) -> Response:
    call.require("notifications:read")
    return await call.page(queries.DELIVERIES)


@routes.get(
    "/deliveries/{id}",
    **documented("Get a delivery", "The delivery and its last hundred attempts", resources.DELIVERY, parameters=PAST),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("notifications:read")
    return await call.one(queries.DELIVERY, {"id": id})


@routes.post("/deliveries/{id}/retry", **documented("Send a delivery again now", "How it stands", results.DELIVERY_RESULT))
async def retry(call: Calling, id: UUID) -> Response:
    """However it stands: what waits need not wait, what was given up begins anew, what was delivered is sent once more.

    It keeps its `webhook-id`.
    """
    return await call.command(commands.NOTIFICATION_DELIVERY_RETRY, lambda view, _who: delivery.retry(view, id), id)
