"""AI tasks: what models were asked, what they answered, used and cost; and a hand on those that are not over."""

from typing import Annotated
from uuid import UUID

from fastapi import Body as Default
from starlette.responses import Response

from api import answers, commands, waiter
from api.documented import Calling, documented, paged
from api.listing import FRESHNESS
from api.models import NO_REASON, Reason
from api.queries import ai_tasks as queries
from api.routing import router
from api.schemas import resources, results
from api.waiting import WAIT, row_when_over
from domain.facts import View
from engine import ai_task_commands
from store import jobs

routes = router("AI tasks")


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
        parameters=[WAIT, *FRESHNESS],
    ),
)
async def get(call: Calling, id: UUID) -> Response:
    call.require("ai_tasks:read")
    return call.shown(*await row_when_over(call, queries.AI_TASK, id, waiter.AI_TASK))


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
