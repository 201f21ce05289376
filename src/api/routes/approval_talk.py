"""What is said about a request: questions, their answers, comments; and who watches it."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.attachments import Attachments, attachments
from api.commands import CommandSpec
from api.documented import Calling, documented, paged
from api.models import Body, Id
from api.names import comments_seen_by
from api.queries import approval_comments as queries
from api.queries.approvals import STANDING
from api.routes.approvals import NobodyDecides
from api.routing import router
from api.schemas import resources, results
from domain.access import Asking, Rights
from domain.approval import APPROVAL as REQUEST
from domain.approval import Decider
from domain.approval.discussing import NotConcerned
from domain.facts import Decided, View
from engine import discussing

routes = router("approvals")

Words = Annotated[str, Field(min_length=1, max_length=10_000)]
SAID = "What was said"


class Asked(Body):
    text: Words
    to_user_id: Id | None = None
    attachments: Attachments | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Is the price per month or per year?"}]})


class Answered(Body):
    question_id: Id
    text: Words
    attachments: Attachments | None = None


class Comment(Body):
    text: Words
    attachments: Attachments | None = None


class Watcher(Body):
    user_id: Id | None = None


ONESELF = Watcher()


@routes.post("/approvals/{id}/ask", **documented("Ask a question about an approval request", SAID, results.SAID))
async def ask_question(call: Calling, id: UUID, body: Asked) -> Response:
    """Whoever asked for the decision, unless it says whom (`to_user_id`). The request may be decided meanwhile."""

    def asks(view: View, who: Rights, person: Decider) -> Decided:
        more = {"manages": who.allows("approvals:manage")}
        return discussing.ask_question(view, id, person, body.text, body.to_user_id, attachments(body.attachments), **more)

    return await _said(call, commands.APPROVAL_ASK, id, asks)


@routes.post("/approvals/{id}/answer", **documented("Answer a question about an approval request", SAID, results.SAID))
async def answer_question(call: Calling, id: UUID, body: Answered) -> Response:
    """By the one who was asked, once."""

    def answers(view: View, _who: Rights, person: Decider) -> Decided:
        return discussing.answer_question(view, id, person, body.question_id, body.text, attachments(body.attachments))

    return await _said(call, commands.APPROVAL_ANSWER, id, answers)


@routes.post("/approvals/{id}/comments", **documented("Comment on an approval request", SAID, results.SAID))
async def comment(call: Calling, id: UUID, body: Comment) -> Response:
    """By who asked for the decision, who is asked for it, who was asked a question about it, and who manages approvals."""

    def comments(view: View, who: Rights, person: Decider) -> Decided:
        more = {"manages": who.allows("approvals:manage")}
        return discussing.comment_on(view, id, person, body.text, attachments(body.attachments), **more)

    return await _said(call, commands.APPROVAL_COMMENT, id, comments)


@routes.patch("/approvals/{id}/comments/{comment_id}", **documented("Change what one has said", SAID, results.SAID))
async def edit_comment(call: Calling, id: UUID, comment_id: UUID, body: Comment) -> Response:
    """One's own question, answer or comment; its attachments are then those that are given."""

    def edits(view: View, _who: Rights, person: Decider) -> Decided:
        return discussing.edit_comment(view, id, person, comment_id, body.text, attachments(body.attachments))

    return await _said(call, commands.APPROVAL_EDIT_COMMENT, id, edits)


@routes.delete("/approvals/{id}/comments/{comment_id}", **documented("Take back what one has said", SAID, results.SAID))
async def delete_comment(call: Calling, id: UUID, comment_id: UUID) -> Response:
    """That something was said stays, and the words in the ledger."""

    def deletes(view: View, _who: Rights, person: Decider) -> Decided:
        return discussing.delete_comment(view, id, person, comment_id)

    return await _said(call, commands.APPROVAL_DELETE_COMMENT, id, deletes)


@routes.get("/approvals/{id}/comments", **paged("List what was said", queries.COMMENTS, resources.APPROVAL_COMMENT))
async def list_comments(call: Calling, id: UUID) -> Response:
    """Questions, answers and comments, in their order. Whose they are, as the request shows names."""
    call.require("approvals:read")
    request, _ = await call.row(STANDING, {"id": id})
    return await call.page(queries.COMMENTS, id=id, shown=comments_seen_by(call.session.rights, request))


@routes.post("/approvals/{id}/watch", **documented("Watch an approval request", "Who watches", results.WATCHING))
async def watch(call: Calling, id: UUID, body: Annotated[Watcher, Default()] = ONESELF) -> Response:
    """Oneself; who asked for the decision, and who manages approvals, may also have another one watch it (`user_id`)."""

    def watches(view: View, who: Rights, person: Decider) -> Decided:
        _require_for(view, id, who, person, body.user_id)
        other = body.user_id not in (None, person.user_id)
        return discussing.watch(view, id, body.user_id or person.user_id, person.user_id if other else None)

    return await _said(call, commands.APPROVAL_WATCH, id, watches)


@routes.post("/approvals/{id}/unwatch", **documented("Watch an approval request no longer", "Who did", results.WATCHING))
async def unwatch(call: Calling, id: UUID, body: Annotated[Watcher, Default()] = ONESELF) -> Response:
    def unwatches(view: View, who: Rights, person: Decider) -> Decided:
        _require_for(view, id, who, person, body.user_id)
        return discussing.unwatch(view, id, body.user_id or person.user_id)

    return await _said(call, commands.APPROVAL_UNWATCH, id, unwatches)


def _require_for(view: View, request_id: UUID, who: Rights, person: Decider, user_id: UUID | None) -> None:
    """Raises NotConcerned for another one's watching."""
    if user_id in (None, person.user_id) or who.allows("approvals:manage"):
        return
    if view.read(REQUEST, request_id).requested_by not in (person.user_id, *person.behind):
        raise NotConcerned


async def _said(call: Calling, spec: CommandSpec, id: UUID, decide: Callable[[View, Rights, Decider], Decided]) -> Response:
    def by_a_person(view: View, asking: Asking) -> Decided:
        who = asking.who
        if who.user_id is None:
            raise NobodyDecides
        return decide(view, who, Decider(who.user_id, who.roles, behind=who.behind))

    done = await call.handle(spec, call.to_command(call.tenant_id, spec, id), by_a_person)
    return call.answer(done, call.tenant_id)
