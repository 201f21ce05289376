"""Providers of AI models and names for models, as they are set and read."""

from api.schemas.columns import fields, row, summary
from api.schemas.schema import BIG, INTEGER, TEXT, TIME, ObjectSchema, one_of, or_null, ref, said

STATE = ObjectSchema(
    "AiProviderState",
    "How a provider does, for all processes together. `calls`: under way; `requests`, `tokens`: of the last minute.",
    {
        "circuit": said(
            one_of("closed", "open", "half_open"),
            "open: it is not asked, because it failed again and again; half_open: one call finds out whether it is back.",
        ),
        "failures": said(INTEGER, "Calls in a row that it failed."),
        "open_until": or_null(TIME),
        "resting_until": said(or_null(TIME), "It asked to be left alone until then."),
        "last_error": or_null(TEXT),
        "changed_at": TIME,
        "calls": INTEGER,
        "requests": BIG,
        "tokens": BIG,
    },
)
PROVIDER = ObjectSchema(
    "AiProvider",
    "A provider of AI models.",
    {**row("ai_providers"), "state": said(or_null(ref(STATE)), "How it does; null: nobody has called it yet.")},
)
PROVIDER_SUMMARY = ObjectSchema("AiProviderSummary", "A provider of AI models, without prices.", summary("ai_providers"))
PROVIDER_RESULT = ObjectSchema(
    "AiProviderResult",
    "A provider after a change, or as it was when it was removed.",
    fields("ai_providers", "id", "key", "kind", "base_url", "secret", "limits", "prices", "version"),
)
MODEL = ObjectSchema("AiModel", "A name for AI models.", row("ai_models"))
MODEL_SUMMARY = ObjectSchema("AiModelSummary", "A name for AI models.", summary("ai_models"))
MODEL_RESULT = ObjectSchema(
    "AiModelResult",
    "A name for models after a change, or as it was when it was removed.",
    fields("ai_models", "id", "key", "models", "defaults", "version"),
)
