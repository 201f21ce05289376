"""projections.approval_versions. Of a request that was never resubmitted, the one version is the request itself."""

from psycopg import sql

from api.listing import WHOLE, Listing, ListSource
from api.queries.common import one, summaries, two_ways
from projections import approval_versions

OF_REQUEST = ("tenant_id", "request_id")

ROWS = """
SELECT {columns}
  FROM (SELECT s.number, s.title, s.description, s.context, s.attachments, s.changes, s.asked_again,
               s.submitted_by, s.submitted_at, s.comment, s.version, s.created_at, s.updated_at
          FROM projections.approval_versions s
         WHERE s.tenant_id = %(tenant_id)s AND s.request_id = %(id)s
         UNION ALL
        SELECT 1, r.title, r.description, r.request_data -> 'context', r.attachments, '[]', '[]',
               r.requested_by, r.created_at, NULL, r.version, r.created_at, r.updated_at
          FROM projections.approval_requests r
         WHERE r.tenant_id = %(tenant_id)s AND r.id = %(id)s AND r.current_version = 1) v
 WHERE true
"""

VERSIONS = Listing(
    "approval-versions",
    two_ways(
        "number",
        ListSource(
            summaries(ROWS, approval_versions.TABLE, "v", without=OF_REQUEST),
            (sql.Identifier("v", "number"),),
            ("number",),
            (WHOLE,),
        ),
    ),
)

BEFORE = """(SELECT jsonb_build_object('title', b.title, 'description', b.description, 'context', b.context,
                                  'attachments', b.attachments)
          FROM projections.approval_versions b
         WHERE b.tenant_id = %(tenant_id)s AND b.request_id = %(id)s AND b.number = %(number)s - 1) AS before"""

VERSION = one(
    ROWS.replace("{columns}", f"{{columns}},\n       {BEFORE}") + "   AND v.number = %(number)s\n",
    approval_versions.TABLE,
    "v",
    without=OF_REQUEST,
)
