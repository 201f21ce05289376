"""What waits for somebody to decide, as far as two questions share it: the list that one reads, and the digest by mail.

Rows are `mine`, of approval_assignees, and `r`, of approval_requests. Who is meant is `me`, with `ids` of all who act: both SQL.
"""

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from projections.approval_assignees import NEVER
from projections.table import Row

ME, IDS = "%(me)s", "%(my_ids)s::uuid[]"
"""Of who asks, as parameters."""
PLAN = "r.request_data -> 'steps'"

# Nobody decides what another one has claimed. Where several steps are open, a request does not say which of them it is.
NOT_CLAIMED = """(r.claimed_by IS NULL OR r.claimed_by = {me} OR r.approval_type = 'steps' AND (
               SELECT count(*) > 1 FROM projections.approval_steps s
                WHERE s.tenant_id = %(tenant_id)s AND s.request_id = mine.request_id AND s.status = 'open'))"""

# Nobody decides twice in a step, or in two that are kept apart, be it for themselves or for another; nor do those who act behind
# them.
NOT_SPOKEN = """NOT EXISTS (
       SELECT FROM projections.approval_decisions d
        WHERE d.tenant_id = %(tenant_id)s AND d.request_id = mine.request_id AND d.{whose} = ANY({ids})
          AND d.revoked_at IS NULL AND d.returned_at IS NULL
          AND CASE WHEN d.step = mine.step THEN d.{whose} = {me}
                   ELSE {plan} -> (d.step - 1) -> 'distinct' ? ({plan} -> (mine.step - 1) ->> 'name')
                     OR {plan} -> (mine.step - 1) -> 'distinct' ? ({plan} -> (d.step - 1) ->> 'name')
              END
       OFFSET 0)"""


def not_claimed(me: str = ME) -> str:
    return NOT_CLAIMED.format(me=me)


def not_spoken(me: str = ME, ids: str = IDS) -> str:
    spoken = (NOT_SPOKEN.format(whose=whose, plan=PLAN, me=me, ids=ids) for whose in ("user_id", "on_behalf_of"))
    return "\n           AND ".join(spoken)


# For the digest, people one after the other, as gesta_system: active members who may decide, with the roles that they have.
PEOPLE = """
SELECT m.user_id, array_agg(o.key) AS roles
  FROM projections.tenant_users m
  JOIN projections.tenant_user_roles h ON h.tenant_id = m.tenant_id AND h.user_id = m.user_id
  JOIN projections.roles o ON o.tenant_id = m.tenant_id AND o.id = h.role_id
 WHERE m.tenant_id = %(tenant_id)s AND m.status = 'active' AND (%(person)s::uuid IS NULL OR m.user_id = %(person)s)
   AND (%(after)s::uuid IS NULL OR m.user_id > %(after)s)
 GROUP BY m.user_id
HAVING bool_or(EXISTS (SELECT FROM projections.role_permissions g JOIN projections.permissions p ON p.id = g.permission_id
                        WHERE g.tenant_id = %(tenant_id)s AND g.role_id = o.id AND p.key = 'approvals:decide'))
 ORDER BY m.user_id
 LIMIT %(limit)s
"""

WAITING = """
  FROM projections.approval_assignees mine
  JOIN projections.approval_requests r ON r.tenant_id = mine.tenant_id AND r.id = mine.request_id
 WHERE mine.tenant_id = %(tenant_id)s AND mine.status = 'pending' AND NOT mine.members_fixed
   AND (mine.kind = 'anyone' OR mine.kind = 'user' AND mine.value = who.user_id::text
        OR mine.kind = 'role' AND mine.value = ANY (who.roles))
   AND NOT who.user_id::text = ANY (mine.excluded)
   AND {not_claimed}
   AND {not_spoken}
"""
WHO_HAVE_SOME = """
SELECT who.user_id, EXISTS (SELECT {waiting}) AS waits
  FROM ({people}) who
 ORDER BY who.user_id
"""
OF_ONE = """
SELECT waiting.*
  FROM ({people}) who
 CROSS JOIN LATERAL (
       SELECT DISTINCT ON (mine.due_by, mine.request_id)
              r.id, r.title, r.workflow_key, nullif(mine.due_by, '{never}') AS due_at, mine.due_by < clock_timestamp() AS overdue
       {waiting}
        ORDER BY mine.due_by, mine.request_id
        LIMIT %(most)s) waiting
 ORDER BY waiting.due_at NULLS LAST, waiting.id
"""


def _statement(template: str) -> bytes:
    one = not_spoken("who.user_id", "ARRAY[who.user_id]")
    waiting = WAITING.format(not_claimed=not_claimed("who.user_id"), not_spoken=one)
    return template.format(people=PEOPLE, waiting=waiting, never=NEVER.isoformat()).encode()


async def people_with_some(conn: AsyncConnection[Any], given: Row) -> list[Row]:
    """{user_id, waits} of a page of people. `given`: tenant_id, person (None: everybody), after, limit."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_statement(WHO_HAVE_SOME), given)
        return await cursor.fetchall()


async def waiting_for(conn: AsyncConnection[Any], given: Row) -> list[Row]:
    """{id, title, workflow_key, due_at, overdue}, what is due soonest first. `given`: tenant_id, person, most."""
    async with conn.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_statement(OF_ONE), {**given, "after": None, "limit": 1})
        return await cursor.fetchall()
