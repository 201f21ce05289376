"""The plan of a statement: EXPLAIN without ANALYZE.

What is explained is judged as what is asked, so it can only read. The plan is gathered inside the database, which bounds it: a
line of it may be as long as the expressions of all views together, and would come whole.

ANALYZE is refused. It counts the rows that a policy took away, and so tells of an exact value whether another tenant has it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from psycopg import AsyncConnection, sql

MOST_PLAN_BYTES = 4 << 20

_GAP = r"(?:\s|--[^\n\r]*[\n\r]|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)"
GAP = re.compile(_GAP)
EXPLAIN = re.compile(
    rf"""{_GAP}*+ EXPLAIN \b {_GAP}*+
         (?: \( (?!{_GAP}*+ (?: \( | (?:SELECT|VALUES|TABLE|WITH) \b)) (?P<options> [\w\s,'"]*+ ) \) {_GAP}*+
           | (?P<words> (?: (?:ANALYZE|ANALYSE|VERBOSE) \b {_GAP}*+ )*+ ) )""",
    re.VERBOSE | re.IGNORECASE,
)
"""What stands before the statement. A parenthesis may also be the statement's."""
ALLOWED = frozenset({"costs", "format", "generic_plan", "memory", "settings", "summary", "verbose"})

BLOCK = sql.SQL("""
DECLARE
    line text;
    plan text[] := '{{}}';
    size bigint := 0;
BEGIN
    FOR line IN EXECUTE {statement} {using} LOOP
        size := size + octet_length(line);
        IF size > {most} THEN
            RAISE program_limit_exceeded USING MESSAGE = 'The plan is larger than {most} bytes.';
        END IF;
        plan := plan || line;
    END LOOP;
    PERFORM set_config('gesta.plan', to_json(plan)::text, true);
END
""")
GATHER = sql.SQL("DO {block}")
USING = sql.SQL("USING {values}")
VALUE = sql.SQL("{text}::{type}")
GATHERED = "SELECT json_array_elements_text(current_setting('gesta.plan')::json)"
JUDGED = "SELECT FROM (\n{}\n) q"
"""A subquery: no statement that writes can be one."""


class NotAllowed(Exception):
    """An option of EXPLAIN that is refused."""


class Asked(NamedTuple):
    """An EXPLAIN in its parts."""

    head: str
    """All that stands before the statement, as it was written."""
    options: str
    statement: str
    is_generic: bool
    """A plan for whatever values: it needs none."""

    @property
    def run(self) -> str:
        """Of what was judged, and of nothing else."""
        return f"EXPLAIN {self.options}\n{self.statement}"

    @property
    def judged(self) -> str:
        return JUDGED.format(self.statement)

    @property
    def shift(self) -> int:
        """How many characters further a place is in `judged` than in the whole."""
        return JUDGED.index("{") - len(self.head)


def asked(statement: str) -> Asked | None:
    """None: it is no EXPLAIN, or none that is understood here. Raises NotAllowed."""
    found = EXPLAIN.match(statement)
    if found is None:
        return None
    given = found["options"]
    names = GAP.sub(" ", found["words"]).lower().split() if given is None else _names(given.lower())
    if not ALLOWED.issuperset(names):
        raise NotAllowed
    options = f"({given})" if given is not None else "VERBOSE" if names else ""
    return Asked(found[0], options, statement[found.end() :], "generic_plan" in names)


def _names(options: str) -> list[str]:
    return [(each.split() or [""])[0].strip('"') for each in options.split(",")]


def gathering(connection: AsyncConnection, statement: str, params: Sequence[str | None], types: Sequence[str]) -> bytes:
    """A statement after which GATHERED has the plan's lines. `types`: of the parameters."""
    values = [VALUE.format(text=sql.Literal(text), type=sql.SQL(type)) for text, type in zip(params, types, strict=True)]
    block = BLOCK.format(
        statement=sql.Literal(statement),
        using=USING.format(values=sql.SQL(", ").join(values)) if values else sql.SQL(""),
        most=sql.Literal(MOST_PLAN_BYTES),
    )
    return GATHER.format(block=sql.Literal(block.as_string(connection))).as_bytes(connection)
