"""AI tasks: what models were asked, what they answered, used and cost; and a hand on those that are not over."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from starlette.responses import Response

from api import answers, commands, following, following_ai, headers, waiter
from api.documented import Calling, documented, paged
from api.listing import PAST, WHOLE, read_parameter
from api.models import NO_REASON, Reason
from api.problems import not_found
from api.queries import ai_tasks as queries
from api.routing import query, router
from api.schemas import resources, results
from api.waiting import WAIT, row_when_over
from domain.facts import View
from engine import ai_task_commands
from store import jobs

routes = router("AI tasks")

OFFSET = query("offset", {"type": "integer", "minimum": 0, "default": 0}, "Only what comes after so many characters.")
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "As `offset`: the id of the last message, by which a client goes on.",
}


@routes.get("/ai-tasks", **paged("List AI tasks", queries.AI_TASKS, resources.AI_TASK_SUMMARY))
async def list_ai_tasks(call: Calling) -> Response:
    call.require("ai_tasks:read")
    return await call.page(queries.AI_TASKS)


@routes.get(
    "/ai-tasks/{id}",
    **documented(
        "Get an AI task",
        "The task with its attempts, answers and calls of tools",
        resources.AI_TASK,
        parameters=[WAIT, *PAST],
    ),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("ai_tasks:read")
    return call.shown(*await row_when_over(call, queries.AI_TASK, id, waiter.AI_TASK))


@routes.get(
    "/ai-tasks/{id}/stream",
    **documented(
        "Follow what is said",
        "What is there",
        results.AI_TASK_STREAM,
        parameters=[OFFSET, LAST_EVENT_ID],
        tagged=False,
        also={following.MEDIA_TYPE: {"schema": {"type": "string"}}},
    ),
)
async def stream(call: Calling, id: UUID) -> Response:
    """The text of a task with `stream: true`, while the model says it: kept for six hours, and no record.

    With `Accept: text/event-stream` the answer goes on until the task is over, from after `Last-Event-ID` or `offset`.
    """
    call.require("ai_tasks:read")
    status, _ = await following_ai.status_of(call, id)
    if status == "absent":
        raise not_found()
    last_seen = headers.once(call.request, "Last-Event-ID")
    # a wrong offset is told, though the other is what counts
    offset = read_parameter("offset", WHOLE, call.request.query_params.get("offset", "0"))
    if last_seen is not None:
        offset = read_parameter("Last-Event-ID", WHOLE, last_seen)
    if headers.prefers(call.request.headers.getlist("accept"), following.MEDIA_TYPE, "application/json"):
        return following_ai.follow(call, id, offset)
    chunks = await following_ai.said(call, id, offset)
    items = [{"attempt_id": chunk.attempt_id, "offset": chunk.position, "text": chunk.text} for chunk in chunks]
    return answers.answer({"status": status, "items": items, "next_offset": chunks[-1].end if chunks else offset})


@routes.post("/ai-tasks/{id}/cancel", **documented("Cancel an AI task", "The task and its execution", results.CANCELLED_AI_TASK))
async def cancel(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """Its node fails with the error `cancelled`. An attempt that is under way may still report what it used."""
    engine = call.services.engine
    return await call.command(
        commands.AI_TASK_CANCEL,
        lambda view, _who: ai_task_commands.cancel_ai_task(view, engine, id, body.reason),
        id,
        versioned="ai_task",
    )


@routes.post(
    "/ai-tasks/{id}/retry",
    **documented("Try an AI task again now", "The task's status", results.RETRIED_AI_TASK, unrecorded=True),
)
async def retry(call: Calling, id: UUID) -> Response:
    """Does not wait for the moment of the next attempt. A task that is over stays over: its execution has moved on."""
    waiting: list[UUID] = []

    def further(view: View) -> None:
        waiting[:] = [ai_task_commands.waiting_attempt(view, id)]

    await call.authorize(commands.AI_TASK_RETRY, id, lambda view, _who: further(view))
    await call.services.system_pool.read(lambda connection: jobs.run_now(connection, call.tenant_id, waiting[0]))
    call.note(commands.AI_TASK_RETRY, id)
    return answers.answer({"id": id, "status": "pending"})
