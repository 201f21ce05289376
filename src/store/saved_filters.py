"""runtime.saved_filters: filters of the inbox that users have saved, each their own.

    runtime.saved_filters (tenant_id, user_id, items, updated_at, PRIMARY KEY (tenant_id, user_id))

They are preferences of one person: nothing follows from them, nobody else sees them, and what is searched for may be somebody's
name, which the ledger would never forget. So they are a row, and no events. Connections are gesta_system's, in autocommit.
"""

from collections.abc import Sequence
from uuid import UUID

from psycopg.types.json import Jsonb

from domain.facts import Json
from store.jobs import Connection

SELECT = "SELECT items FROM runtime.saved_filters WHERE tenant_id = %s AND user_id = %s"

WRITE = """
INSERT INTO runtime.saved_filters (tenant_id, user_id, items) VALUES (%s, %s, %s)
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET items = excluded.items, updated_at = clock_timestamp()
"""

DELETE = "DELETE FROM runtime.saved_filters WHERE tenant_id = %s AND user_id = %s"


async def read(connection: Connection, tenant_id: UUID, user_id: UUID) -> Json:
    cursor = await connection.execute(SELECT, (tenant_id, user_id))
    row = await cursor.fetchone()
    return [] if row is None else row[0]


async def write(connection: Connection, tenant_id: UUID, user_id: UUID, items: Sequence[Json]) -> None:
    """All that there are, in the place of what there was."""
    if items:
        await connection.execute(WRITE, (tenant_id, user_id, Jsonb(items)))
    else:
        await connection.execute(DELETE, (tenant_id, user_id))
