"""The things that events happen to, as the audit log knows them: by their rows as they were before the event."""

from collections.abc import Mapping
from typing import NamedTuple

from domain.envelope import RecordedEvent
from domain.execution import ItemStarted
from domain.facts import Json
from projections.execution_items import item_of
from projections.rows import Rows
from projections.table import Row


class SubjectSource(NamedTuple):
    """Where a kind of thing has its rows. `tag`: the column with the word that its events are found by."""

    table: str
    name: str
    tag: str | None = None
    of_tenant: bool = True
    """Whether the tenant's id leads the table's key."""


SOURCES: Mapping[str, SubjectSource] = {
    "tenant": SubjectSource("tenants", "slug", of_tenant=False),
    "user": SubjectSource("users", "email", of_tenant=False),
    "member": SubjectSource("tenant_users", "user_id"),
    "invitation": SubjectSource("invitations", "email"),
    "role": SubjectSource("roles", "key"),
    "calendar": SubjectSource("calendars", "key"),
    "api_key": SubjectSource("api_keys", "name"),
    "workflow": SubjectSource("workflows", "key"),
    "execution": SubjectSource("workflow_executions", "execution_number", "workflow_key"),
    "approval": SubjectSource("approval_requests", "title", "node_id"),
    "ai_task": SubjectSource("ai_agent_tasks", "task_name", "node_id"),
    "prompt": SubjectSource("prompts", "key", "key"),
    "evaluation": SubjectSource("evaluations", "name"),
    "job": SubjectSource("jobs", "type", "type"),
    "trigger": SubjectSource("workflow_triggers", "key", "workflow_key"),
    "notification_endpoint": SubjectSource("notification_endpoints", "url"),
}
"""By resource. Events of the others name all that there is to say."""


class RowSubject:
    """A `domain.facts.Subject` from the rows. Raises where its row is not there: the event cannot have happened to it."""

    def __init__(self, rows: Rows, record: RecordedEvent, resource: str) -> None:
        self._rows = rows
        self._record = record
        self._resource = resource
        self._found: Row | None = None

    @property
    def name(self) -> str:
        row = self._row()
        if self._resource == "execution":
            execution = f"Execution {row['execution_number']} of {row['workflow_key']}"
            return f"{execution} (item {row['item_index']} of {row['node_id']})" if "item_index" in row else execution
        if self._resource == "trigger":
            return f"{row['key']} of {row['workflow_key']}"
        return str(row[SOURCES[self._resource].name])

    @property
    def tag(self) -> str:
        column = SOURCES[self._resource].tag
        assert column is not None
        found = self._row()[column]
        return "" if found is None else str(found)

    def before_after(self, after: Mapping[str, Json]) -> dict[str, Json]:
        """{before, after, changes}: columns as they were, as they become, and the names of those that differ."""
        source = SOURCES[self._resource]
        row = self._rows.find(source.table, *self._key(source))
        before = {name: row.get(name) for name in after} if row is not None else {}
        changed = sorted(name for name, value in after.items() if before.get(name) != value)
        return {"before": before, "after": dict(after), "changes": changed}

    def _row(self) -> Row:
        if self._found is None:
            item = item_of(self._rows, self._record) if self._resource == "execution" else None
            source = SOURCES[self._resource]
            self._found = self._rows.get(source.table, *self._key(source)) if item is None else item
        return self._found

    def _key(self, source: SubjectSource) -> tuple[object, ...]:
        event = self._record.event
        stream_id = event.execution_id if isinstance(event, ItemStarted) else self._record.stream_id
        return (self._record.tenant_id, stream_id) if source.of_tenant else (stream_id,)
