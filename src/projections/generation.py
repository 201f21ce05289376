"""A generation of the projected tables: those that serve, or those that are built beside them, in a schema of their own.

Readers name the schema that serves. Whatever folds, writes or compares is told which generation is meant.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from projections.registry import CONCERNED, GROUPS, NEEDED, TABLES, Concerned, concerned
from projections.table import Table
from runtime.errors import WrongUsage

SERVING_SCHEMA = "projections"
NEXT_SCHEMA = "projections_next"
OLD_SCHEMA = "projections_old"


@dataclass(frozen=True)
class Generation:
    """Some tables in some schema, and their checkpoints: `<schema>.freshness`."""

    schema: str
    tables: tuple[Table, ...]
    """In the order of `registry.TABLES`."""
    known: Concerned = field(repr=False, compare=False)
    """The tables that each event concerns."""


SERVING = Generation(SERVING_SCHEMA, TABLES, CONCERNED)


def tables_of(groups: Iterable[str]) -> tuple[Table, ...]:
    wanted = {table.name for group in groups for table in GROUPS[group]}
    return tuple(table for table in TABLES if table.name in wanted)


def groups_of(tables: Iterable[str]) -> set[str]:
    """The groups that these tables are in. Raises WrongUsage for what is no projected table."""
    found = set()
    for name in tables:
        group = next((group for group, members in GROUPS.items() if any(table.name == name for table in members)), None)
        if group is None:
            raise WrongUsage(f"There is no projected table {name}: there are {', '.join(sorted(t.name for t in TABLES))}.")
        found.add(group)
    return found


def next_generation(groups: Iterable[str]) -> Generation:
    """What is built so that these groups can be: they, and those that they read."""
    chosen = set(groups)
    tables = tables_of(chosen.union(*(NEEDED.get(group, ()) for group in chosen)))
    return Generation(NEXT_SCHEMA, tables, concerned(tables))
