"""One tenant's rows, folded anew beside, put in the place of those that serve: deleted and inserted in one transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql

from projections.generation import SERVING_SCHEMA, Generation
from projections.rebuilding.comparing import HOLD
from projections.rebuilding.filling import Filler
from projections.table import Table
from runtime import limits

DELETE = sql.SQL("DELETE FROM {serving} WHERE tenant_id = %(tenant)s")
INSERT = sql.SQL("INSERT INTO {serving} ({columns}) SELECT {columns} FROM {built} WHERE tenant_id = %(tenant)s")


async def replace(
    conn: AsyncConnection[Any], filler: Filler, generation: Generation, tables: Sequence[Table], tenant_id: UUID
) -> None:
    """`conn`: as gesta_system, not the filler's own. The tenant's projection waits meanwhile, and nobody else's."""
    named = {"tenant": tenant_id}
    async with conn.transaction():
        await conn.execute(limits.NONE)
        await conn.execute(HOLD, named)
        await filler.fill([tenant_id])
        own = [table for table in tables if "tenant_id" in table.columns]
        for table in reversed(own):
            await conn.execute(DELETE.format(serving=sql.Identifier(SERVING_SCHEMA, table.name)), named)
        for table in own:
            statement = INSERT.format(
                serving=sql.Identifier(SERVING_SCHEMA, table.name),
                built=sql.Identifier(generation.schema, table.name),
                columns=sql.SQL(", ").join(map(sql.Identifier, table.columns)),
            )
            await conn.execute(statement, named)
