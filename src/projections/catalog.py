"""What can be queried: every projected table and view with its columns, keys and references, and what each means.

Pure, and without a database: columns are the modules' own (`registry`, `views`), comments of tables and foreign keys are read
from the file that new generations are made of. `tests/projections/test_catalog.py` holds all of it to the database's catalog.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from projections.registry import GROUPS
from projections.table import STAMP, TENANT_ID, Column
from projections.views import VIEWS
from runtime.migrations import DIRECTORY

TABLES_SQL = DIRECTORY / "projections" / "tables.sql"

TABLE_COMMENT = re.compile(r"^COMMENT ON TABLE (\w+) IS '((?:[^']|'')*)';", re.MULTILINE)
TABLE_BODY = re.compile(r"^CREATE TABLE (\w+) \((.*?)^\)", re.MULTILINE | re.DOTALL)
OF_A_COLUMN = re.compile(r"^    (\w+) +[^\n(]*?REFERENCES (\w+) \((\w+)\)", re.MULTILINE)
OF_COLUMNS = re.compile(r"FOREIGN KEY \(([^)]*)\)\s+REFERENCES (\w+) \(([^)]*)\)")

FRESHNESS: Mapping[str, Column] = {
    "tenant_id": TENANT_ID,
    "position": Column("bigint", "The last position that the tables show; 0: none yet."),
    "recorded_at": Column("timestamptz", "When that event was recorded.", null=True),
    "projected_at": Column("timestamptz", "When the tables reached it."),
    **STAMP,
    "version": Column("bigint", "The same as position."),
}

IN_TENANT = ("tenant_id", "id")
NAMED: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("user_id", "on_behalf_of", "owner_id", "manager_id", "from_user_id", "to_user_id"), ("users", ("id",))),
    **dict.fromkeys(("created_by", "cancelled_by", "requested_by", "invited_by", "published_by"), ("users", ("id",))),
    **dict.fromkeys(("decided_by", "overridden_by", "reviewed_by", "claimed_by", "taken_on_by", "added_by"), ("users", ("id",))),
    **dict.fromkeys(("submitted_by", "made_by", "given_by", "ended_by", "rotated_by"), ("users", ("id",))),
    **dict.fromkeys(
        ("execution_id", "parent_execution_id", "child_execution_id", "last_execution_id"), ("workflow_executions", IN_TENANT)
    ),
    **dict.fromkeys(("activation_id", "parent_activation_id", "compensates"), ("node_activations", IN_TENANT)),
    **dict.fromkeys(("request_id", "approval_id"), ("approval_requests", IN_TENANT)),
    **dict.fromkeys(("task_id", "ai_task_id", "last_task_id", "continues_id"), ("ai_agent_tasks", IN_TENANT)),
    "workflow_id": ("workflows", IN_TENANT),
    "prompt_id": ("prompts", IN_TENANT),
    "item_id": ("execution_items", IN_TENANT),
    "parent_item_id": ("execution_items", IN_TENANT),
    "endpoint_id": ("notification_endpoints", IN_TENANT),
    "question_id": ("approval_comments", IN_TENANT),
    "link_id": ("approval_links", IN_TENANT),
    "decision_id": ("approval_decisions", IN_TENANT),
}
"""What a column of ids names by its name, where no foreign key says so: it crosses groups of tables, it may be told before
the row that it names, or it stands in a view. So the row that it leads to may be missing."""


@dataclass(frozen=True)
class Reference:
    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]
    enforced: bool = True
    """Whether a foreign key says so."""

    def document(self) -> dict[str, Any]:
        return {"columns": list(self.columns), "table": self.table, "to": list(self.to), "enforced": self.enforced}


@dataclass(frozen=True)
class Relation:
    """A table or a view."""

    name: str
    kind: str
    """table or view."""
    group: str
    """The group of tables that are built together; `views` of views, `freshness` of the checkpoints."""
    comment: str
    key: tuple[str, ...]
    """Empty of a view."""
    columns: Mapping[str, Column]
    references: tuple[Reference, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        columns = [
            {
                "name": name,
                "type": column.type,
                "nullable": column.null,
                "comment": column.meaning,
                **({"choices": list(column.choices)} if column.choices else {}),
            }
            for name, column in self.columns.items()
        ]
        return {
            "name": self.name,
            "kind": self.kind,
            "group": self.group,
            "comment": self.comment,
            "key": list(self.key),
            "columns": columns,
            "references": [reference.document() for reference in self.references],
        }


@cache
def relations() -> tuple[Relation, ...]:
    """All of them: tables in the order of the registry, then the checkpoints, then the views."""
    return tuple(_all(TABLES_SQL.read_text("utf-8")))


def catalog() -> dict[str, Any]:
    """As `GET /v1/catalog` answers it."""
    return {"tables": [relation.document() for relation in relations()]}


def _all(tables_sql: str) -> Iterator[Relation]:
    comments = {name: comment.replace("''", "'") for name, comment in TABLE_COMMENT.findall(tables_sql)}
    enforced = {name: tuple(_foreign_keys(body)) for name, body in TABLE_BODY.findall(tables_sql)}
    for group, tables in GROUPS.items():
        for table in tables:
            keys = enforced[table.name]
            references = (*keys, *_by_name(table.columns, keys))
            yield Relation(table.name, "table", group, comments[table.name], table.key, table.columns, references)
    yield Relation("freshness", "table", "freshness", comments["freshness"], ("tenant_id",), FRESHNESS)
    for view in VIEWS:
        columns = {name: Column(c.type, c.meaning, True, c.choices) for name, c in view.columns.items()}
        yield Relation(view.name, "view", "views", view.meaning, (), columns, tuple(_by_name(columns, ())))


def _foreign_keys(body: str) -> Iterator[Reference]:
    for column, table, to in OF_A_COLUMN.findall(body):
        yield Reference((column,), table, (to,))
    for columns, table, to in OF_COLUMNS.findall(body):
        yield Reference(_names(columns), table, _names(to))


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(","))


def _by_name(columns: Mapping[str, Column], keys: tuple[Reference, ...]) -> Iterator[Reference]:
    known = {name for reference in keys for name in reference.columns}
    for name, column in columns.items():
        if column.type == "uuid" and name in NAMED and name not in known:
            table, to = NAMED[name]
            yield Reference((*to[:-1], name), table, to, enforced=False)
