"""SQL over HTTP: one statement that reads, as a login that the database itself binds to the tenant."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar

import psycopg
from psycopg.errors import InsufficientPrivilege
from pydantic import ConfigDict, Field
from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse

from api import answers, commands, headers
from api.documented import Calling, documented, problem_answers
from api.leaving import leaving
from api.models import Body
from api.problems import Problem, rate_limited, unavailable
from api.querying.connections import CANCEL_SECONDS, MOST_SECONDS, AllBusy, NoMasterKey, TooMany
from api.querying.formats import ARROW, CSV, JSON, ToArrow, ToJson
from api.querying.plans import NotAllowed
from api.querying.statement import (
    MOST_COLUMNS,
    NoQuery,
    Row,
    RowTooLarge,
    Running,
    SqlFault,
    TooManyColumns,
    WrongParams,
    begun,
)
from api.requests import MAX_BODY
from api.routing import router
from api.schemas import queries as shapes
from domain.facts import FieldError, Json
from domain.wording import plural
from projections.exporting.values import csv_line
from runtime import counters
from runtime.pools import Connection

routes = router("tables")
log = logging.getLogger(__name__)

METRIC = "gesta_queries_total"
MOST_ROWS = 100_000
MOST_JSON_BYTES = 16 << 20
MOST_STREAMED_BYTES = 256 << 20
CHUNK_BYTES = 64 << 10
HELD_BYTES = 1 << 20
"""What is held back of an answer before it begins: what goes wrong meanwhile can still be told."""
BATCH_ROWS = 1_000
SLACK_SECONDS = 30.0
"""In which a client may take the rows, beyond the time that the statement has."""
MOST_PARAMS = 500
POSITION = "Gesta-Query-Position"
TRUNCATED = "Gesta-Query-Truncated"
UNABLE = ("08", "53", "57P", "58", "XX")
"""How SQLSTATEs begin that say nothing of the statement: the server could not."""


class QueryRequest(Body):
    """The rows of one statement. `$1`, `$2` … in it stand for `params`."""

    MAX_BYTES: ClassVar[int] = MAX_BODY
    sql: Annotated[str, Field(min_length=1, max_length=100_000)]
    params: Annotated[list[Any], Field(max_length=MOST_PARAMS)] = Field(default_factory=list)
    max_rows: Annotated[
        int | None, Field(ge=1, le=MOST_ROWS, description="Unless given: 1,000 as JSON, 100,000 as CSV and as Arrow.")
    ] = None
    timeout_ms: Annotated[int, Field(ge=1, le=MOST_SECONDS * 1_000)] = 5_000

    def most(self, wanted: str) -> int:
        return self.max_rows or (1_000 if wanted == JSON else MOST_ROWS)

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"sql": "SELECT id, title FROM approval_requests WHERE status = $1 ORDER BY id", "params": ["pending"]}]
        }
    )


@dataclass
class Account:
    """What the process's record says of one query: nothing of what was found, and of the statement only its digest."""

    call: Calling
    digest: str
    began: float = field(default_factory=time.monotonic)
    rows: int = 0
    has_more: bool = False
    outcome: str = "failed"

    @property
    def elapsed_ms(self) -> int:
        return round((time.monotonic() - self.began) * 1_000)

    def close(self) -> None:
        counters.count(METRIC, outcome=self.outcome)
        who = {"tenant_id": str(self.call.tenant_id), "request_id": self.call.request.scope["request_id"]}
        what = {"digest": self.digest, "rows": self.rows, "elapsed_ms": self.elapsed_ms, "outcome": self.outcome}
        log.info("A query", extra={"action": "query.run", **who, **what})


def _described() -> dict[str, Any]:
    also = {CSV: {"schema": {"type": "string"}}, ARROW: {"schema": {"type": "string", "format": "binary"}}}
    told = documented("Query the tables with SQL", "The rows", shapes.QUERY_RESULT, unrecorded=True, also=also)
    told["responses"] |= problem_answers({406: "A format that this server cannot make"})
    return told


@routes.post("/query", **_described())
async def run(call: Calling, body: QueryRequest) -> Response:
    """One SELECT (VALUES, TABLE, WITH), or EXPLAIN of one, read-only, on all tables and views of the tenant, in one snapshot.

    `position` is the snapshot's. As JSON, or by `Accept` as `text/csv` or `application/vnd.apache.arrow.stream`. The schema need
    not be named.
    """
    await call.authorize(commands.QUERY_RUN)
    accept = call.request.headers.getlist("accept")
    wanted = next((each for each in (CSV, ARROW) if headers.prefers(accept, each, JSON)), JSON)
    if wanted == ARROW and find_spec("pyarrow") is None:
        raise Problem(406, "not_installed", 'Arrow needs pyarrow on the server: pip install "gesta[arrow]".')
    if "\0" in body.sql or any(isinstance(value, str) and "\0" in value for value in body.params):
        raise Problem.at("/sql", "nul", "A statement and its values must not contain the character NUL.")
    account = Account(call, hashlib.sha256(body.sql.encode("utf-8", "surrogatepass")).hexdigest()[:16])
    if wanted == JSON:
        async with _running(call, body, account, wanted) as running:
            return await _in_json(running, body.most(wanted), account)
    return await _streamed(call, body, account, wanted)


async def _in_json(running: Running, most: int, account: Account) -> Response:
    to_json, rows, size, truncated = ToJson(running.columns), list[bytes](), 0, False
    async for row in running.rows:
        made = to_json.row(row)
        size += len(made)
        if len(rows) == most or size > MOST_JSON_BYTES:
            truncated = True
            break
        rows.append(made)
    account.rows, account.outcome = len(rows), "truncated" if truncated else "done"
    rest = {"truncated": truncated, "position": running.position, "elapsed_ms": account.elapsed_ms}
    columns = [{"name": column.name, "type": column.type} for column in running.columns]
    head = answers.to_json({"columns": columns})[:-1] + b',"rows":['
    return answers.as_json(head + b",".join(rows) + b"]," + answers.to_json(rest)[1:], headers=_position(running))


async def _streamed(call: Calling, body: QueryRequest, account: Account, wanted: str) -> Response:
    """What is wrong before the answer begins is told as everywhere; what is wrong later breaks it off, without its last chunk."""
    make = _in_csv if wanted == CSV else _in_arrow
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(_running(call, body, account, wanted))
        chunks = make(running, _those(running.rows, body.most(wanted), account))
        bounded = _bounded(chunks, account.began + body.timeout_ms / 1_000 + SLACK_SECONDS)
        held, size = list[bytes](), 0
        async for chunk in bounded:
            held.append(chunk)
            size += len(chunk)
            if size > HELD_BYTES:
                break
        else:
            account.outcome = "truncated" if account.has_more else "done"
            head = {**_position(running), TRUNCATED: str(account.has_more).lower(), "Cache-Control": "no-store"}
            return Response(b"".join(held), 200, head, wanted)
        under_way = stack.pop_all()

    async def told() -> AsyncIterator[bytes]:
        try:
            async with under_way:
                while held:
                    yield held.pop(0)
                async for chunk in bounded:
                    yield chunk
                account.outcome = "truncated" if account.has_more else "done"
        except (Problem, ValueError) as error:  # the answer has begun: breaking it off is all that can be said
            log.warning("An answer to a query was broken off: %s", error, extra={"action": "query.run"})
            raise ClientDisconnect from error

    return StreamingResponse(told(), 200, {**_position(running), "Cache-Control": "no-store"}, wanted)


async def _bounded(chunks: AsyncIterator[bytes], deadline: float) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > MOST_STREAMED_BYTES or time.monotonic() > deadline:
            raise Problem(422, "too_much", "The answer is too large, or was not taken in time.")
        yield chunk


async def _those(rows: AsyncIterator[Row], most: int, account: Account) -> AsyncIterator[Row]:
    async for row in rows:
        if account.rows == most:
            account.has_more = True
            break
        account.rows += 1
        yield row


async def _in_csv(running: Running, rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    chunk = bytearray(csv_line([column.name for column in running.columns]))
    async for row in rows:
        chunk += csv_line(row)
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    yield bytes(chunk)


async def _in_arrow(running: Running, rows: AsyncIterator[Row]) -> AsyncIterator[bytes]:
    to_arrow, batch, size = ToArrow(running.columns), list[Row](), 0
    async for row in rows:
        batch.append(row)
        size += sum(len(text or "") for text in row)
        if len(batch) == BATCH_ROWS or size >= CHUNK_BYTES * 16:
            yield to_arrow.batch(batch)
            batch, size = [], 0
    if batch:
        yield to_arrow.batch(batch)
    yield to_arrow.end()


def _position(running: Running) -> dict[str, str]:
    return {POSITION: str(running.position)}


@asynccontextmanager
async def _running(call: Calling, body: QueryRequest, account: Account, wanted: str) -> AsyncIterator[Running]:
    """A statement under way. Raises Problem for all that speaks against it, also while its rows are read; it is cancelled in the
    database when the client goes."""
    try:
        async with (
            leaving(call.request) as gone,
            call.services.queries.connection(call.tenant_id) as connection,
            _cancelled_when(gone, connection),
        ):
            try:
                running = await begun(
                    connection, body.sql, body.params, most=body.most(wanted), milliseconds=body.timeout_ms, as_csv=wanted == CSV
                )
                async with aclosing(running.rows):
                    yield running
            except SqlFault as fault:
                if gone.done():
                    raise ClientDisconnect from fault
                raise _problem(fault, body) from fault
            finally:
                await _rolled_back(connection)
    except TooMany:
        account.outcome = "limited"
        raise rate_limited("The tenant has as many queries under way as it may.", 1) from None
    except AllBusy:
        account.outcome = "limited"
        raise unavailable() from None
    except NoMasterKey:
        detail = "This server has no master key, so it has no logins for queries: GESTA_MASTER_KEY is not set."
        raise Problem(503, "no_master_key", detail) from None
    except InsufficientPrivilege as error:
        log.warning("No login for queries could be made: %s", error, extra={"action": "query.run"})
        raise Problem(503, "no_logins", "gesta_owner may not make logins: ALTER ROLE gesta_owner CREATEROLE.") from error
    except NoQuery as error:
        words = "Only a statement that reads rows can be asked here: SELECT, VALUES, TABLE or WITH, or EXPLAIN of one."
        raise Problem(400, "not_a_query", words, (FieldError("/sql", "not_a_query", words),)) from error
    except NotAllowed as error:
        words = (
            "EXPLAIN takes COSTS, FORMAT, GENERIC_PLAN, MEMORY, SETTINGS, SUMMARY and VERBOSE here. ANALYZE is refused, because "
            "it also counts rows that are other tenants'."
        )
        raise Problem(400, "not_a_query", words, (FieldError("/sql", "not_a_query", words),)) from error
    except WrongParams as error:
        words = f"The statement has {plural(error.wanted, 'parameter')}, and there are {plural(error.given, 'value')}."
        raise Problem.at("/params", "wrong_number", words) from error
    except TooManyColumns as error:
        words = f"The statement has {error.number:,} columns; there may be {MOST_COLUMNS}."
        raise Problem.at("/sql", "too_many_columns", words) from error
    except RowTooLarge as error:
        raise Problem.at("/sql", "row_too_large", f"Row {error.number} has {error.size:,} bytes, which is too much.") from error
    finally:
        account.close()


def _problem(fault: SqlFault, body: QueryRequest) -> Problem:
    if fault.sqlstate == "57014":
        return Problem.at("/timeout_ms", "statement_timeout", f"The statement took longer than {body.timeout_ms} ms.")
    if fault.sqlstate == "53400":
        return Problem.at("/sql", "limit_exceeded", fault.message)
    if fault.sqlstate.startswith(UNABLE) and fault.sqlstate != "08P01":
        return unavailable()
    extra: dict[str, Json] = {"sqlstate": fault.sqlstate}
    if fault.position is not None:
        extra["position"] = fault.position
    path = "/sql" if fault.parameter is None else f"/params/{fault.parameter - 1}"
    return Problem(400, "sql_error", fault.message, (FieldError(path, "sql_error", fault.message),), extra=extra)


async def _rolled_back(connection: Connection) -> None:
    """Unless it is in the midst of rows that nobody wants any more: then it is closed."""
    state = psycopg.pq.TransactionStatus
    if not connection.closed and connection.info.transaction_status in (state.INTRANS, state.INERROR):
        with suppress(psycopg.Error):
            await connection.execute("ROLLBACK")


@asynccontextmanager
async def _cancelled_when(gone: asyncio.Future[None], connection: Connection) -> AsyncIterator[None]:
    async def watch() -> None:
        await asyncio.wait([gone])
        with suppress(psycopg.Error, OSError):
            await connection.cancel_safe(timeout=CANCEL_SECONDS)

    task = asyncio.create_task(watch())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
