"""Triggers: what starts executions by itself, what came of it, and what people do with them."""

import secrets
from datetime import datetime
from itertools import islice
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Body as Default
from pydantic import ConfigDict, Field
from starlette.responses import Response

from api import commands
from api.documented import Calling, documented, paged
from api.listing import PAST
from api.models import NO_REASON, Body, Reason, Time
from api.problems import not_found
from api.queries import triggers as queries
from api.reads import Question
from api.routing import router
from api.schemas import resources, results
from domain.bearer_text import SECRET_BYTES, WEBHOOK, BearerText, hash_secret, written
from domain.facts import Json
from engine.triggers import commands as triggers
from engine.triggers.schedule import schedule_of

routes = router("triggers")

NEXT_TIMES = 10


class Run(Body):
    payload: Any = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"payload": {"order": "E-1042"}}]})


NO_PAYLOAD = Run()


class Backfill(Body):
    from_: Annotated[Time, Field(alias="from")]
    to: Time
    overlap: Literal["buffer_all", "allow"] = "buffer_all"

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}]},
    )


@routes.get("/triggers", **paged("List triggers", queries.TRIGGERS, resources.TRIGGER_SUMMARY))
async def list_triggers(call: Calling) -> Response:
    call.require("workflows:read")
    return await call.page(queries.TRIGGERS)


@routes.get("/triggers/{id}", **documented("Get a trigger", "The trigger", resources.TRIGGER, parameters=PAST))
async def get(call: Calling, id: UUID) -> Response:
    """With the next ten times of a schedule: those that it will have if it stays as it is."""
    call.require("workflows:read")
    row, answer = await call.row(queries.TRIGGER, {"id": id})
    return call.shown({**row, "next_times": next_times(row)}, answer, "started_count")


def next_times(row: dict[str, Json]) -> list[datetime]:
    first = row["next_run_at"]
    if first is None:
        return []
    return [first, *islice(schedule_of(row["config"]).after(first), NEXT_TIMES - 1)]


@routes.get("/triggers/{id}/runs", **paged("List what came of a trigger", queries.TRIGGER_RUNS, resources.TRIGGER_RUN))
async def list_runs(call: Calling, id: UUID) -> Response:
    """Each time that it was to start an execution, the latest first."""
    call.require("workflows:read")
    answer = await call.rows([Question(queries.TRIGGER, {"tenant_id": call.tenant_id, "id": id}, by_key=True)])
    if not any(answer.rows):
        raise not_found()
    return await call.page(queries.TRIGGER_RUNS, trigger_id=id)


@routes.post("/triggers/{id}/pause", **documented("Pause a trigger", "How it stands", results.TRIGGER_RESULT))
async def pause(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    """It starts nothing until it is resumed. What a schedule misses meanwhile, only a backfill makes up for."""
    return await call.command(commands.TRIGGER_PAUSE, lambda view, _who: triggers.pause(view, id, body.reason), id)


@routes.post("/triggers/{id}/resume", **documented("Resume a paused trigger", "How it stands", results.TRIGGER_RESULT))
async def resume(call: Calling, id: UUID, body: Annotated[Reason, Default()] = NO_REASON) -> Response:
    return await call.command(commands.TRIGGER_RESUME, lambda view, _who: triggers.resume(view, id, body.reason), id)


@routes.post(
    "/triggers/{id}/run",
    status_code=201,
    **documented("Run a trigger now", "Execution started", results.EXECUTION_RESULT, creates=True),
)
async def run(call: Calling, id: UUID, body: Annotated[Run, Default()] = NO_PAYLOAD) -> Response:
    """Start an execution as the trigger would, with `payload` as the data of its event or the body of its request.

    Also while it is paused, and whatever else runs.
    """
    engine = call.services.engine
    return await call.command(
        commands.TRIGGER_RUN,
        lambda view, who: triggers.run_now(view, engine, id, body.payload, who.user_id, sorted(who.behind)),
        id,
        status=201,
        location="/v1/executions/{id}",
    )


@routes.post("/triggers/{id}/backfill", **documented("Make up for times of the past", "How it stands", results.BACKFILL_RESULT))
async def backfill(call: Calling, id: UUID, body: Backfill) -> Response:
    """Start the executions of a schedule's times from one moment to another that have none yet.

    One after the other, in their order; with `overlap` `allow` all at once. While the trigger is paused, they wait.
    """
    concurrent = body.overlap == "allow"
    return await call.command(
        commands.TRIGGER_BACKFILL,
        lambda view, _who: triggers.backfill(view, id, body.from_, body.to, concurrent=concurrent),
        id,
    )


@routes.post(
    "/triggers/{id}/rotate",
    **documented("Give a webhook a new address", "How it stands; its address is shown this once", results.ROTATED_TRIGGER),
)
async def rotate(call: Calling, id: UUID) -> Response:
    """Its first one, or one in the place of the one before, which is no more from the answer on."""
    address = BearerText(call.tenant_id, id, secrets.token_bytes(SECRET_BYTES))
    hashed = hash_secret(address.secret)
    done = await call.decide(commands.TRIGGER_ROTATE, lambda view, _who: triggers.rotate(view, id, hashed), id)
    return call.answer(done, call.tenant_id, unstored={"address": f"/hooks/{written(WEBHOOK, address)}"})
