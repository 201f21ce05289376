"""What a node says of limits: how many of its jobs are leased at a time (`concurrency`), and how many in any span (`rate`).

Both count by a key, which is evaluated when the node is visited and stored with the job; without one, by node. The ledger's
database keeps them (`runtime.lease_limited_jobs`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.changes import changed
from domain.facts import Concurrency, Job, JobLimits, Json, Rate
from engine.durations import duration
from engine.expressions import Budgeted, expressions_in, resolve
from engine.invalid import InvalidValue

MAX_LIMIT = 10_000
MAX_KEY = 200
SHORTEST, LONGEST = timedelta(milliseconds=100), timedelta(days=31)

CONCURRENCY = {
    "type": "object",
    "properties": {"key": {"type": "string", "minLength": 1}, "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}},
    "required": ["limit"],
    "additionalProperties": False,
}
RATE = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "minLength": 1},
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        "per": {"type": "string"},
    },
    "required": ["count", "per"],
    "additionalProperties": False,
}


@dataclass(frozen=True)
class NodeLimits:
    """As they are written: keys may be expressions."""

    concurrency: Concurrency | None = None
    rate: Rate | None = None

    @property
    def keys(self) -> dict[str, str]:
        """Those that are named, by the field."""
        found = {"concurrency": self.concurrency, "rate": self.rate}
        return {name: limit.key for name, limit in found.items() if limit is not None and limit.key is not None}


NONE = NodeLimits()


def read_limits(node: Json) -> NodeLimits:
    """Of a node whose shape is sound."""
    concurrency, rate = node.get("concurrency"), node.get("rate")
    if concurrency is None and rate is None:
        return NONE
    return NodeLimits(
        None if concurrency is None else Concurrency(concurrency["limit"], concurrency.get("key")),
        None if rate is None else Rate(rate["count"], span(rate["per"]), rate.get("key")),
    )


def faults(node: Json) -> Iterator[tuple[str, str]]:
    """(JSON pointer within the node, message); the shape is sound."""
    if "rate" in node:
        try:
            span(node["rate"]["per"])
        except InvalidValue as error:
            yield "/rate/per", str(error)


def span(text: str) -> timedelta:
    found = duration(text)
    if not SHORTEST <= found <= LONGEST:
        raise InvalidValue(f"{text} is no span for a rate: from a tenth of a second to 31 days")
    return found


def expressions(limits: NodeLimits) -> Iterator[tuple[str, str]]:
    """(JSON pointer within the node, source) of every expression."""
    for name, key in limits.keys.items():
        yield from expressions_in(key, f"/{name}/key")


def limited(
    jobs: tuple[Job, ...], limits: NodeLimits, workflow: str, node_id: str, evaluator: Budgeted, variables: Mapping[str, Json]
) -> tuple[Job, ...]:
    """The jobs of a visit, with what limits go by. Raises ExpressionError and InvalidValue."""
    concurrency, rate = limits.concurrency, limits.rate
    if limits is not NONE and limits.keys:
        keys = {name: _key(name, value) for name, value in resolve(limits.keys, evaluator, variables).items()}
        concurrency = concurrency and replace(concurrency, key=keys.get("concurrency"))
        rate = rate and replace(rate, key=keys.get("rate"))
    under = JobLimits(workflow, node_id, concurrency, rate)
    return tuple(changed(job, limits=under) for job in jobs)


def _key(field: str, value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidValue(f"The key of {field} is neither text nor a number")
    text = str(value)
    if not 0 < len(text) <= MAX_KEY:
        raise InvalidValue(f"The key of {field} has {len(text)} characters: from 1 to {MAX_KEY}")
    return text
