"""Is this process alive, can it serve, what has it counted. Nobody needs a key for these."""

import asyncio
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import answers
from api.documented import in_json
from api.health import OUT_OF_REACH
from api.metrics import MEDIA_TYPE
from api.routing import OpenRoute, operation_id
from api.schemas import status
from api.schemas.schema import TEXT
from api.services import Services
from runtime.supervision import failing

routes = APIRouter(route_class=OpenRoute, tags=["operations"], generate_unique_id_function=operation_id)

ALIVE: dict[int | str, dict[str, Any]] = {200: {"description": "The process is alive", "content": in_json(status.ALIVE)}}
READINESS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The process can serve", "content": in_json(status.READY)},
    503: {"description": "The process cannot serve now", "content": in_json(status.NOT_READY)},
}
COUNTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Counters and gauges", "content": {"text/plain": {"schema": TEXT}}}
}


@routes.get("/healthz", summary="Check that the process is alive", response_class=Response, responses=ALIVE)
async def healthz() -> Response:
    return answers.answer({"status": "ok"})


@routes.get("/readyz", summary="Check that the process can serve", response_class=Response, responses=READINESS)
async def readyz(request: Request) -> Response:
    """503 where the database is out of reach or its schema is not this version's. What lags or fails is told, not judged."""
    services: Services = request.app.state.services
    try:
        found = await services.doctor.health()
    except OUT_OF_REACH as error:
        words = type(error).__name__
        if services.database_trouble is not None:
            words = f"{words}: {await asyncio.to_thread(services.database_trouble)}"
        return answers.answer({"status": "unavailable", "database": words}, 503)
    if not found.is_migrated:
        return answers.answer({"status": "unavailable", "database": "ok", "migrations": "not those of this version"}, 503)
    own = [{"process": "this", "task": one.task, "error": one.error, "failures": one.failures} for one in failing()]
    others = [
        {"process": one.process, "task": one.task, "error": one.error, "failures": one.failures}
        for one in found.failing
        if one.process != services.process
    ]
    told = {"status": "ok", "database": "ok", "projections": asdict(found.lag), "work": asdict(found.work)}
    return answers.answer({**told, "failing_tasks": own + others})


@routes.get("/metrics", summary="Get the metrics of this process, for Prometheus", response_class=Response, responses=COUNTED)
async def metrics(request: Request) -> Response:
    services: Services = request.app.state.services
    gauges: dict[str, float] = {"gesta_failing_tasks": len(failing())}
    try:
        found = await services.doctor.health()
        others = [one for one in found.failing if one.process != services.process]
        gauges["gesta_failing_tasks"] += len(others)
        gauges |= {f"gesta_{name}": count for name, count in {**asdict(found.lag), **asdict(found.work)}.items()}
        gauges["gesta_ai_circuits_open"] = found.ai_circuits_open
    except OUT_OF_REACH:
        gauges["gesta_database_up"] = 0
    else:
        gauges["gesta_database_up"] = 1
    return Response(services.metrics.render(gauges), media_type=MEDIA_TYPE)
