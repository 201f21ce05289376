"""projections.workflows and workflow_versions. Lists leave the definitions out: a page of them would be megabytes."""

from psycopg import sql

from api.listing import TEXT, WHOLE, Filter, Listing, ListSource, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import workflow_versions, workflows

OF_WORKFLOW = ("tenant_id", "workflow_id")

WORKFLOW = one(rows_of(workflows.TABLE, "w") + "   AND w.id = %(id)s\n", workflows.TABLE, "w")

WORKFLOW_VERSION = one(
    rows_of(workflow_versions.TABLE, "v") + "   AND v.workflow_id = %(id)s AND v.number = %(number)s\n",
    workflow_versions.TABLE,
    "v",
    without=OF_WORKFLOW,
)

SELECT = summaries(rows_of(workflows.TABLE, "w"), workflows.TABLE, "w")

WORKFLOWS = Listing(
    "workflows",
    {
        **two_ways("created_at", by_creation(SELECT, "w.created_at", "w.id")),
        **two_ways("key", ListSource(SELECT, (sql.Identifier("w", "key"),), ("key",), (TEXT,)), newest_first=False),
    },
    filters={
        "status": Filter(
            choice(*workflows.TABLE.columns["status"].choices), sql.SQL("   AND w.status = %(status)s"), "Filter by status."
        ),
        "key": Filter(TEXT, sql.SQL("   AND w.key = %(key)s"), "Filter by key."),
    },
)

SELECT_VERSIONS = summaries(
    rows_of(workflow_versions.TABLE, "v") + "   AND v.workflow_id = %(id)s\n", workflow_versions.TABLE, "v", without=OF_WORKFLOW
)

WORKFLOW_VERSIONS = Listing(
    "workflow-versions",
    two_ways("number", ListSource(SELECT_VERSIONS, (sql.Identifier("v", "number"),), ("number",), (WHOLE,))),
)

STATUSES = """
SELECT w.key, w.status
  FROM projections.workflows w
 WHERE w.tenant_id = %(tenant_id)s AND w.key = ANY (%(keys)s)
"""

ROLE_KEYS = """
SELECT r.key
  FROM projections.roles r
 WHERE r.tenant_id = %(tenant_id)s AND r.key = ANY (%(keys)s)
"""
SECRET_NAMES = """
SELECT s.name
  FROM projections.secrets s
 WHERE s.tenant_id = %(tenant_id)s AND s.name = ANY (%(names)s)
"""
ACTIVE_MEMBERS = """
SELECT m.user_id
  FROM projections.tenant_users m
 WHERE m.tenant_id = %(tenant_id)s AND m.user_id = ANY (%(ids)s) AND m.status = 'active'
"""
