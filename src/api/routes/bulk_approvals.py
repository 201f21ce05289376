"""One thing done to many approval requests in one request: each is a command of its own, judged on its own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, TypeAlias
from uuid import UUID

from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import answers, commands
from api.attachments import Attachments
from api.commands import CommandSpec
from api.documented import Calling, documented
from api.drafting import drop_with_decision
from api.models import Body, Id, Name, Text
from api.problems import Problem
from api.requests import MAX_BODY
from api.routes import approvals
from api.routes.approvals import Choose
from api.routing import router
from api.schemas import work
from api.withheld import without_withheld
from domain.approval import NotEligible
from domain.approval.proof import ProofRequired
from domain.facts import FieldError
from engine.engine import Engine
from store.command import CommandResult
from store.errors import VersionMismatch

routes = router("approvals")

Action: TypeAlias = Literal["decide", "claim", "release", "reassign"]
MOST = 200
"""As many as a page of the inbox has at most."""
DECIDE, CLAIM, REASSIGN = "To decide.", "To claim.", "To reassign."


class Item(Body):
    """A request, and what the action goes by, as in the route for a single one."""

    id: Id
    version: Annotated[int | None, Field(ge=0, description="Where it has changed since, it is refused, as by If-Match.")] = None
    step: Name | None = None
    comment: Text | None = None
    outcome: Annotated[Name | None, Field(description=DECIDE)] = None
    form: Annotated[Any, Field(description=DECIDE)] = None
    role: Annotated[Name | None, Field(description=DECIDE)] = None
    reason: Annotated[Name | None, Field(description=DECIDE)] = None
    on_behalf_of: Annotated[Id | None, Field(description=DECIDE)] = None
    attachments: Annotated[Attachments | None, Field(description=DECIDE)] = None
    override: Annotated[bool, Field(description=CLAIM)] = False
    from_user_id: Annotated[Id | None, Field(description=REASSIGN)] = None
    to_user_id: Annotated[Id | None, Field(description=REASSIGN)] = None


class ManyApprovals(Body):
    MAX_BYTES: ClassVar[int] = 8 * MAX_BODY
    action: Action
    items: Annotated[list[Item], Field(min_length=1, max_length=MOST)]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "decide",
                    "items": [
                        {"id": "0198c0de-0000-7000-8000-000000000001", "outcome": "approved", "comment": "Within budget."},
                        {"id": "0198c0de-0000-7000-8000-000000000002", "outcome": "rejected", "version": 3},
                    ],
                }
            ]
        }
    )


@dataclass(frozen=True)
class Acting:
    """How an action is done to one request. `single`: the body of the route that does it; `needed`: fields that it must have."""

    spec: CommandSpec
    single: type[Body]
    decision: Callable[[Engine, UUID, Any], Choose]
    needed: tuple[str, ...] = ()

    def body_of(self, item: Item) -> Body:
        """Its values were checked as the item's, by the same types."""
        given = item.given()
        return self.single.model_construct(**{name: given[name] for name in self.single.model_fields if name in given})


ACTIONS: Mapping[Action, Acting] = {
    "decide": Acting(commands.APPROVAL_DECIDE, approvals.Decision, approvals.deciding, ("outcome",)),
    "claim": Acting(commands.APPROVAL_CLAIM, approvals.Claiming, approvals.claiming),
    "release": Acting(commands.APPROVAL_RELEASE, approvals.Remark, approvals.releasing),
    "reassign": Acting(commands.APPROVAL_REASSIGN, approvals.Reassignment, approvals.reassigning, ("from_user_id", "to_user_id")),
}


@routes.post(
    "/approvals/bulk",
    **documented("Act on many approval requests", "One result per item, in order", work.BULK_APPROVALS, versioned=False),
)
async def act_on_many(call: Calling, body: ManyApprovals) -> Response:
    """A refused item does not stop the others. A result has a `status`, and `approval` and `execution`; if refused, a `problem`.

    An outcome that needs fresh proof of who decides is refused here.
    """
    faults = tuple(_faults(body))
    if faults:
        raise Problem(422, faults[0].code, faults[0].message, faults)
    acting, engine = ACTIONS[body.action], call.services.engine

    async def one(item: Item, key_suffix: str) -> CommandResult:
        command = call.to_command(call.tenant_id, acting.spec, item.id, key_suffix)
        if item.version is not None:
            command = replace(command, expect={item.id: item.version})
        said = await without_withheld(call, item.id, acting.body_of(item))
        try:
            done = await call.handle(acting.spec, command, acting.decision(engine, item.id, said))
        except VersionMismatch:
            raise VersionMismatch(path="/version") from None
        if body.action == "decide":
            await drop_with_decision(call, item.id, item.step)
        return done

    results = await call.each(
        body.items, acting.spec, one, lambda done: {"status": 200, **done.result}, of_items=(NotEligible, ProofRequired)
    )
    return answers.answer({"items": results})


def _faults(body: ManyApprovals) -> Iterator[FieldError]:
    """What an action needs and an item does not have, or has and the action does not take; and what is there twice."""
    acting = ACTIONS[body.action]
    taken = {"id", "version", *acting.single.model_fields}
    seen: set[tuple[Any, ...]] = set()
    for number, item in enumerate(body.items):
        pointer, given = f"/items/{number}", item.given()
        for name in given:
            if name not in taken:
                yield FieldError(f"{pointer}/{name}", "unknown_field", f"There is no {name} where the action is {body.action}.")
        for name in acting.needed:
            if given.get(name) is None:
                yield FieldError(f"{pointer}/{name}", "required", f"To {body.action}, {name} is needed.")
        if (item.id, item.step, item.from_user_id) in seen:  # which of the two is done would be left to chance
            yield FieldError(f"{pointer}/id", "duplicate", "This request is there already: each is named once.")
        seen.add((item.id, item.step, item.from_user_id))
