"""runtime.job_queue beside runtime.jobs: who looks for work looks at the queue, and triggers keep it. What it does not know of is
never done, and what it knows wrongly is done too early, too late or twice."""

from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from runtime import limits

# The queue is emptied and written again now and then, and who has an older snapshot sees it empty. So it is locked against that
# first, and only then looked at, both tables in one statement.
LOCK = "LOCK TABLE runtime.job_queue IN ACCESS SHARE MODE"
DIFFERENT = """
SELECT coalesce(j.id, q.id), j.id IS NOT NULL, q.id IS NOT NULL
  FROM (SELECT id, type, state, priority, run_at,
               CASE WHEN state = 'leased' THEN greatest(lease_until, retry_at) END AS expires_at
          FROM runtime.jobs WHERE tenant_id = %(tenant)s AND state IN ('waiting', 'ready', 'leased')) j
  FULL JOIN (SELECT id, type, state, priority, run_at, expires_at FROM runtime.job_queue WHERE tenant_id = %(tenant)s) q
            ON q.id = j.id
 WHERE (j.id, j.type, j.state, j.priority, j.run_at, j.expires_at)
       IS DISTINCT FROM (q.id, q.type, q.state, q.priority, q.run_at, q.expires_at)
 ORDER BY 1 LIMIT %(most)s
"""


class QueueFault(NamedTuple):
    job_id: UUID
    is_job: bool
    """Whether there is such a job that waits, is ready or is leased."""
    is_queued: bool

    def __str__(self) -> str:
        if not self.is_queued:
            return f"The job {self.job_id} is not in the queue: nobody will find it."
        if not self.is_job:
            return f"The queue has the job {self.job_id}, which there is not, or which is dead."
        return f"The queue says otherwise of the job {self.job_id} than the job itself."


async def faults_in_queue(conn: AsyncConnection[Any], tenant_id: UUID, most: int) -> list[QueueFault]:
    """`conn` is in autocommit, as gesta_system."""
    async with conn.transaction():
        await conn.execute(limits.NONE)
        await conn.execute(LOCK)
        cursor = await conn.execute(DIFFERENT, {"tenant": tenant_id, "most": most})
        return [QueueFault(*row) for row in await cursor.fetchall()]
