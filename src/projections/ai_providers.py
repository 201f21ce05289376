"""projections.ai_providers: providers of AI models that a tenant has set up. No secret's value is here."""

from domain.ai_provider import AiProviderRemoved, AiProviderSet, limits_json, prices_json
from domain.envelope import RecordedEvent
from projections.rows import Rows
from projections.table import TENANT_ID, Column, Row, Table, its_own

NAME = "ai_providers"


def set_up(rows: Rows, record: RecordedEvent, event: AiProviderSet) -> None:
    content: Row = {
        "kind": event.kind,
        "base_url": event.base_url,
        "secret": event.secret,
        "limits": limits_json(event.limits),
        "prices": prices_json(event.prices),
    }
    rows.put(NAME, record, {"id": record.stream_id, "key": event.key, **content})


def removed(rows: Rows, record: RecordedEvent, _event: AiProviderRemoved) -> None:
    rows.delete(NAME, (record.tenant_id, record.stream_id))


TABLE = Table(
    name=NAME,
    key=("tenant_id", "id"),
    columns={
        "tenant_id": TENANT_ID,
        "id": Column("uuid", "The provider's id; follows from its key."),
        "key": Column("text", "As names of models begin with it, before the colon."),
        "kind": Column("text", "Whose protocol it speaks: openai, anthropic, google, mistral or openai_compatible."),
        "base_url": Column("text", "Where it is; null: at the vendor's own address.", null=True),
        "secret": Column("text", "The name of the secret that opens it; null: it needs none.", null=True),
        "limits": Column(
            "jsonb",
            "How much of it may be used: {concurrency, requests_per_minute, tokens_per_minute}; null: no limit of ours.",
        ),
        "prices": Column(
            "jsonb", "By model: {input, output, cached_input?, currency}, for a million tokens each, as text.", listed=False
        ),
    },
    appliers={AiProviderSet: set_up, AiProviderRemoved: removed},
    rows_needed=its_own,
)
