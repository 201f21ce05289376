"""Values of prompts' variables that are kept out of what is recorded: sealed beside the ledger, under their task.

They are written before the event that asks for the task, and go when it is over. Whoever dies in between leaves a row of
runtime.secrets that is looked at an hour later, and then from hour to hour for as long as the task is open. Connections are
gesta_system's, in autocommit.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID, uuid5

from runtime.master_keys import MasterKeys, Sealed
from store.secrets import Connection, Value

LOOKED_AFTER = timedelta(hours=1)
"""Far longer than a command can be under way: what it is about to name must not be swept."""

INSERT = """
INSERT INTO runtime.secrets (tenant_id, id, secret_id, master_key, nonce, ciphertext, task_id, look_after)
VALUES (%s, %s, %s, %s, %s, %s, %s, clock_timestamp() + %s)
"""
SELECT = "SELECT master_key, nonce, ciphertext FROM runtime.secrets WHERE tenant_id = %s AND id = %s AND task_id = %s"
DELETE = "DELETE FROM runtime.secrets WHERE tenant_id = %s AND id = %s AND task_id = %s"
SELECT_DOUBTFUL = """
SELECT tenant_id, task_id FROM runtime.secrets
 WHERE task_id IS NOT NULL AND look_after < clock_timestamp()
 ORDER BY look_after LIMIT %s
"""
KEEP = """
UPDATE runtime.secrets SET look_after = clock_timestamp() + %s WHERE tenant_id = %s AND id = %s AND task_id = %s
"""


def _value(tenant_id: UUID, task_id: UUID) -> Value:
    """All of a task's are one sealed text."""
    return Value(tenant_id, uuid5(task_id, "sensitive values"), uuid5(task_id, "sensitive"))


async def write(connection: Connection, keys: MasterKeys, tenant_id: UUID, task_id: UUID, texts: Mapping[str, str]) -> None:
    """`texts`: by variable, of a task that an event is about to ask for."""
    value = _value(tenant_id, task_id)
    sealed = keys.seal(json.dumps(dict(texts)), value.bound_to)
    row = (*value, sealed.master_key, sealed.nonce, sealed.ciphertext, task_id, LOOKED_AFTER)
    await connection.execute(INSERT, row)


async def read(connection: Connection, tenant_id: UUID, task_id: UUID) -> Sealed | None:
    cursor = await connection.execute(SELECT, (tenant_id, _value(tenant_id, task_id).id, task_id))
    row = await cursor.fetchone()
    return None if row is None else Sealed(*row)


def opened(keys: MasterKeys, sealed: Sealed, tenant_id: UUID, task_id: UUID) -> dict[str, str]:
    """By variable. Raises CannotOpen."""
    found: dict[str, str] = json.loads(keys.open(sealed, _value(tenant_id, task_id).bound_to))
    return found


async def forget(connection: Connection, tenant_id: UUID, task_id: UUID) -> None:
    """The task is over, or will never be."""
    await connection.execute(DELETE, (tenant_id, _value(tenant_id, task_id).id, task_id))


async def doubtful(connection: Connection, most: int) -> list[tuple[UUID, UUID]]:
    """Tenant and task of values that are to be looked at."""
    cursor = await connection.execute(SELECT_DOUBTFUL, (most,))
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def keep(connection: Connection, tenant_id: UUID, task_id: UUID) -> None:
    """The task is open: they are looked at again later."""
    await connection.execute(KEEP, (LOOKED_AFTER, tenant_id, _value(tenant_id, task_id).id, task_id))
