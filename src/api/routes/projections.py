"""What the tables do not show, because it cannot be applied or was left out."""

from starlette.responses import Response

from api import answers
from api.documented import Calling, documented
from api.listing import DEFAULT_LIMIT, MAX_LIMIT, WHOLE, read_parameter
from api.problems import Problem
from api.routing import query, router
from api.schemas import projections as shapes
from projections.faults_told import told

routes = router("events")

PARAMETERS = [
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "The most items in the answer.",
    ),
    query("cursor", {"type": "string"}, "`next_cursor` of the page before."),
]


@routes.get(
    "/projections/faults",
    **documented(
        "See which events hold up the tables, or were left out",
        "What the tables do not show",
        shapes.FAULTS,
        parameters=PARAMETERS,
    ),
)
async def faults(call: Calling) -> Response:
    """Read beside the tables, so that it is never stale."""
    call.require("audit:read")
    given = call.request.query_params
    limit: int = read_parameter("limit", WHOLE, given.get("limit", str(DEFAULT_LIMIT)))
    if not 1 <= limit <= MAX_LIMIT:
        raise Problem.at("limit", "range", f"limit must be between 1 and {MAX_LIMIT}.")
    after: int = read_parameter("cursor", WHOLE, given.get("cursor", "0"))
    return answers.answer(await call.services.reads.of_ledger(lambda conn: told(conn, call.tenant_id, after, limit)))
