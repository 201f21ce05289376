"""The HTTP application: what it opens, what it serves, how it answers errors."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api import health, openapi, problems
from api.asgi import OuterMiddleware
from api.event_feed import EventFeed
from api.job_dispatcher import JobDispatcher
from api.mcp import endpoint as mcp
from api.metrics import Metrics
from api.problems import Problem
from api.proxies import Proxies
from api.querying.connections import AnalystConnections
from api.reads import Reads
from api.routes import ROUTES
from api.services import Services
from api.session import Sessions
from api.strict_json import Unreadable
from api.tries import Tries
from api.waiter import open_waiter
from domain.facts import NotForThisRelease, Refusal
from engine.cel import CelEvaluator
from engine.engine import Engine
from runtime import schema
from runtime.addresses import Addresses
from runtime.clock import Clock, SystemClock
from runtime.failing_tasks import telling
from runtime.master_keys import MasterKeys
from runtime.pools import open_pool
from store.errors import LedgerBusy, LedgerUnavailable
from store.handler import open_handler
from store.notifications.channels import ACCESS, EVENTS, JOBS, PROJECTED
from store.notifications.listening import Notifications
from store.notifications.sending import look_everywhere

SYSTEM_CONNECTIONS = 4
LEDGER_CONNECTIONS = 4
"""For histories and events, so that who reads much of them keeps nobody from a job."""
EXPECTED = (
    Problem,
    Refusal,
    Unreadable,
    RequestValidationError,
    HTTPException,
    NotForThisRelease,
    LedgerBusy,
    LedgerUnavailable,
    psycopg.Error,
)
"""Errors that have a problem document of their own; all others are 500, without internals."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def open_services(
    addresses: Addresses,
    *,
    pool_size: int,
    clock: Clock,
    metrics: Metrics,
    master_keys: MasterKeys | None,
    public_url: str | None,
) -> AsyncIterator[Services]:
    """Everything the routes work with. Raises OperatorError where the database is out of reach or a login is dangerous."""
    async with (
        open_pool(addresses.api, name="gesta api", size=pool_size) as reading,
        open_pool(addresses.system, name="gesta api (system)", size=SYSTEM_CONNECTIONS) as system,
        open_pool(addresses.system, name="gesta api (ledger)", size=LEDGER_CONNECTIONS, checked=True) as ledger,
        open_pool(addresses.system, name="gesta api (health)", size=health.CONNECTIONS, checked=True) as own,
        open_waiter(system) as waiter,
    ):
        async with system.connection() as connection:
            await look_everywhere(connection)  # a predecessor that was killed could not say what it had written
        dispatcher, feed = JobDispatcher(system), EventFeed()
        doctor = health.Doctor(own, schema.of_this_release())
        notifications = Notifications(addresses.listen, "gesta api (listening)", (EVENTS, JOBS, PROJECTED, ACCESS))
        async with (
            open_handler(addresses.system, clock=clock, heard=notifications.hear) as handler,
            AsyncExitStack() as stack,
        ):
            sessions = Sessions(handler, clock)
            stack.enter_context(notifications.subscribed(EVENTS, feed.hear, feed.look_everywhere))
            stack.enter_context(notifications.subscribed(JOBS, dispatcher.hear, dispatcher.look_everywhere))
            stack.enter_context(notifications.subscribed(PROJECTED, waiter.hear, waiter.look_everywhere))
            stack.enter_context(notifications.subscribed(ACCESS, sessions.hear, sessions.look_everywhere))
            stack.enter_context(notifications.subscribed(EVENTS, doctor.backlog.grown, doctor.backlog.any_grown))
            stack.push_async_callback(doctor.aclose)
            queries = AnalystConnections(addresses.listen, system, master_keys)
            stack.push_async_callback(queries.aclose)
            process = await stack.enter_async_context(telling(addresses.system, "api"))
            await stack.enter_async_context(notifications.listening())
            yield Services(
                clock=clock,
                engine=Engine(CelEvaluator()),
                handler=handler,
                system_pool=system,
                reads=Reads(reading, ledger, waiter),
                queries=queries,
                sessions=sessions,
                link_tries=Tries(clock),
                waiter=waiter,
                dispatcher=dispatcher,
                feed=feed,
                metrics=metrics,
                doctor=doctor,
                master_keys=master_keys,
                process=process,
                public_url=public_url,
                database_trouble=addresses.embedded.trouble if addresses.embedded is not None else None,
            )


def create_app(
    addresses: Addresses,
    *,
    pool_size: int = 8,
    clock: Clock | None = None,
    proxies: Proxies | None = None,
    master_keys: MasterKeys | None = None,
    public_url: str | None = None,
) -> FastAPI:
    """The application. Its lifespan opens the database and closes it; `app.state.services` exists in between.

    `master_keys`: None: it keeps no secrets. `public_url`: where people reach it.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        services = open_services(
            addresses,
            pool_size=pool_size,
            clock=clock or SystemClock(),
            metrics=metrics,
            master_keys=master_keys,
            public_url=public_url,
        )
        async with services as app.state.services:
            yield

    app = FastAPI(
        title="Gesta",
        version=version("gesta"),
        lifespan=lifespan,
        redirect_slashes=False,  # to an address that the client's Host header names
        redoc_url=None,
        openapi_url=None,
        docs_url=None,
        routes=[
            route for resource in (*ROUTES, mcp.routes) for route in resource.routes
        ],  # included routers would be searched twice a request
        telemetry={"tracing": False, "metrics": False, "logs": False},  # there is none, and it is asked for on every request
    )
    openapi.serve(app)
    for error in EXPECTED:
        app.add_exception_handler(error, _answer_problem)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _answer_methods)
    app.add_middleware(OuterMiddleware, metrics=metrics, proxies=proxies or Proxies())
    return app


async def _answer_problem(request: Request, error: Exception) -> Response:
    problem = problems.from_exception(error)
    if problem is None:
        raise error
    if problem.status == 503:
        logger.warning("Unavailable: %s", error, extra={"action": "http_request", "request_id": request.scope["request_id"]})
    return problems.answer(request, problem)


async def _answer_methods(request: Request, _error: Exception) -> Response:
    """405, with the methods of all routes of this address: those without parameters, where there are any."""
    found = [route for route in request.app.routes if isinstance(route, Route) and route.path_regex.match(request.scope["path"])]
    fewest = min(len(route.param_convertors) for route in found)
    methods = {method for route in found if len(route.param_convertors) == fewest for method in route.methods or ()}
    if "GET" in methods:
        methods.add("HEAD")
    problem = problems.from_http(HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(sorted(methods))}))
    return problems.answer(request, problem)
