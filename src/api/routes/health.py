"""Is this process alive, can it serve, what has it counted. Nobody needs a key for these."""

import asyncio
from dataclasses import asdict
from typing import Any, LiteralString

import psycopg
from fastapi import APIRouter
from psycopg_pool import PoolTimeout
from starlette.requests import Request
from starlette.responses import Response

from api import answers
from api.documented import in_json
from api.metrics import MEDIA_TYPE
from api.routing import OpenRoute, operation_id
from api.services import Services
from api.shapes import standing
from api.shapes.shape import TEXT
from runtime.pools import Connection
from store.failures import Troubled, troubled

routes = APIRouter(route_class=OpenRoute, tags=["operations"], generate_unique_id_function=operation_id)

CHECK_SECONDS = 2.0

ALIVE: dict[int | str, dict[str, Any]] = {200: {"description": "It is", "content": in_json(standing.ALIVE)}}
READINESS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It can", "content": in_json(standing.READY)},
    503: {"description": "Not now", "content": in_json(standing.NOT_READY)},
}
COUNTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Counters and gauges", "content": {"text/plain": {"schema": TEXT}}}
}

SELECT_APPLIED = "SELECT version, checksum FROM gesta_meta.migrations ORDER BY version"

# Ledgers whose tables are behind. A tenant's last position is one index look-up.
SELECT_LAG = """
SELECT count(*) FILTER (WHERE last.position > coalesce(f.position, 0)),
       coalesce(sum(last.position - coalesce(f.position, 0)), 0)::bigint,
       (SELECT count(*) FROM runtime.projection_faults)
  FROM ledger.heads h
  JOIN LATERAL (SELECT e.position FROM ledger.events e
                 WHERE e.tenant_id = h.tenant_id ORDER BY e.position DESC LIMIT 1) last ON true
  LEFT JOIN projections.freshness f ON f.tenant_id = h.tenant_id
"""


@routes.get("/healthz", summary="Is the process alive", response_class=Response, responses=ALIVE)
async def healthz() -> Response:
    return answers.answer({"status": "ok"})


@routes.get("/readyz", summary="Can it serve", response_class=Response, responses=READINESS)
async def readyz(request: Request) -> Response:
    """503 where the database is out of reach or its schema is not this version's. What lags or fails is told, not judged."""
    services: Services = request.app.state.services
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            behind, events, faults = await _lag(services)
            applied = await _applied(services)
            work = await _troubled(services)
    except (psycopg.Error, PoolTimeout, TimeoutError) as error:
        return answers.answer({"status": "unavailable", "database": type(error).__name__}, 503)
    if applied != services.migrations:
        return answers.answer({"status": "unavailable", "database": "ok", "migrations": "not those of this version"}, 503)
    projections = {"ledgers_behind": behind, "events_behind": events, "ledgers_stopped": faults}
    return answers.answer({"status": "ok", "database": "ok", "projections": projections, "work": asdict(work)})


@routes.get("/metrics", summary="What this process has counted, for Prometheus", response_class=Response, responses=COUNTED)
async def metrics(request: Request) -> Response:
    services: Services = request.app.state.services
    gauges: dict[str, float] = {}
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            behind, events, faults = await _lag(services)
            work = await _troubled(services)
        gauges |= {f"gesta_{name}": count for name, count in asdict(work).items()}
        gauges |= {"gesta_ledgers_behind": behind, "gesta_events_behind": events, "gesta_ledgers_stopped": faults}
    except (psycopg.Error, PoolTimeout, TimeoutError):
        gauges["gesta_database_up"] = 0
    else:
        gauges["gesta_database_up"] = 1
    return Response(services.metrics.render(gauges), media_type=MEDIA_TYPE)


async def _troubled(services: Services) -> Troubled:
    return await services.system_pool.read(troubled)


async def _applied(services: Services) -> tuple[tuple[int, str], ...]:
    rows = await services.system_pool.read(lambda connection: _rows(connection, SELECT_APPLIED))
    return tuple((version, checksum) for version, checksum in rows)


async def _lag(services: Services) -> tuple[int, int, int]:
    ((behind, events, faults),) = await services.system_pool.read(lambda connection: _rows(connection, SELECT_LAG))
    return behind, events, faults


async def _rows(connection: Connection, statement: LiteralString) -> list[tuple[Any, ...]]:
    return await (await connection.execute(statement)).fetchall()
