"""Single resources as they stood: the statement that reads one now reads it then, over rows folded for it.

Its tables are those of the statement, named in it as ever; what the answer is made of, and by which rights, stays as it is.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import to_json

from api.looking_back import AS_OF, TOO_MUCH, Moment, moment_of
from api.positions import Position
from api.problems import Problem, not_found
from api.reads import Answer, Freshness, Question, Read
from domain.envelope import PLATFORM
from projections.past_rows import BY_NAME, PastRows, TooMuch, Unfoldable
from projections.rows import Rows
from store.reading import head, position_at

if TYPE_CHECKING:
    from api.call import RequestContext

OF_PLATFORM = frozenset(("tenants", "users", "permissions"))
AS_THEY_ARE = frozenset(("permissions",))
"""Tables that are read as they are now: what a release brings and nothing changes."""
NAMED = re.compile(r"\bprojections\.(\w+)")
PAST = "WITH {rows}\n{statement}"
ROWS = "past_{name} AS (SELECT * FROM json_populate_recordset(NULL::projections.{name}, %(past_{name})s::json))"


class Past:
    """What of the past a request asks for. Raises Problem: it is in the future, before the ledger, or nonsense."""

    def __init__(self, call: "RequestContext", moment: Moment, ledger: UUID, position: int, epoch: int) -> None:
        self.moment = moment
        self.ledger = ledger
        self.rows = PastRows(ledger, position, call.services.reads.of_ledger)
        self.told = Position(call.tenant_id, epoch, moment.position)

    @classmethod
    async def of(cls, call: "RequestContext", text: str | None, tables: Collection[str], name: str = AS_OF) -> "Past":
        """`tables`: what is to be folded, all of one ledger. `name`: the parameter that says when."""
        reads, moment = call.services.reads, await moment_of(call, text, name)
        if text is not None and moment.position == 0:
            raise Problem.at(name, "before_ledger", "Nothing had been recorded here yet at that time.")
        found = await reads.of_ledger(lambda conn: head(conn, call.tenant_id))
        epoch = 1 if found is None else found.epoch
        if not OF_PLATFORM.intersection(tables) or call.tenant_id == PLATFORM:
            return cls(call, moment, call.tenant_id, moment.position, epoch)
        position = await reads.of_ledger(lambda conn: position_at(conn, PLATFORM, moment.now))
        return cls(call, moment, PLATFORM, position, epoch)


def too_much() -> Problem:
    return Problem(422, "too_long", TOO_MUCH)


def unfoldable(error: Unfoldable) -> Problem:
    return Problem(409, "unfoldable", str(error))


async def row_as_it_stood(
    call: "RequestContext", statement: str, params: Mapping[str, Any], parts: str | None = None, *, as_platform: bool = False
) -> tuple[dict[str, Any], Answer]:
    """The one row of a question, as of the moment that the request names, or 404. Raises Problem.

    `parts`: a statement for the ids of further streams that belong to it.
    """
    named = {"tenant_id": call.tenant_id, **params}
    tables = tables_of(statement)
    past = await Past.of(call, call.request.query_params[AS_OF], tables)
    if past.ledger == PLATFORM:  # of the platform's, a tenant sees what the tables show it
        seen = await call.services.reads.ask(
            Read(PLATFORM if as_platform else call.tenant_id), [Question(statement, named, True)]
        )
        if not seen.rows[0]:
            raise not_found()
    streams = {value for value in named.values() if isinstance(value, UUID)}
    if parts is not None:
        answer = await call.rows([Question(parts, named, by_key=True)])
        streams.update(row["id"] for row in answer.rows[0])
    try:
        if "id" in named:
            for table in (each for each in tables if BY_NAME[each].key == ("tenant_id", "id")):
                streams |= await past.rows.makers(table, (past.ledger, named["id"]))
        rows = await past.rows.rows(tables, streams)
    except TooMuch:
        raise too_much() from None
    except Unfoldable as error:
        raise unfoldable(error) from error
    question = Question(over(statement, tables), {**named, **_as_parameters(rows, tables)})
    tenant_id = PLATFORM if as_platform else call.tenant_id
    found = await call.services.reads.ask(Read(tenant_id, eventual=True), [question])
    if not found.rows[0]:
        raise not_found()
    stood = Freshness(past.told.epoch, past.moment.position, past.moment.position)
    return found.rows[0][0], Answer(found.rows, stood, past.told)


@lru_cache(maxsize=256)
def tables_of(statement: str) -> tuple[str, ...]:
    """The tables that a statement reads and that are folded for it."""
    return tuple(sorted({name for name in NAMED.findall(statement) if name in BY_NAME} - AS_THEY_ARE))


@lru_cache(maxsize=256)
def over(statement: str, tables: tuple[str, ...]) -> str:
    """The statement over rows that are given as parameters `past_<table>`."""
    rows = ",\n     ".join(ROWS.format(name=name) for name in tables)
    asked = NAMED.sub(lambda found: f"past_{found[1]}" if found[1] in tables else found[0], statement)
    return PAST.format(rows=rows, statement=asked)


def _as_parameters(rows: Rows, tables: Collection[str]) -> dict[str, str]:
    return {f"past_{name}": to_json(list(rows.of(name).each())).decode() for name in tables}
