"""projections.execution_attributes: search attributes, one row each, so that executions can be found by them."""

from decimal import Decimal

import orjson

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Row, Table

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
        "tenant_id": TENANT_ID,
        "execution_id": Column("uuid", "The execution."),
        "name": Column("text", "The attribute's name, as the definition gives it."),
        "kind": Column(
            "text",
            "What the value is in JSON: text, number, boolean, null or json (lists and objects).",
            choices=("text", "number", "boolean", "null", "json"),
        ),
        "value": Column("text", "The value: text as it is, everything else as JSON; the first 255 characters."),
        "value_number": Column("numeric", "The value where it is a number.", null=True),
    },
    on={ExecutionStarted: started},
)
