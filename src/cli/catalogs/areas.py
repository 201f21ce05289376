"""Areas of the catalogue: tables that are looked at together, in a diagram each."""

from collections.abc import Iterator
from typing import NamedTuple

from projections.catalog import Relation

AREAS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Approvals", ("approval_", "approver_", "delegations", "calendars")),
    ("AI agents", ("ai_", "prompt", "budget", "tool_", "evaluation")),
    ("Notifications", ("notification_",)),
    ("People and access", ("tenant", "user", "role", "permission", "invitation", "api_key", "secret", "analyst")),
    ("Audit and freshness", ("audit_logs", "freshness")),
    ("Workflows and executions", ("",)),
)
"""By how names begin; the first that fits."""
ORDER = ("Workflows and executions", "Approvals", "AI agents", "People and access", "Notifications", "Audit and freshness")


class Area(NamedTuple):
    title: str
    tables: tuple[Relation, ...]
    views: tuple[Relation, ...]

    @property
    def anchor(self) -> str:
        return self.title.lower().replace(" ", "-")


def area_of(name: str) -> str:
    return next(title for title, beginnings in AREAS if name.startswith(beginnings))


def areas(relations: tuple[Relation, ...]) -> Iterator[Area]:
    for title in ORDER:
        own = [relation for relation in relations if area_of(relation.name) == title]
        yield Area(title, tuple(r for r in own if r.kind == "table"), tuple(r for r in own if r.kind == "view"))
