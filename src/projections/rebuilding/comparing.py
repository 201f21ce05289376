"""Whether tables that were built equal a fresh fold of the ledger, and where they differ from those that serve.

One tenant after the other, in a snapshot in which both stand at one position: to get it, that tenant's checkpoint is held for the
moment that it takes to fold what came last. The comparing itself holds up nobody.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, sql
from psycopg.rows import dict_row

from domain.envelope import PLATFORM
from projections import freshness
from projections.generation import SERVING_SCHEMA, Generation
from projections.rebuilding.filling import NONE, Filler, Unskipped
from projections.replay import compare, snapshot
from projections.table import Table

HOLD = "SELECT position FROM projections.freshness WHERE tenant_id = %(tenant)s FOR UPDATE"
COLUMNS = """
SELECT a.attname FROM pg_attribute a
 WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
"""
DIFFERENCES = sql.SQL("""
SELECT count(*) FILTER (WHERE built.{key} IS NULL) AS "rows lost",
       count(*) FILTER (WHERE serving.{key} IS NULL) AS "rows added"{changed}
  FROM (SELECT * FROM {serving} {where}) serving FULL JOIN (SELECT * FROM {built} {where}) built USING ({keys})
""")
CHANGED = sql.SQL("""
     , count(*) FILTER (WHERE serving.{key} IS NOT NULL AND built.{key} IS NOT NULL
                          AND serving.{column} IS DISTINCT FROM built.{column}) AS {name}""")
OF_TENANT = sql.SQL("WHERE tenant_id = %(tenant)s")


@dataclass
class Findings:
    """What comparing has found. `wrong`: where the tables are not what the ledger comes to, in words.

    `changes`: where they differ from those that serve, and in how many rows: by `table.column`, or `table.rows lost` and
    `table.rows added`. `meant`: the same of ledgers of which a skip ends, where they are to differ.
    """

    wrong: list[str] = field(default_factory=list)
    changes: Counter[str] = field(default_factory=Counter)
    meant: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Findings") -> None:
        self.wrong += other.wrong
        self.changes += other.changes
        self.meant += other.meant

    def not_accepted(self, accepted: Collection[str]) -> list[str]:
        """Changes that nobody said were meant: `table.column`, or `table` for all of its own."""
        return [name for name in self.changes if name not in accepted and name.partition(".")[0] not in accepted]


class Comparer:
    """`hold`, `seen`: two connections as gesta_system, in autocommit, beside the filler's. `tables`: those that are to serve."""

    def __init__(
        self,
        hold: AsyncConnection[Any],
        seen: AsyncConnection[Any],
        filler: Filler,
        generation: Generation,
        tables: Collection[Table],
        unskipped: Unskipped = NONE,
    ) -> None:
        self._hold = hold
        self._seen = seen
        self._filler = filler
        self._generation = generation
        self._tables = tables
        self._unskipped = unskipped
        self.found = Findings()

    async def columns(self) -> None:
        """Columns that those that serve have and the others have not are changes as well."""
        for table in self._tables:
            serving, built = [await self._columns(schema, table) for schema in (SERVING_SCHEMA, self._generation.schema)]
            self.found.changes.update({f"{table.name}.{name}": 1 for name in serving if name not in built})

    async def compare(self, tenant_id: UUID) -> None:
        """A tenant's rows, or the platform's."""
        await self._filler.fill([tenant_id])
        async with snapshot(self._seen):
            async with self._hold.transaction():
                await self._hold.execute(HOLD, {"tenant": tenant_id})
                await self._filler.fill([tenant_id])
                position = await freshness.position(self._seen, tenant_id)  # the snapshot is of this moment
            unskipped = self._unskipped.get(tenant_id, ())
            folded = await compare(self._seen, tenant_id, position, generation=self._generation, unskipped=unskipped)
            self.found.wrong += [str(difference) for difference in folded.differences]
            if folded.unfoldable is not None:
                self.found.wrong.append(folded.unfoldable)
            for table in self._tables:
                if "tenant_id" in table.columns or tenant_id == PLATFORM:
                    await self._compare_with_serving(table, tenant_id)

    async def _compare_with_serving(self, table: Table, tenant_id: UUID) -> None:
        serving, built = [await self._columns(schema, table) for schema in (SERVING_SCHEMA, self._generation.schema)]
        if not serving:
            return  # a new table
        key = sql.Identifier(table.key[-1])
        changed = [
            CHANGED.format(key=key, column=sql.Identifier(name), name=sql.Identifier(name))
            for name in built
            if name in serving and name not in table.key
        ]
        statement = DIFFERENCES.format(
            key=key,
            changed=sql.SQL("").join(changed),
            serving=sql.Identifier(SERVING_SCHEMA, table.name),
            built=sql.Identifier(self._generation.schema, table.name),
            where=OF_TENANT if "tenant_id" in table.columns else sql.SQL(""),
            keys=sql.SQL(", ").join(map(sql.Identifier, table.key)),
        )
        async with self._seen.cursor(row_factory=dict_row) as cursor:
            row = await (await cursor.execute(statement, {"tenant": tenant_id})).fetchone() or {}
        found = self.found.meant if tenant_id in self._unskipped else self.found.changes
        for name, count in row.items():
            if count:
                found[f"{table.name}.{name}"] += count

    async def _columns(self, schema: str, table: Table) -> list[str]:
        cursor = await self._seen.execute(COLUMNS, {"table": f"{schema}.{table.name}"})
        return [row[0] for row in await cursor.fetchall()]
