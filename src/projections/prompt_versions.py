"""projections.prompt_versions: every published version of every prompt, and which is current."""

from domain.envelope import RecordedEvent
from domain.prompt import PromptPublished, PromptRolledBack, content_json
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Lookup, Table

NAME = "prompt_versions"


def published(rows: Rows, record: RecordedEvent, event: PromptPublished) -> None:
    _no_longer(rows, record, event.previous)
    row = {
        "prompt_id": record.stream_id,
        "number": event.number,
        **content_json(event.content),
        "note": event.note,
        "published_by": event.published_by,
        "published_at": record.occurred_at,
        "is_current": True,
    }
    rows.insert(NAME, record, row)


def rolled_back(rows: Rows, record: RecordedEvent, event: PromptRolledBack) -> None:
    _no_longer(rows, record, event.previous)
    rows.update(NAME, record, (record.tenant_id, record.stream_id, event.number), {"is_current": True})


def _no_longer(rows: Rows, record: RecordedEvent, number: int | None) -> None:
    if number is not None:
        rows.update(NAME, record, (record.tenant_id, record.stream_id, number), {"is_current": False})


def rows_needed(record: RecordedEvent) -> tuple[Lookup, ...]:
    match record.event:
        case PromptPublished(previous=int() as previous):
            numbers: tuple[int, ...] = (previous,)
        case PromptRolledBack(number, previous):
            numbers = (number, previous)
        case _:
            numbers = ()
    return tuple(Lookup(TABLE.key, (record.tenant_id, record.stream_id, number)) for number in numbers)


TABLE = Table(
    name=NAME,
    key=("tenant_id", "prompt_id", "number"),
    columns={
        "tenant_id": TENANT_ID,
        "prompt_id": Column("uuid", "The prompt."),
        "number": Column("integer", "1, 2, 3 … in each prompt."),
        "template": Column("jsonb", "The texts, {system, user}, with places for values: {{ name }}.", listed=False),
        "variables": Column("jsonb", "By name: {description, schema, required, default, sensitive}.", listed=False),
        "model": Column("text", "The model that it is for, if it says so.", null=True),
        "defaults": Column("jsonb", "{max_output_tokens, temperature, top_p, seed}, as far as it says so.", listed=False),
        "output_schema": Column("jsonb", "JSON Schema of the answer; null: it says nothing of it.", null=True, listed=False),
        "note": Column("text", "What the publisher said about it.", null=True),
        "published_by": Column("uuid", "Who published it.", null=True),
        "published_at": Column("timestamptz", "When it was published."),
        "is_current": Column("boolean", "Whether it is the version that tasks get which name none."),
    },
    appliers={PromptPublished: published, PromptRolledBack: rolled_back},
    rows_needed=rows_needed,
)
