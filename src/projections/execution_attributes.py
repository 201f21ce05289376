"""projections.execution_attributes: search attributes, one row each, so that executions can be found by them."""

import re
from datetime import UTC, datetime
from decimal import Context, Decimal

import orjson

from domain.envelope import RecordedEvent
from domain.execution import ExecutionStarted
from domain.facts import Json
from projections.rows import Rows
from projections.table import BY_EXECUTION, TENANT_ID, Column, Row, Table

NAME = "execution_attributes"
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,63})(\.[0-9]{1,63})?([eE][+-]?[0-9]{1,3})?")
EXACT = Context(prec=200)
"""More than all digits of such a number."""
# RFC 3339, and dates alone, of years that PostgreSQL and Python both write the same way.
MOMENT = re.compile(
    r"([1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))"
    r"(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])(\.[0-9]{1,6})?[0-9]*([Zz]|[+-](?:0[0-9]|1[0-4]):[0-5][0-9]))?"
)
LONGEST_KEY = 400
"""Characters: an index entry must fit on a page, and a number of a double without its exponent into them."""


def started(rows: Rows, record: RecordedEvent, event: ExecutionStarted) -> None:
    for name, value in (event.attributes or {}).items():
        rows.insert(NAME, record, {"execution_id": record.stream_id, "name": name, **typed(value)})


def typed(value: Json) -> Row:
    """The columns kind, value, value_number and search_key of a JSON value."""
    match value:
        case None:
            return _columns("null", "null")
        case bool():
            return _columns("boolean", "true" if value else "false")
        case int() | float():
            text = repr(value)
            return _columns("number", text, Decimal(text))
        case str():
            return _columns("text", value, moment=moment_of(value))
        case _:
            return _columns("json", orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode())


def _columns(kind: str, text: str, number: Decimal | None = None, moment: datetime | None = None) -> Row:
    return {
        "kind": kind,
        "value": text,
        "value_number": number,
        "number_order": None if number is None else float(number) + 0.0,  # there is one zero
        "value_moment": moment,
        "search_key": search_key(text),
    }


def moment_of(text: str) -> datetime | None:
    """The moment that a text names as RFC 3339 has it, to the microsecond; of a date alone, its beginning in UTC."""
    found = MOMENT.fullmatch(text)
    if found is None or text >= "9999":
        return None
    day, time, fraction, offset = found.groups()
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{time or '00:00:00'}{(fraction or '.0').ljust(7, '0')}{zone}").astimezone(UTC)
    except ValueError:  # no such day
        return None


def number_of(text: str) -> Decimal | None:
    return Decimal(text) if NUMBER.fullmatch(text) else None


def search_key(text: str) -> str:
    """What is looked up in the index for a value: short, and the same for all ways to write a number.

    Those found by it are then compared: a number was meant, a text is to be the same.
    """
    if NUMBER.fullmatch(text) is not None:
        number = Decimal(text).normalize(EXACT)
        text = f"{number:f}" if number else "0"
    return text[:LONGEST_KEY]


TABLE = Table(
    name=NAME,
    key=("tenant_id", "execution_id", "name"),
    columns={
        "tenant_id": TENANT_ID,
        "execution_id": Column("uuid", "The execution."),
        "name": Column("text", "The attribute's name, as the definition gives it."),
        "kind": Column(
            "text",
            "What the value is in JSON: text, number, boolean, null or json (lists and objects).",
            choices=("text", "number", "boolean", "null", "json"),
        ),
        "value": Column("text", "The value: text as it is, everything else as JSON."),
        "value_number": Column("numeric", "The value where it is a number.", null=True),
        "number_order": Column(
            "double precision", "About the same, which an index can order: ranges of numbers begin with it.", null=True
        ),
        "value_moment": Column("timestamptz", "The moment that the value names, where it is RFC 3339, or a date.", null=True),
        "search_key": Column(
            "text",
            "What a search by `value` begins with: its first 400 characters; what reads as a number, without exponent and zeros.",
        ),
    },
    appliers={ExecutionStarted: started},
    lookups=(BY_EXECUTION,),
)
