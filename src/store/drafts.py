"""runtime.approval_drafts: answers that people have begun and not given yet. A draft is its person's alone.

It is no event: it changes nothing, and is scratch that is overwritten with every key stroke. So it stands beside the ledger, no
projection is made of it, and a rebuild does not need it. It goes when its person decides. Where that was by another way than the
one that drops it, it is shown no longer, and goes when the person saves another one.
Connections are gesta_system's.
"""

from datetime import datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.types.json import Jsonb

from domain.facts import Json

Connection: TypeAlias = AsyncConnection[Any]

MOST_DRAFTS = 200
"""Of one person: those that they saved last are kept."""


class Place(NamedTuple):
    """Whose draft, and of what. `step`: its name; nothing where the request does not ask in steps."""

    tenant_id: UUID
    user_id: UUID
    request_id: UUID
    step: str


class Draft(NamedTuple):
    draft: Json
    saved_at: datetime


SAVE = """
INSERT INTO runtime.approval_drafts (tenant_id, user_id, request_id, step, draft)
VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (tenant_id, user_id, request_id, step) DO UPDATE SET draft = excluded.draft, saved_at = clock_timestamp()
RETURNING saved_at
"""

# Whether its person may still give the answer: the request is open, and neither they nor somebody in their place has decided in
# its step.
WANTED = """(EXISTS (
       SELECT FROM projections.approval_requests r
        WHERE r.tenant_id = d.tenant_id AND r.id = d.request_id AND r.status IN ('pending', 'with_requester'))
   AND NOT EXISTS (
       SELECT FROM projections.approval_decisions a
        WHERE a.tenant_id = d.tenant_id AND a.request_id = d.request_id AND d.user_id IN (a.user_id, a.on_behalf_of)
          AND a.revoked_at IS NULL AND a.returned_at IS NULL
          AND (d.step = '' OR EXISTS (
              SELECT FROM projections.approval_steps s
               WHERE s.tenant_id = a.tenant_id AND s.request_id = a.request_id AND s.step = a.step AND s.name = d.step))))"""
# What is left over: of requests that are closed or decided by the person, and all beyond the newest.
CLEAR = """
DELETE FROM runtime.approval_drafts d
 WHERE d.tenant_id = %(tenant_id)s AND d.user_id = %(user_id)s
   AND (NOT {wanted}
        OR d.saved_at < (SELECT n.saved_at FROM runtime.approval_drafts n
                          WHERE n.tenant_id = %(tenant_id)s AND n.user_id = %(user_id)s
                          ORDER BY n.saved_at DESC OFFSET %(most)s LIMIT 1))
""".replace("{wanted}", WANTED)

SELECT = """
SELECT d.draft, d.saved_at FROM runtime.approval_drafts d
 WHERE d.tenant_id = %s AND d.user_id = %s AND d.request_id = %s AND d.step = %s AND {wanted}
""".replace("{wanted}", WANTED)

DROP = "DELETE FROM runtime.approval_drafts WHERE tenant_id = %s AND user_id = %s AND request_id = %s AND step = ANY (%s)"


async def save(connection: Connection, place: Place, draft: Json) -> datetime:
    """In the place of the one that there was."""
    async with connection.transaction():
        await connection.execute(CLEAR, {"tenant_id": place.tenant_id, "user_id": place.user_id, "most": MOST_DRAFTS - 2})
        row = await (await connection.execute(SAVE, (*place, Jsonb(draft)))).fetchone()
    assert row is not None
    saved_at: datetime = row[0]
    return saved_at


async def read(connection: Connection, place: Place) -> Draft | None:
    """None: there is none, or it can be given no longer."""
    row = await (await connection.execute(SELECT, place)).fetchone()
    return None if row is None else Draft(*row)


async def drop(connection: Connection, tenant_id: UUID, user_id: UUID, request_id: UUID, *steps: str) -> None:
    await connection.execute(DROP, (tenant_id, user_id, request_id, list(steps)))
