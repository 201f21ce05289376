"""Approval requests of their own: asking for a decision without a workflow."""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented
from api.models import Body, Object, Priority, Text
from api.notifying import Callback, follow
from api.routes.enqueued_jobs import Duration
from api.routing import router
from api.schemas import results
from domain.access import Rights
from domain.approval import Visibility
from domain.facts import Decided, View
from engine.own_requests import Wanted, request

routes = router("approvals")

SAME = "As of an approval node, without expressions."


class Request(Body):
    title: Annotated[str, Field(min_length=1, max_length=2000)]
    description: Text | None = None
    by: Annotated[Object | None, Field(description=SAME)] = None
    exclude: Annotated[list[str] | None, Field(description=SAME)] = None
    fallback: Annotated[Object | None, Field(description=SAME)] = None
    requester: Annotated[Literal["forbid", "skip", "escalate"] | None, Field(description=SAME)] = None
    rule: Annotated[Object | None, Field(description=SAME)] = None
    outcomes: Annotated[list[Object] | None, Field(description=SAME)] = None
    steps: Annotated[list[Object] | None, Field(description=SAME)] = None
    ad_hoc: Annotated[bool | None, Field(description=SAME)] = None
    form: Annotated[Any, Field(description="A JSON Schema of what a decision takes with it.")] = None
    context: Annotated[Any, Field(description="What those who are asked are shown.")] = None
    priority: Priority = 0
    due_in: Annotated[Duration | Object | None, Field(description="By when an answer is hoped for.")] = None
    start_in: Annotated[Duration | Object | None, Field(description="By when somebody is to have claimed or answered it.")] = None
    remind: Annotated[list[Object] | None, Field(description=SAME)] = None
    escalate: Annotated[list[Object] | None, Field(description=SAME)] = None
    attachments: Annotated[list[Object] | None, Field(description="Files that go with it: {name, reference, sha256, …}.")] = None
    ui_schema: Annotated[Object | None, Field(description="How the form is shown; passed through.")] = None
    depends_on: Annotated[
        list[str] | None,
        Field(description="JSON pointers to what decisions look at: they stand where something else is changed."),
    ] = None
    editable: Annotated[
        list[str] | None, Field(description="JSON pointers to what may be changed when it is resubmitted; without: everything.")
    ] = None
    timeout: Annotated[Duration | None, Field(description="After which it closes by itself: it is expired.")] = None
    visibility: Annotated[
        Visibility | None, Field(description="What those who see it see of who decides; `names` unless given.")
    ] = None
    callback: Annotated[
        Callback | None, Field(description="Where its end is told, once: at a `url`, or to a notification endpoint.")
    ] = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": "Buy a second press?",
                    "by": {"roles": ["approver"]},
                    "exclude": ["requester"],
                    "rule": {"type": "single"},
                    "timeout": "P7D",
                }
            ]
        }
    )

    @property
    def definition(self) -> dict[str, Any]:
        """As the configuration of an approval node."""
        return {name: value for name, value in self.given().items() if name not in OF_ITS_OWN and value is not None}


OF_ITS_OWN = ("timeout", "callback")


@routes.post(
    "/approvals",
    status_code=201,
    **documented("Ask for a decision without a workflow", "Asked", results.APPROVAL_RESULT, creates=True),
)
async def ask(call: Calling, body: Request) -> Response:
    """It is decided, listed and told of as those of executions are."""
    if body.callback is not None:
        await follow(call)
    engine = call.services.engine

    def decide(view: View, who: Rights) -> Decided:
        told = None if body.callback is None else body.callback.named(view, who, "approvals:read")
        wanted = Wanted(body.definition, body.timeout, told)
        return request(view, engine, wanted, by=who.user_id, behind=tuple(sorted(who.behind)))

    return await call.command(commands.APPROVAL_REQUEST, decide, status=201, location="/v1/approvals/{id}")
