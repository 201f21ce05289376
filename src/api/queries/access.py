"""Who there is and what they may do: tenants, users, members, roles, permissions, API keys."""

from psycopg import sql

from api.listing import TEXT, UUID_, Filter, Listing, ListSource, choice
from api.queries.common import by_creation, one, rows_of, summaries, two_ways
from projections import api_keys, calendars, invitations, permissions, roles, secrets, tenant_users, tenants, users

TENANT = one(rows_of(tenants.TABLE, "t", "t.id = %(tenant_id)s"), tenants.TABLE, "t")

TENANT_BY_ID = one(rows_of(tenants.TABLE, "t", "t.id = %(id)s"), tenants.TABLE, "t")

SELECT_TENANTS = summaries(rows_of(tenants.TABLE, "t", "true"), tenants.TABLE, "t")

TENANTS = Listing(
    "tenants",
    two_ways("created_at", by_creation(SELECT_TENANTS, "t.created_at", "t.id")),
    filters={"slug": Filter(TEXT, sql.SQL("   AND t.slug = %(slug)s"), "Filter by slug.")},
)

OF_THEIRS = ("preferences", "last_login_at")
"""What a tenant does not see of a user."""

USER = one(rows_of(users.TABLE, "u", "u.id = %(id)s"), users.TABLE, "u")

SEEN_USER = one(rows_of(users.TABLE, "u", "u.id = %(id)s"), users.TABLE, "u", without=OF_THEIRS)

SELECT_USERS = summaries(rows_of(users.TABLE, "u", "true"), users.TABLE, "u")

# A tenant's users are found from its members: the index of all users would lead through everybody else's.
SELECT_OWN_USERS = summaries(
    """
SELECT {columns}
  FROM projections.tenant_users m
  JOIN projections.users u ON u.id = m.user_id
 WHERE m.tenant_id = %(tenant_id)s AND m.status IN ('active', 'suspended')
""",
    users.TABLE,
    "u",
    without=OF_THEIRS,
    instead={"created_at": "m.created_at"},
)

# The address leads to its user by the platform's claim on it (`email_owner`), since lower(email) reaches no index here.
USERS = Listing(
    "users",
    two_ways("created_at", by_creation(SELECT_USERS, "u.created_at", "u.id")),
    filters={"email": Filter(TEXT, sql.SQL("   AND u.id = %(email_owner)s"), "Filter by address.")},
)
OWN_USERS = Listing(
    "own-users",
    two_ways("created_at", by_creation(SELECT_OWN_USERS, "m.created_at", "m.user_id")),
    filters={"email": Filter(TEXT, sql.SQL("   AND m.user_id = %(email_owner)s"), "Filter by address.")},
)

ROLE_IDS = """ARRAY(SELECT x.role_id FROM projections.tenant_user_roles x
              WHERE x.tenant_id = %(tenant_id)s AND x.user_id = m.user_id ORDER BY x.role_id) AS role_ids"""
WITH_ROLES = rows_of(tenant_users.TABLE, "m", also=ROLE_IDS)
MEMBER = one(WITH_ROLES + "   AND m.user_id = %(id)s\n", tenant_users.TABLE, "m")
SELECT_MEMBERS = summaries(WITH_ROLES, tenant_users.TABLE, "m")

MEMBERS = Listing(
    "members",
    two_ways("created_at", by_creation(SELECT_MEMBERS, "m.created_at", "m.user_id", id_name="user_id")),
    filters={
        "manager_id": Filter(UUID_, sql.SQL("   AND m.manager_id = %(manager_id)s"), "Filter by whom they report to, directly.")
    },
)

INVITATION = one(rows_of(invitations.TABLE, "i") + "   AND i.id = %(id)s\n", invitations.TABLE, "i")

SELECT_INVITATIONS = summaries(rows_of(invitations.TABLE, "i"), invitations.TABLE, "i")

INVITATIONS = Listing(
    "invitations",
    two_ways("created_at", by_creation(SELECT_INVITATIONS, "i.created_at", "i.id")),
    filters={
        "status": Filter(
            choice("pending", "accepted", "declined", "withdrawn"), sql.SQL("   AND i.status = %(status)s"), "Filter by status."
        )
    },
)

HOLDERS = """
SELECT x.user_id
  FROM projections.tenant_user_roles x
  JOIN projections.tenant_users m ON m.tenant_id = x.tenant_id AND m.user_id = x.user_id AND m.status = 'active'
  JOIN projections.users u ON u.id = x.user_id AND u.is_active
 WHERE x.tenant_id = %(tenant_id)s AND x.role_id = %(role_id)s
 ORDER BY x.user_id
 LIMIT %(most)s
"""

PERMISSION_KEYS = """ARRAY(SELECT p.key
               FROM projections.role_permissions x JOIN projections.permissions p ON p.id = x.permission_id
              WHERE x.tenant_id = %(tenant_id)s AND x.role_id = r.id ORDER BY p.key) AS permissions"""
WITH_PERMISSIONS = rows_of(roles.TABLE, "r", also=PERMISSION_KEYS)
ROLE = one(WITH_PERMISSIONS + "   AND r.id = %(id)s\n", roles.TABLE, "r")
SELECT_ROLES = summaries(WITH_PERMISSIONS, roles.TABLE, "r")

ROLES = Listing(
    "roles",
    {
        **two_ways("key", ListSource(SELECT_ROLES, (sql.Identifier("r", "key"),), ("key",), (TEXT,)), newest_first=False),
        **two_ways("created_at", by_creation(SELECT_ROLES, "r.created_at", "r.id")),
    },
    filters={"key": Filter(TEXT, sql.SQL("   AND r.key = %(key)s"), "Filter by key.")},
)

# Open requests that name a role; and definitions that do so by its key, published last or under way in open executions.
ROLE_USES = """
WITH named AS (SELECT r.key FROM projections.roles r WHERE r.tenant_id = %(tenant_id)s AND r.id = %(id)s)
(SELECT 'The open approval request ' || q.id || ' (' || q.title || ') names this role.' AS words
   FROM named
   JOIN projections.approval_assignees a
     ON a.tenant_id = %(tenant_id)s AND a.kind = 'role' AND a.value = named.key AND a.status = 'pending'
   JOIN projections.approval_requests q ON q.tenant_id = %(tenant_id)s AND q.id = a.request_id
  ORDER BY a.created_at, a.request_id
  LIMIT %(most)s)
 UNION ALL
(SELECT 'Version ' || v.number || ' of the workflow ' || w.key || ' names this role.'
   FROM named
   JOIN projections.workflows w ON w.tenant_id = %(tenant_id)s
   JOIN projections.workflow_versions v ON v.tenant_id = %(tenant_id)s AND v.workflow_id = w.id
  WHERE (w.status = 'active' AND v.number = w.published_version
         OR EXISTS (SELECT FROM projections.workflow_executions e
                     WHERE e.tenant_id = %(tenant_id)s AND e.workflow_key = w.key AND e.status IN ('running', 'paused')
                       AND e.workflow_version = v.number))
    AND jsonb_path_exists(v.definition, '$.nodes[*].config.outcomes[*].by.roles[*] ? (@ == $key)',
                          jsonb_build_object('key', named.key))
  ORDER BY w.key, v.number
  LIMIT %(most)s)
 LIMIT %(most)s
"""

SELECT_PERMISSIONS = summaries(rows_of(permissions.TABLE, "p", "true"), permissions.TABLE, "p")

PERMISSIONS = Listing(
    "permissions",
    two_ways("key", ListSource(SELECT_PERMISSIONS, (sql.Identifier("p", "key"),), ("key",), (TEXT,)), newest_first=False),
)

SELECT_API_KEYS = summaries(rows_of(api_keys.TABLE, "k"), api_keys.TABLE, "k")

API_KEY = one(rows_of(api_keys.TABLE, "k") + "   AND k.id = %(id)s\n", api_keys.TABLE, "k")

API_KEYS = Listing("api-keys", two_ways("created_at", by_creation(SELECT_API_KEYS, "k.created_at", "k.id")))

SECRET = one(rows_of(secrets.TABLE, "s") + "   AND s.id = %(id)s\n", secrets.TABLE, "s")

SELECT_SECRETS = summaries(rows_of(secrets.TABLE, "s"), secrets.TABLE, "s")

SECRETS = Listing(
    "secrets",
    two_ways("created_at", by_creation(SELECT_SECRETS, "s.created_at", "s.id")),
    filters={"name": Filter(TEXT, sql.SQL("   AND s.name = %(name)s"), "Filter by name.")},
)

CALENDAR = one(rows_of(calendars.TABLE, "c") + "   AND c.id = %(id)s\n", calendars.TABLE, "c")

SELECT_CALENDARS = summaries(rows_of(calendars.TABLE, "c"), calendars.TABLE, "c")

CALENDARS = Listing(
    "calendars",
    two_ways("created_at", by_creation(SELECT_CALENDARS, "c.created_at", "c.id")),
    filters={"key": Filter(TEXT, sql.SQL("   AND c.key = %(key)s"), "Filter by key.")},
)
