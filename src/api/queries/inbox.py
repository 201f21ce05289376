"""What waits for somebody to decide: the open steps of requests in which they may choose something, and have not yet.

What `domain.approval.eligibility` says of one request is said here of all, by the rows of those who are asked. They are read in
order from an index for each name by which the caller is asked (as a user, by a role, as anybody) and merged, so that a page reads
little more than it shows.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from psycopg import sql

from api import headers
from api.listing import TEXT, TIME, UUID_, WHOLE, Filter, Listing, ListSource, Order, PageRequest, ValueType, choice
from api.reads import Question
from projections import approval_requests
from projections.approval_assignees import NEVER
from projections.inbox import IDS, ME, PLAN, not_claimed, not_spoken

MOST_COUNTED = 10_000
MOST_JUDGED = 1_000
"""Of these, such as are to be decided in somebody else's place: whether that one's delegation is for them is asked of each."""

# What is asked by one name. A page of it, so that it is read in order, as far as it is wanted. OFFSET 0: what belongs to a row is
# looked up for each that is wanted, and not once for all that there are.
BY_NAME = """(SELECT {shown}, mine.due_by, mine.rank, mine.request_id, mine.step
          FROM projections.approval_assignees mine
         CROSS JOIN LATERAL (
               SELECT * FROM projections.approval_requests r
                WHERE r.tenant_id = %(tenant_id)s AND r.id = mine.request_id OFFSET 0) r{able}
         WHERE mine.tenant_id = %(tenant_id)s
           AND mine.kind = (%(my_kinds)s::text[])[{number}] AND mine.value = (%(my_values)s::text[])[{number}]
           AND mine.status = 'pending' AND NOT mine.members_fixed AND NOT mine.excluded && %(my_ids)s::text[]
           AND {may}
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

# In whose name the caller may decide, of those who are asked by the name: themselves, or others for whom they may stand in. What
# these are is a matter of delegations, and said by `api.substitutes`.
ABLE = """
         CROSS JOIN LATERAL (
               SELECT string_agg(who.id::text, ',') AS able
                 FROM unnest(string_to_array((%(my_people)s::text[])[{number}], ',')::uuid[]) who (id)
                WHERE NOT mine.excluded && ARRAY[who.id::text] AND {may}) can"""
# By whichever name.
ALL_ABLE = "string_agg(mine.able, ',') OVER (PARTITION BY {places} ORDER BY {{order}})"

STEP_NAME = f"CASE WHEN r.approval_type = 'steps' THEN {PLAN} -> (mine.step - 1) ->> 'name' END"
OVERDUE = "mine.due_by < %(now)s"
DUE_AT = f"nullif(mine.due_by, '{NEVER.isoformat()}')"
UNSHOWN = {
    "excluded": "jsonb_path_query_array(r.request_data, '$.outcomes[*].exclude[*]')",
    "context": "r.request_data -> 'context'",
}
"""What delegations are judged by beside what is shown."""

DIMENSIONS = {
    "priority": "r.priority",
    "workflow_key": "r.workflow_key",
    "step_name": STEP_NAME,
    "requested_by": "r.requested_by",
}
"""By what it is counted how much it is."""
COUNTED = {**DIMENSIONS, "overdue": OVERDUE, "claimed": "r.claimed_by IS NOT NULL"}
JUDGED = {"title": "r.title", "node_id": "r.node_id", **UNSHOWN}
COUNTS = """
WITH counted AS MATERIALIZED ({mine}),
     shown AS MATERIALIZED (SELECT * FROM counted LIMIT {most}),
     own AS MATERIALIZED (SELECT * FROM shown WHERE {own})
SELECT (SELECT count(*) FROM own) AS total,
       (SELECT count(*) FROM own WHERE overdue) AS overdue,
       (SELECT count(*) FROM own WHERE claimed) AS claimed,
       {dimensions},
       {others} AS others,
       (SELECT count(*) > {most} FROM counted) AS more
"""
DIMENSION = """(SELECT coalesce(jsonb_object_agg(value, n), jsonb_build_object())
          FROM (SELECT {name}::text AS value, count(*) AS n FROM own WHERE {name} IS NOT NULL GROUP BY 1) by_{name}) AS {name}"""
NO_OTHERS = "'[]'::jsonb"
OTHERS = """(SELECT coalesce(jsonb_agg(to_jsonb(other)), '[]')
          FROM (SELECT * FROM shown WHERE NOT {own} LIMIT {most}) other)"""
OWN = "%(me)s::text = ANY(string_to_array(able, ','))"


def _moment_or_never(text: str) -> object:
    return NEVER if text == "None" else headers.moment(text)


def _integer(text: str) -> int:
    if not text.removeprefix("-").isdigit() or not text.isascii() or not -(2**31) <= int(text[:12]) < 2**31:
        raise ValueError("a whole number of 32 bits")
    return int(text)


def _person(text: str) -> object:
    try:
        return text if text == "nobody" else headers.id_of(text)
    except ValueError:
        raise ValueError("a UUID, or nobody") from None


PERSON = ValueType(_person, {"anyOf": [{"type": "string", "format": "uuid"}, {"const": "nobody"}]})
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
        choice("me", "nobody", "others"),
        {
            "me": sql.SQL("   AND r.claimed_by = ANY(%(my_voices)s::uuid[])"),
            "nobody": sql.SQL("   AND r.claimed_by IS NULL"),
            "others": sql.SQL("   AND r.claimed_by <> ALL(%(my_voices)s::uuid[])"),
        },
        "Claimed by the caller (or whom they stand in for), by nobody, or by others: these could be decided, were they released.",
    ),
    "standing_in_for": Filter(
        PERSON,
        sql.SQL(""),
        "In the place of this member, for whom the caller stands in; nobody: for themselves alone. Without it both, each once.",
    ),
    "role": Filter(TEXT, sql.SQL(""), "Asked of this role, by its key, which the caller has, or whom they stand in for."),
    "workflow_key": Filter(TEXT, sql.SQL("   AND r.workflow_key = %(workflow_key)s"), "Asked by executions of this workflow."),
    "business_key": Filter(
        TEXT,
        sql.SQL("""   AND EXISTS (
       SELECT FROM projections.workflow_executions e
        WHERE e.tenant_id = %(tenant_id)s AND e.id = r.execution_id AND e.business_key = %(business_key)s OFFSET 0)"""),
        "Asked by an execution with this business key.",
    ),
    "step": Filter(TEXT, sql.SQL(f"   AND {STEP_NAME} = %(step)s"), "The step of this name, of requests that ask in steps."),
    "requested_by": Filter(UUID_, sql.SQL("   AND r.requested_by = %(requested_by)s"), "On whose behalf it is asked."),
    "overdue": Filter(choice("true"), sql.SQL(f"   AND {OVERDUE}"), "Due before now."),
    "priority": Filter(INTEGER, sql.SQL("   AND r.priority = %(priority)s"), "Of this priority."),
    "due_before": Filter(TIME, sql.SQL("   AND mine.due_by < %(due_before)s"), "Due before this moment."),
    "title": Filter(
        TEXT,
        sql.SQL("   AND strpos(lower(r.title), lower(%(title)s::text)) > 0"),
        "With this text in the title, in capitals or not.",
    ),
}


def _mine(names: int, places: Sequence[str], shown: Mapping[str, str], *, substituting: bool, steps: bool = True) -> str:
    """`names`: by how many the caller is asked. `shown`: how each column comes about. `substituting`: also in others' place: rows
    have in whose, as `able`. `steps`: rows are of steps, which they name."""
    by_names = (_by_name(number, shown, substituting=substituting) for number in range(1, names + 1))
    columns = _of_mine([*shown, *(["step"] if steps else [])])
    if substituting:
        columns += f", {ALL_ABLE.format(places=_of_mine(places))} AS able"
    return MINE.format(places=_of_mine(places), shown=columns, by_names="\n         UNION ALL\n        ".join(by_names))


def _by_name(number: int, shown: Mapping[str, str], *, substituting: bool) -> str:
    columns = ", ".join(f"{expression} AS {name}" for name, expression in shown.items())
    if not substituting:
        return BY_NAME.format(shown=columns, number=number, able="", may=may_decide())
    able = ABLE.format(number=number, may=may_decide("who.id", "ARRAY[who.id]"))
    may = f"can.able IS NOT NULL AND {not_spoken()}"
    return BY_NAME.format(shown=f"{columns}, can.able", number=number, able=able, may=may)


def may_decide(who: str = ME, ids: str = IDS) -> str:
    """Where `mine` is a row of those who are asked and `r` its request, of somebody whose name it has: that they have not decided
    there, nor where they may not then, and that nobody else has claimed it."""
    return f"(%(of_others)s OR {not_claimed(who)})\n           AND {not_spoken(who, ids)}"


def _of_mine(names: Iterable[str]) -> str:
    return ", ".join(f"mine.{name}" for name in names)


SUMMARY = {name: f"r.{name}" for name, column in approval_requests.TABLE.columns.items() if column.listed and name != "tenant_id"}
SHOWN = {**SUMMARY, "created_at": "mine.created_at", "due_at": DUE_AT, "step_name": STEP_NAME, "overdue": OVERDUE}


def _source(names: int, by: str, *, substituting: bool) -> ListSource:
    places, items, kinds = PLACES[by]
    columns = tuple(sql.Identifier("mine", name) for name in places)
    shown = {**SHOWN, **UNSHOWN} if substituting else SHOWN
    return ListSource(sql.SQL(_mine(names, places, shown, substituting=substituting)), columns, items, kinds, merged=True)


@lru_cache(maxsize=256)
def inbox(names: int, *, substituting: bool = False) -> Listing:
    """Of somebody who is asked by so many names. `substituting`: some of them are names of those for whom they stand in."""
    due, rank, age = (_source(names, by, substituting=substituting) for by in PLACES)
    orders = {
        "due_at": Order(due, descending=False),
        "-due_at": Order(due, descending=True),
        "-priority": Order(rank, descending=False),
        "priority": Order(rank, descending=True),
        "created_at": Order(age, descending=False),
        "-created_at": Order(age, descending=True),
    }
    return Listing("inbox", orders, FILTERS)


def requests(names: int, drives: str) -> ListSource:
    """The requests of somebody who is asked by so many names, each once, by their age."""
    places = ("created_at", "request_id")
    shown = {**SUMMARY, "created_at": "mine.created_at"}
    select = sql.SQL(_mine(names, places, shown, substituting=False, steps=False))
    columns = tuple(sql.Identifier("mine", name) for name in places)
    return ListSource(select, columns, ("created_at", "id"), (TIME, UUID_), drives, alone=True, merged=True)


@lru_cache(maxsize=256)
def counted(names: int, *, substituting: bool = False) -> Listing:
    """What is counted, what is due soonest first."""
    places, items, kinds = PLACES["due"]
    seen = {**JUDGED, **COUNTED} if substituting else COUNTED
    columns = tuple(sql.Identifier("mine", name) for name in places)
    source = ListSource(sql.SQL(_mine(names, places, seen, substituting=substituting)), columns, items, kinds, merged=True)
    return Listing("inbox-counts", {"due_at": Order(source, descending=False)}, FILTERS)


def counts(of: PageRequest, *, substituting: bool) -> Question:
    """How much it is in all, and by what. `others`: rows of what might be decided in somebody else's place alone."""
    question = of.question()
    return Question(_counting(substituting).format(mine=question.statement), question.params)


@lru_cache
def _counting(substituting: bool) -> sql.SQL:
    own = OWN if substituting else "true"
    statement = COUNTS.format(
        mine="{mine}",
        most=MOST_COUNTED,
        own=own,
        dimensions=",\n       ".join(DIMENSION.format(name=name) for name in DIMENSIONS),
        others=OTHERS.format(own=own, most=MOST_JUDGED + 1) if substituting else NO_OTHERS,
    )
    return sql.SQL(statement)
