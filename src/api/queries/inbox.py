"""What waits for somebody to decide: the open steps of requests in which they may choose something, and have not yet.

What `domain.approval.eligibility` says of one request is said here of all, by the rows of those who are asked. They are read in
order from an index for each name by which the caller is asked (as a user, by a role, as anybody) and merged, so that a page reads
little more than it shows.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from psycopg import sql

from api import headers
from api.listing import TEXT, TIME, UUID_, WHOLE, Filter, Listing, ListSource, Order, ValueType, choice
from projections import approval_requests
from projections.approval_assignees import NEVER
from projections.inbox import PLAN, not_claimed, not_spoken

MOST_COUNTED = 10_000

# What is asked by one name. A page of it, so that it is read in order, as far as it is wanted. OFFSET 0: what belongs to a row is
# looked up for each that is wanted, and not once for all that there are.
BY_NAME = """(SELECT {shown}, mine.due_by, mine.rank, mine.request_id, mine.step
          FROM projections.approval_assignees mine
         CROSS JOIN LATERAL (
               SELECT * FROM projections.approval_requests r
                WHERE r.tenant_id = %(tenant_id)s AND r.id = mine.request_id OFFSET 0) r
         WHERE mine.tenant_id = %(tenant_id)s
           AND mine.kind = (%(my_kinds)s::text[])[{number}] AND mine.value = (%(my_values)s::text[])[{number}]
           AND mine.status = 'pending' AND NOT mine.members_fixed AND NOT mine.excluded && %(my_ids)s::text[]
           AND {not_claimed}
           AND {not_spoken}
        {{after}}
        {{conditions}}
         ORDER BY {{order}}
         LIMIT %(limit)s)"""

# Each step once, though several names lead to it.
MINE = """
SELECT DISTINCT ON ({places}) {shown}
  FROM ({by_names}) mine
 WHERE true
"""

STEP_NAME = f"CASE WHEN r.approval_type = 'steps' THEN {PLAN} -> (mine.step - 1) ->> 'name' END"
OVERDUE = "mine.due_by < %(now)s"
DUE_AT = f"nullif(mine.due_by, '{NEVER.isoformat()}')"

COUNTS = """
WITH counted AS MATERIALIZED ({mine} LIMIT %(limit)s),
     shown AS MATERIALIZED (SELECT * FROM counted LIMIT {most})
SELECT (SELECT count(*) FROM shown) AS total,
       (SELECT count(*) FROM shown WHERE overdue) AS overdue,
       (SELECT coalesce(jsonb_object_agg(priority, n), '{{}}')
          FROM (SELECT priority, count(*) AS n FROM shown GROUP BY priority) by_priority) AS by_priority,
       (SELECT coalesce(jsonb_object_agg(workflow_key, n), '{{}}')
          FROM (SELECT workflow_key, count(*) AS n FROM shown GROUP BY workflow_key) by_workflow
         WHERE workflow_key IS NOT NULL) AS by_workflow,
       (SELECT count(*) > {most} FROM counted) AS more
"""


def _moment_or_never(text: str) -> object:
    return NEVER if text == "None" else headers.moment(text)


def _integer(text: str) -> int:
    if not text.removeprefix("-").isdigit() or not text.isascii() or not -(2**31) <= int(text[:12]) < 2**31:
        raise ValueError("a whole number of 32 bits")
    return int(text)


INTEGER = ValueType(_integer, {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1})
DUE = ValueType(_moment_or_never, {})
RANK = ValueType(lambda text: -int(text), {})
PLACES = {
    "due": (("due_by", "request_id", "step"), ("due_at", "id", "step"), (DUE, UUID_, WHOLE)),
    "rank": (("rank", "due_by", "request_id", "step"), ("priority", "due_at", "id", "step"), (RANK, DUE, UUID_, WHOLE)),
    "age": (("created_at", "request_id", "step"), ("created_at", "id", "step"), (TIME, UUID_, WHOLE)),
}
"""Columns that order the rows, what items call them, and the kinds of these."""

FILTERS = {
    "claimed_by": Filter(
        choice("me", "nobody"),
        {"me": sql.SQL("   AND r.claimed_by = %(me)s"), "nobody": sql.SQL("   AND r.claimed_by IS NULL")},
        "Claimed by the caller, or by nobody.",
    ),
    "workflow_key": Filter(TEXT, sql.SQL("   AND r.workflow_key = %(workflow_key)s"), "Asked by executions of this workflow."),
    "overdue": Filter(choice("true"), sql.SQL(f"   AND {OVERDUE}"), "Due before now."),
    "priority": Filter(INTEGER, sql.SQL("   AND r.priority = %(priority)s"), "Of this priority."),
    "due_before": Filter(TIME, sql.SQL("   AND mine.due_by < %(due_before)s"), "Due before this moment."),
    "title": Filter(
        TEXT,
        sql.SQL("   AND strpos(lower(r.title), lower(%(title)s::text)) > 0"),
        "With this text in the title, in capitals or not.",
    ),
}


def _mine(names: int, places: tuple[str, ...], shown: Mapping[str, str]) -> str:
    """`names`: by how many the caller is asked. `shown`: how each column comes about."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in shown.items())
    by_names = (
        BY_NAME.format(shown=columns, number=number, not_claimed=not_claimed(), not_spoken=not_spoken())
        for number in range(1, names + 1)
    )
    return MINE.format(
        places=_of_mine(places), shown=_of_mine([*shown, "step"]), by_names="\n         UNION ALL\n        ".join(by_names)
    )


def _of_mine(names: Iterable[str]) -> str:
    return ", ".join(f"mine.{name}" for name in names)


SUMMARY = {name: f"r.{name}" for name, column in approval_requests.TABLE.columns.items() if column.listed and name != "tenant_id"}
SHOWN = {**SUMMARY, "created_at": "mine.created_at", "due_at": DUE_AT, "step_name": STEP_NAME, "overdue": OVERDUE}


def _source(names: int, by: str) -> ListSource:
    places, items, kinds = PLACES[by]
    columns = tuple(sql.Identifier("mine", name) for name in places)
    return ListSource(sql.SQL(_mine(names, places, SHOWN)), columns, items, kinds, merged=True)


@lru_cache(maxsize=64)
def inbox(names: int) -> Listing:
    """Of somebody who is asked by so many names."""
    due, rank, age = (_source(names, by) for by in PLACES)
    orders = {
        "due_at": Order(due, descending=False),
        "-due_at": Order(due, descending=True),
        "-priority": Order(rank, descending=False),
        "priority": Order(rank, descending=True),
        "created_at": Order(age, descending=False),
        "-created_at": Order(age, descending=True),
    }
    return Listing("inbox", orders, FILTERS)


@lru_cache(maxsize=64)
def counts(names: int) -> str:
    """How much it is in all, and by what; of what is due soonest, where it is more than `MOST_COUNTED`."""
    places, _, _ = PLACES["due"]
    counted = {"priority": "r.priority", "workflow_key": "r.workflow_key", "overdue": OVERDUE}
    order = _of_mine(places)
    mine = _mine(names, places, counted).format(after="", conditions="", order=order)
    return COUNTS.format(mine=f"{mine} ORDER BY {order}", most=MOST_COUNTED)
