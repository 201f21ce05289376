"""Providers of AI models, and the names that a tenant gives to models."""

from psycopg import sql

from api.listing import TEXT, Filter, Listing
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import ai_models, ai_providers

PROVIDER = one(rows_of(ai_providers.TABLE, "p") + "   AND p.id = %(id)s\n", ai_providers.TABLE, "p")

SELECT_PROVIDERS = summaries(rows_of(ai_providers.TABLE, "p"), ai_providers.TABLE, "p")

PROVIDERS = Listing(
    "ai-providers",
    two_ways("created_at", by_creation(SELECT_PROVIDERS, "p.created_at", "p.id")),
    filters={"key": Filter(TEXT, sql.SQL("   AND p.key = %(key)s"), "Filter by key.")},
)

MODEL = one(rows_of(ai_models.TABLE, "m") + "   AND m.id = %(id)s\n", ai_models.TABLE, "m")

SELECT_MODELS = summaries(rows_of(ai_models.TABLE, "m"), ai_models.TABLE, "m")

MODELS = Listing(
    "ai-models",
    two_ways("created_at", by_creation(SELECT_MODELS, "m.created_at", "m.id")),
    filters={"key": Filter(TEXT, sql.SQL("   AND m.key = %(key)s"), "Filter by key.")},
)
