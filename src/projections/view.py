"""What a view of the projected tables is: its columns, each with its meaning, as `projections.table` has them for tables.

The query is SQL (`migrations/projections/views.sql`). The catalogue, the docs and the tools for analysts are made of what is
described here; a test holds the database to it: columns, types, comments.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from projections.table import TENANT_ID, Column

WITHOUT_ARCHIVE = " Executions in the archive are not counted."
"""Said of a view that counts what is in the tables of executions."""


@dataclass(frozen=True)
class View:
    name: str
    meaning: str
    """The COMMENT."""
    columns: Mapping[str, Column]
    """In the order of the view. Named without the tenant, which leads it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", {"tenant_id": TENANT_ID, **self.columns})
