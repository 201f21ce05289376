"""projections.workflows and workflow_versions. Lists leave the definitions out: a page of them would be megabytes."""

from psycopg import sql

from api.listing import TEXT, WHOLE, Filter, Listing, Source, choice
from api.queries.common import by_creation, two_ways

WORKFLOW = """
SELECT w.id, w.key, w.name, w.description, w.status, w.draft, w.definition, w.input_schema, w.published_version,
       w.execution_count, w.created_by, w.version, w.created_at, w.updated_at
  FROM projections.workflows w
 WHERE w.tenant_id = %(tenant_id)s AND w.id = %(id)s
"""

WORKFLOW_VERSION = """
SELECT v.number, v.definition, v.note, v.published_by, v.published_at, v.version, v.created_at, v.updated_at
  FROM projections.workflow_versions v
 WHERE v.tenant_id = %(tenant_id)s AND v.workflow_id = %(id)s AND v.number = %(number)s
"""

SELECT = sql.SQL("""
SELECT w.id, w.key, w.name, w.description, w.status, w.published_version, w.execution_count, w.created_by, w.version,
       w.created_at, w.updated_at
  FROM projections.workflows w
 WHERE w.tenant_id = %(tenant_id)s
""")

WORKFLOWS = Listing(
    "workflows",
    {
        **two_ways("created_at", by_creation(SELECT, "w.created_at", "w.id")),
        **two_ways("key", Source(SELECT, (sql.Identifier("w", "key"),), ("key",), (TEXT,)), newest_first=False),
    },
    filters={
        "status": Filter(choice("draft", "active", "archived"), sql.SQL("   AND w.status = %(status)s"), "How it stands."),
        "key": Filter(TEXT, sql.SQL("   AND w.key = %(key)s"), "With this key."),
    },
)

SELECT_VERSIONS = sql.SQL("""
SELECT v.number, v.note, v.published_by, v.published_at, v.version, v.created_at, v.updated_at
  FROM projections.workflow_versions v
 WHERE v.tenant_id = %(tenant_id)s AND v.workflow_id = %(id)s
""")

WORKFLOW_VERSIONS = Listing(
    "workflow-versions",
    two_ways("number", Source(SELECT_VERSIONS, (sql.Identifier("v", "number"),), ("number",), (WHOLE,))),
)
