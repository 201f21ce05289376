"""What a rebuild does ledger by ledger, and can do of several at once: loading and comparing. In this process or in others."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection

from projections.batching import Span
from projections.generation import Generation
from projections.rebuilding.bulk import KEPT_BYTES, PORTION_EVENTS, BulkLoad
from projections.rebuilding.comparing import Comparer, Findings
from projections.rebuilding.filling import EVENTS, Filler, Tell, Unskipped, tell_nobody
from projections.table import Table


class Sizes(NamedTuple):
    """How much is folded and written together."""

    batch: int = EVENTS
    """Events of short ledgers."""
    bulk: int = PORTION_EVENTS
    """Events of a long one."""
    bulk_from: int = 2000
    """A ledger with so many events to fold is a long one, and is loaded by itself."""
    kept_bytes: int = KEPT_BYTES
    """Of a long ledger's events, whose rows stay in memory."""


SIZES = Sizes()


@dataclass
class LedgerWork:
    """`system`, `hold`, `seen`: connections in autocommit, as gesta_system. `number`: of the generation, 0 where there is none
    (one tenant's rows). `tables`: those that are to serve."""

    system: AsyncConnection[Any]
    hold: AsyncConnection[Any]
    seen: AsyncConnection[Any]
    generation: Generation
    tables: Collection[Table]
    number: int
    sizes: Sizes = SIZES
    tell: Tell = field(default=tell_nobody)
    unskipped: Unskipped = field(default_factory=dict)

    @property
    def filler(self) -> Filler:
        return Filler(self.system, self.generation, tell=self.tell, batch=self.sizes.batch, unskipped=self.unskipped)

    async def load(self, span: Span) -> None:
        events, kept = self.sizes.bulk, self.sizes.kept_bytes
        one = BulkLoad(
            self.seen,
            self.system,
            self.generation,
            self.number,
            tell=self.tell,
            events=events,
            kept_bytes=kept,
            unskipped=self.unskipped,
        )
        await one.load(span)

    async def compare_columns(self) -> Findings:
        """Those that there will be no more."""
        comparer = self._comparer()
        await comparer.columns()
        return comparer.found

    async def compare(self, tenant_ids: Sequence[UUID]) -> Findings:
        comparer = self._comparer()
        for tenant_id in tenant_ids:
            await comparer.compare(tenant_id)
        return comparer.found

    def _comparer(self) -> Comparer:
        return Comparer(self.hold, self.seen, self.filler, self.generation, self.tables, self.unskipped)
