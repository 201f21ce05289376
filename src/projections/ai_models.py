"""projections.ai_models: names that a tenant gives to AI models."""

from domain.ai_model import AiModelRemoved, AiModelSet, defaults_json
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Row, Table, its_own

NAME = "ai_models"


def set_up(rows: Rows, record: RecordedEvent, event: AiModelSet) -> None:
    content: Row = {"models": list(event.models), "defaults": defaults_json(event.defaults)}
    rows.put(NAME, record, {"id": record.stream_id, "key": event.key, **content})


def removed(rows: Rows, record: RecordedEvent, _event: AiModelRemoved) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The name's id; follows from its key."),
        "key": Column("text", "As definitions name it."),
        "models": Column("text[]", "Each provider:model, in the order in which they are asked."),
        "defaults": Column("jsonb", "Where a task does not say: {max_output_tokens, temperature, timeout_seconds}."),
    },
    appliers={AiModelSet: set_up, AiModelRemoved: removed},
    rows_needed=its_own,
)
