"""projections.execution_attributes: search attributes, one row each, so that executions can be found by them."""

from decimal import Decimal

import orjson

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Json
from projections.rows import Rows
from projections.table import Row, Table

NAME = "execution_attributes"
LONGEST = 255
"""Characters of a value that can be searched by: an index entry must fit on a page."""


def started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    for name, value in (event.attributes or {}).items():
        rows.insert(NAME, record, {"execution_id": record.stream_id, "name": name, **typed(value)})


def typed(value: Json) -> Row:
    """The columns kind, value and value_number of a JSON value. `attr.<name>=` compares with `value`."""
    match value:
        case None:
            return {"kind": "null", "value": "null", "value_number": None}
        case bool():
            return {"kind": "boolean", "value": "true" if value else "false", "value_number": None}
        case int():
            return {"kind": "number", "value": str(value)[:LONGEST], "value_number": Decimal(value)}
        case float():
            return {"kind": "number", "value": repr(value), "value_number": Decimal(repr(value))}
        case str():
            return {"kind": "text", "value": value[:LONGEST], "value_number": None}
        case _:
            text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
            return {"kind": "json", "value": text[:LONGEST], "value_number": None}


TABLE = Table(
    name=NAME,
    key=("tenant_id", "execution_id", "name"),
    own={
        "tenant_id": "uuid",
        "execution_id": "uuid",
        "name": "text",
        "kind": "text",
        "value": "text",
        "value_number": "numeric",
    },
    on={ExecutionStarted: started},
)
