"""The rows of a query."""

from api.schemas.schema import ANYTHING, BIG, BOOLEAN, INTEGER, TEXT, ObjectSchema, many, said

QUERY_COLUMN = ObjectSchema(
    "QueryColumn", "A column of a query's rows.", {"name": TEXT, "type": said(TEXT, "As PostgreSQL calls it.")}
)
QUERY_RESULT = ObjectSchema(
    "QueryResult",
    "What a statement found. Whole numbers beyond 2^53, exact numbers, ids and times are texts.",
    {
        "columns": many(QUERY_COLUMN),
        "rows": {"type": "array", "items": {"type": "array", "items": ANYTHING}},
        "truncated": said(BOOLEAN, "Whether there are more rows than `max_rows`, or than fit into an answer."),
        "position": said(BIG, "The position in the ledger that the tables spoke of, in the snapshot of the rows."),
        "elapsed_ms": INTEGER,
    },
    example={
        "columns": [{"name": "status", "type": "text"}, {"name": "count", "type": "bigint"}],
        "rows": [["completed", 17]],
        "truncated": False,
        "position": 4711,
        "elapsed_ms": 3,
    },
)
