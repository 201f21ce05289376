"""runtime.secrets: the sealed values of tenants' secrets, beside the ledger.

A value is written before the event that names it, so that no event names one that is not there. A process that dies in between
leaves a row that nothing names; it is found by its `sweep_after`, as is the value of before that a rotation did not delete.
Connections are gesta_system's, in autocommit.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from psycopg import AsyncConnection

from runtime.master_keys import MasterKeys, Sealed

Connection: TypeAlias = AsyncConnection[Any]

SWEPT_AFTER = timedelta(days=1)
"""Far longer than a command can be under way: what it is about to name must not be swept."""

INSERT = """
INSERT INTO runtime.secrets (tenant_id, id, secret_id, master_key, nonce, ciphertext, sweep_after)
VALUES (%s, %s, %s, %s, %s, %s, clock_timestamp() + %s)
"""

# What a rotation or a deletion leaves behind is found, whatever becomes of the process.
DOUBT = """
UPDATE runtime.secrets SET sweep_after = clock_timestamp() + %s WHERE tenant_id = %s AND secret_id = %s AND sweep_after IS NULL
"""

SELECT = "SELECT master_key, nonce, ciphertext FROM runtime.secrets WHERE tenant_id = %s AND id = %s AND secret_id = %s"

DELETE = "DELETE FROM runtime.secrets WHERE tenant_id = %s AND id = %s"

KEEP = "UPDATE runtime.secrets SET sweep_after = NULL WHERE tenant_id = %s AND id = %s"

SELECT_DOUBTFUL = """
SELECT tenant_id, id, secret_id FROM runtime.secrets
 WHERE sweep_after < clock_timestamp()
 ORDER BY sweep_after LIMIT %s
"""

SELECT_OF_OTHER_KEYS = """
SELECT tenant_id, id, secret_id, master_key, nonce, ciphertext FROM runtime.secrets
 WHERE master_key <> %s AND (tenant_id, id) > (%s, %s)
 ORDER BY tenant_id, id LIMIT %s
"""

COUNT_BY_KEY = "SELECT master_key, count(*) FROM runtime.secrets GROUP BY master_key"

COUNT_WITHOUT_VALUE = """
SELECT count(*) FROM projections.secrets p
 WHERE NOT EXISTS (SELECT FROM runtime.secrets s WHERE s.tenant_id = p.tenant_id AND s.secret_id = p.id)
"""

RESEAL = """
UPDATE runtime.secrets SET master_key = %s, nonce = %s, ciphertext = %s
 WHERE tenant_id = %s AND id = %s AND master_key = %s AND nonce = %s
"""


class Value(NamedTuple):
    """Which value of which secret."""

    tenant_id: UUID
    id: UUID
    secret_id: UUID

    @property
    def bound_to(self) -> bytes:
        """What is sealed with it: in the place of another row it opens nothing."""
        return b"gesta secret 1" + self.tenant_id.bytes + self.secret_id.bytes + self.id.bytes


async def write(connection: Connection, keys: MasterKeys, value: Value, text: str) -> None:
    """Seal and write a value that an event is about to name; those of before are looked at again."""
    sealed = keys.seal(text, value.bound_to)
    async with connection.transaction():
        await connection.execute(DOUBT, (SWEPT_AFTER, value.tenant_id, value.secret_id))
        await connection.execute(INSERT, (*value, sealed.master_key, sealed.nonce, sealed.ciphertext, SWEPT_AFTER))


async def doubt(connection: Connection, tenant_id: UUID, secret_id: UUID) -> None:
    """An event is about to say that the secret has no value any more."""
    await connection.execute(DOUBT, (SWEPT_AFTER, tenant_id, secret_id))


async def read(connection: Connection, value: Value) -> Sealed | None:
    cursor = await connection.execute(SELECT, (value.tenant_id, value.id, value.secret_id))
    row = await cursor.fetchone()
    return None if row is None else Sealed(*row)


async def delete(connection: Connection, tenant_id: UUID, value_id: UUID) -> None:
    """A value that no event names, or will name."""
    await connection.execute(DELETE, (tenant_id, value_id))


async def keep(connection: Connection, tenant_id: UUID, value_id: UUID) -> None:
    """A value that its secret has: it need not be looked at again."""
    await connection.execute(KEEP, (tenant_id, value_id))


async def doubtful(connection: Connection, most: int) -> list[Value]:
    """Values that are to be looked at."""
    cursor = await connection.execute(SELECT_DOUBTFUL, (most,))
    return [Value(*row) for row in await cursor.fetchall()]


async def under_other_keys(connection: Connection, key: str, after: Value | None, most: int) -> Sequence[tuple[Value, Sealed]]:
    """A page of the values that another master key than this one opens, in the order of their keys."""
    since = (UUID(int=0), UUID(int=0)) if after is None else (after.tenant_id, after.id)
    cursor = await connection.execute(SELECT_OF_OTHER_KEYS, (key, *since, most))
    return [(Value(*row[:3]), Sealed(*row[3:])) for row in await cursor.fetchall()]


async def reseal(connection: Connection, keys: MasterKeys, value: Value, sealed: Sealed) -> bool:
    """Seal a value anew under the first key. False: it is gone or was sealed anew meanwhile. Raises CannotOpen."""
    anew = keys.seal(keys.open(sealed, value.bound_to), value.bound_to)
    cursor = await connection.execute(
        RESEAL, (anew.master_key, anew.nonce, anew.ciphertext, value.tenant_id, value.id, sealed.master_key, sealed.nonce)
    )
    return cursor.rowcount == 1


async def count_by_key(connection: Connection) -> dict[str, int]:
    """How many values each master key opens, by its id."""
    return dict(await (await connection.execute(COUNT_BY_KEY)).fetchall())


async def count_without_value(connection: Connection) -> int:
    """Secrets of which no value is kept: what was restored is not all there was."""
    row = await (await connection.execute(COUNT_WITHOUT_VALUE)).fetchone()
    return 0 if row is None else int(row[0])
