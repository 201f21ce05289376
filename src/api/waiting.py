"""`?wait=` of a single resource: the answer comes when it is over, or when so many seconds have passed."""

from uuid import UUID

from api.call import RequestContext
from api.looking_back import AS_OF
from api.problems import Problem
from api.reads import Answer, Row
from api.routing import query
from api.waiter import Ending

MAX_WAIT = 60
WAIT = query(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT},
    "Seconds to wait for the end before answering how it stands.",
)


async def row_when_over(
    call: RequestContext, statement: str, id: UUID, ending: Ending, parts: str | None = None
) -> tuple[Row, Answer]:
    """The one row of a question, or 404. With `?wait=` as it stands when it is over, or when the time is. Raises Problem."""
    seconds = seconds_to_wait(call)
    row, answer = await call.row(statement, {"id": id}, parts=parts)
    if not seconds or row["status"] not in ending.open:
        return row, answer
    head = answer.freshness.head
    over = await call.services.waiter.ended(ending, call.tenant_id, id, seconds)
    return await call.row(statement, {"id": id}, reached=head if over else None)


def seconds_to_wait(call: RequestContext) -> int:
    """Raises Problem."""
    text = call.request.query_params.get("wait")
    if text is None:
        return 0
    if AS_OF in call.request.query_params:
        raise Problem.at("wait", "not_applicable", "wait applies to what is to come; as_of asks for what was.")
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= MAX_WAIT):
        raise Problem.at("wait", "range", f"wait must be a whole number of seconds from 0 to {MAX_WAIT}.")
    return int(text)
