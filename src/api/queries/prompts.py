"""projections.prompts and prompt_versions."""

from psycopg import sql

from api.listing import TEXT, WHOLE, Filter, Listing, ListSource, choice
from api.queries.common import by_creation, item, one, rows_of, summaries, two_ways
from projections import prompt_versions, prompts

OF_PROMPT = ("tenant_id", "prompt_id")

CURRENT = item(
    """(SELECT {item}
          FROM projections.prompt_versions v
         WHERE v.tenant_id = p.tenant_id AND v.prompt_id = p.id AND v.number = p.current_version) AS current""",
    prompt_versions.TABLE,
    "v",
    without=(*OF_PROMPT, "version", "created_at", "updated_at"),
)

PROMPT = one(rows_of(prompts.TABLE, "p", also=CURRENT) + "   AND p.id = %(id)s\n", prompts.TABLE, "p")

SELECT = summaries(rows_of(prompts.TABLE, "p"), prompts.TABLE, "p")

PROMPTS = Listing(
    "prompts",
    {
        **two_ways("created_at", by_creation(SELECT, "p.created_at", "p.id")),
        **two_ways("key", ListSource(SELECT, (sql.Identifier("p", "key"),), ("key",), (TEXT,)), newest_first=False),
    },
    filters={
        "status": Filter(
            choice(*prompts.TABLE.columns["status"].choices), sql.SQL("   AND p.status = %(status)s"), "Filter by status."
        ),
        "key": Filter(TEXT, sql.SQL("   AND p.key = %(key)s"), "Filter by key."),
    },
)

VERSION = one(
    rows_of(prompt_versions.TABLE, "v") + "   AND v.prompt_id = %(id)s AND v.number = %(number)s\n",
    prompt_versions.TABLE,
    "v",
    without=OF_PROMPT,
)

VERSIONS = Listing(
    "prompt-versions",
    two_ways(
        "number",
        ListSource(
            summaries(
                rows_of(prompt_versions.TABLE, "v") + "   AND v.prompt_id = %(id)s\n",
                prompt_versions.TABLE,
                "v",
                without=OF_PROMPT,
            ),
            (sql.Identifier("v", "number"),),
            ("number",),
            (WHOLE,),
        ),
    ),
)
