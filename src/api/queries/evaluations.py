"""projections.evaluations and evaluation_results."""

from psycopg import sql

from api.listing import BOOLEAN, TEXT, Filter, Listing, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import evaluation_results, evaluations

EVALUATION = one(rows_of(evaluations.TABLE, "e") + "   AND e.id = %(id)s\n", evaluations.TABLE, "e")

SELECT = summaries(rows_of(evaluations.TABLE, "e"), evaluations.TABLE, "e")

EVALUATIONS = Listing(
    "evaluations",
    two_ways("created_at", by_creation(SELECT, "e.created_at", "e.id")),
    filters={
        "status": Filter(
            choice(*evaluations.TABLE.columns["status"].choices), sql.SQL("   AND e.status = %(status)s"), "Filter by status."
        ),
        "name": Filter(TEXT, sql.SQL("   AND e.name = %(name)s"), "Filter by name."),
    },
)

SELECT_RESULTS = summaries(
    rows_of(evaluation_results.TABLE, "r") + "   AND r.evaluation_id = %(id)s\n", evaluation_results.TABLE, "r"
)

RESULTS = Listing(
    "evaluation-results",
    two_ways("created_at", by_creation(SELECT_RESULTS, "r.created_at", "r.task_id", id_name="task_id")),
    filters={
        "variant": Filter(TEXT, sql.SQL("   AND r.variant = %(variant)s"), "Filter by variant."),
        "passed": Filter(BOOLEAN, sql.SQL("   AND r.passed = %(passed)s"), "Filter by whether it passed."),
    },
)
