"""Of whom there is something to be read in the ledger: who ever was a member, and for whom somebody may ever have stood in."""

MOST_GIVERS = 2_000
"""For all of a page."""

# Who was removed keeps a row.
MEMBERS = """
SELECT user_id
  FROM projections.tenant_users
 WHERE tenant_id = %(tenant_id)s AND (%(after)s::uuid IS NULL OR user_id > %(after)s)
 ORDER BY user_id
 LIMIT %(limit)s
"""

# Whoever gave, or passed on, a delegation that leads to them, ended or not.
GIVERS = """
WITH RECURSIVE ways (person, giver, steps) AS (
       SELECT to_user_id, from_user_id, 1
         FROM projections.delegations
        WHERE tenant_id = %(tenant_id)s AND to_user_id = ANY (%(people)s::uuid[])
        UNION
       SELECT w.person, d.from_user_id, w.steps + 1
         FROM ways w
         JOIN projections.delegations d ON d.tenant_id = %(tenant_id)s AND d.to_user_id = w.giver
        WHERE w.steps < %(most_steps)s)
SELECT DISTINCT person, giver FROM ways WHERE person <> giver LIMIT %(most)s
"""

# Past requests, the newest first.
PAST = """
SELECT id
  FROM projections.approval_requests
 WHERE tenant_id = %(tenant_id)s
   AND (%(workflow_key)s::text IS NULL OR workflow_key = %(workflow_key)s)
   AND (%(node_id)s::text IS NULL OR node_id = %(node_id)s)
   AND (%(created_from)s::timestamptz IS NULL OR created_at >= %(created_from)s)
   AND (%(created_to)s::timestamptz IS NULL OR created_at < %(created_to)s)
 ORDER BY created_at DESC, id DESC
 LIMIT %(limit)s
"""
