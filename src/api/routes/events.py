"""Events from outside, as CloudEvents 1.0 has them: told to every execution that waits for one like it."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented
from api.models import Body, Time
from api.routing import router
from api.schemas import results
from domain.access import Rights
from domain.facts import Decided, View
from engine import events
from engine.nodes.wait_event import LONGEST_TYPE

routes = router("events")

Text = Annotated[str, Field(min_length=1, max_length=1_000)]


class CloudEvent(Body):
    specversion: Literal["1.0"]
    id: Text
    source: Text
    type: Annotated[str, Field(min_length=1, max_length=LONGEST_TYPE)]
    subject: Text | None = None
    time: Time | None = None
    datacontenttype: Literal["application/json"] | None = None
    dataschema: Text | None = None
    data: Any = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"specversion": "1.0", "id": "7", "source": "shop", "type": "order.paid", "data": {"order": "E-1042"}}]
        }
    )


@routes.post(
    "/events",
    **documented("Send an event", "Received now, or before by its source and id", results.EVENT_RESULT, versioned=False),
)
async def receive(call: Calling, body: CloudEvent) -> Response:
    """A CloudEvent in JSON. Every execution that waits for one like it goes on; the answer does not wait for that."""

    def decide(view: View, who: Rights) -> Decided:
        return events.receive(
            view,
            source=body.source,
            id=body.id,
            type=body.type,
            data=body.data,
            subject=body.subject,
            time=body.time,
            sent_by=tuple(sorted(who.people)),
        )

    return await call.command(commands.EVENT_RECEIVE, decide)
