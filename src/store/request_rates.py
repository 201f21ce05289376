"""How often requests from outside may start something: counted by the database, exactly, whichever process a request comes to."""

from datetime import timedelta
from uuid import UUID

from psycopg.rows import tuple_row

from store.jobs import Connection

SECONDS = "SELECT runtime.seconds_to_request(%s::uuid, %s::uuid, %s::int, %s::float8)"


async def seconds_to_request(
    conn: Connection, tenant_id: UUID, trigger_id: UUID, own: tuple[int, timedelta] | None = None
) -> float | None:
    """None: it may be now, and is counted; otherwise after so many seconds. `own`: the rate that the trigger names itself."""
    count, span = own or (None, None)
    given = (tenant_id, trigger_id, count, None if span is None else span.total_seconds())
    async with conn.cursor(row_factory=tuple_row) as cursor:
        row = await (await cursor.execute(SECONDS, given, prepare=True)).fetchone()
    assert row is not None
    return None if row[0] is None else float(row[0])
