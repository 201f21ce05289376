"""A rebuild, from the first empty table to the exchange. Killed at any moment and begun again, it goes on where it stood."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import LockNotAvailable, QueryCanceled

from domain.envelope import PLATFORM
from projections import poison_events, skipped_events
from projections.generation import NEXT_SCHEMA, OLD_SCHEMA, SERVING_SCHEMA, Generation, next_generation, tables_of
from projections.rebuilding import loading, of_tenant, records, schema
from projections.rebuilding.comparing import Findings
from projections.rebuilding.dependents import dependents
from projections.rebuilding.filling import NONE, Filler, Tell, Unskipped, tell_nobody
from projections.rebuilding.ledger_work import SIZES, LedgerWork, Sizes
from projections.rebuilding.processes import comparisons, loads, shared_out, together
from projections.rebuilding.swapping import NotNow, nothing, swap
from projections.registry import GROUPS, TABLES
from projections.skipped_events import Unskipping
from projections.table import Table
from runtime import analysts
from runtime.errors import OperatorError, WrongUsage
from runtime.poolers import refuse_shared_servers
from runtime.pools import connect

ADVISORY_LOCK = 0x67736762  # "gsgb": one rebuild at a time
TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
PATIENCE_SECONDS = 60.0
"""How long the exchange waits for others to end their transactions."""
PAUSE_SECONDS = 0.5

FOLDED = "SELECT coalesce(sum(position), 0)::bigint FROM {}.freshness"
LEDGERS = "SELECT tenant_id FROM projections.freshness WHERE position > 0 ORDER BY position DESC, tenant_id"
TABLES_IN = "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r'"
IN_THE_WAY = """
SELECT DISTINCT format('%%s (process %%s, %%s)', coalesce(nullif(a.application_name, ''), 'a session'), a.pid, a.usename)
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.relation = ANY(%(tables)s::text[]::regclass[]) AND l.granted AND l.pid <> ALL(%(ours)s)
   AND coalesce(a.xact_start < clock_timestamp() - interval '1 second', true)
"""


class Stage(NamedTuple):
    """How far a part of the work is: events of `filling`, indexes, references and the like of `indexing`, ledgers of `comparing`,
    attempts at `exchanging`."""

    name: str
    done: int
    total: int


Show = Callable[[Stage], None]


def show_nobody(_stage: Stage) -> None:
    """For those who do not look."""


@dataclass(frozen=True)
class RebuildOptions:
    """What is to be built, and what may follow. `groups`: none: those that a migration asked for, or all."""

    groups: Collection[str] = ()
    accepted: Collection[str] = ()
    """Differences from the tables that serve which are meant: `table` or `table.column`."""
    leave_behind: bool = False
    """Views, indexes … of others may stay with the old tables."""
    reason: str = "asked for on the command line"
    patience_seconds: float = PATIENCE_SECONDS
    sizes: Sizes = SIZES
    processes: int = 1
    """How many load and compare ledgers, each another one."""
    unskip: Unskipping | None = None
    """Skips that end with it. All tables are built then: each may have rows of the events."""


class Refused(OperatorError):
    """The tables were built, and are not exchanged. They stay: the next rebuild goes on from there, unless they are wrong."""


@dataclass
class Rebuild:
    """One process's work on it."""

    system_url: str
    owner: AsyncConnection[Any]
    system: AsyncConnection[Any]
    hold: AsyncConnection[Any]
    seen: AsyncConnection[Any]
    options: RebuildOptions
    show: Show
    groups: list[str] = field(default_factory=list)
    accepted: Collection[str] = ()

    async def run(self) -> Findings:
        """What it changed. Raises Refused, or OperatorError where it cannot be built."""
        try:
            return await self._run()
        except OperatorError as error:
            if self.options.unskip is None or isinstance(error, Refused):
                raise
            await records.abandon(self.owner)  # nobody goes on with this
            raise OperatorError(f"{error} What was skipped stays so.") from error

    async def _run(self) -> Findings:
        self.groups = await self._groups()
        self.accepted = {*self.options.accepted, *await self._meant()}
        tables = tables_of(self.groups)
        await self._refuse_second_old(tables)
        generation = next_generation(self.groups)
        number = await self._begin(generation, self._code(), loading_first=True)
        work = self._work(generation, tables, number, await self._told())
        if await loading.is_loading(self.system, generation):
            await self._load(work)
            await loading.finish(self.owner, generation, lambda done, total: self.show(Stage("indexing", done, total)))
        await work.filler.fill()
        ledgers: list[UUID] = [row[0] for row in await (await self.system.execute(LEDGERS)).fetchall()]
        found = await self._compare(work, ledgers)
        await self._refuse(found, tables)
        await self._swap(work.filler, generation, tables, number)
        return found

    async def run_for(self, tenant_id: UUID) -> Findings:
        """One tenant's rows. What is folded of the platform beside them is thrown away."""
        self.groups = sorted(set(self.options.groups) or GROUPS.keys() - {"audit"})
        if "audit" in self.groups or tenant_id == PLATFORM:
            raise OperatorError("Audit logs and what belongs to the platform are rebuilt for all tenants: leave out --tenant.")
        await self._groups()
        self.accepted = self.options.accepted
        tables = tables_of(self.groups)
        generation = next_generation(self.groups)
        await self._begin(generation, f"{schema.digest()} {tenant_id}")
        work = self._work(generation, tables, 0)
        found = await self._compare(work, [tenant_id])
        await self._refuse(found, ())
        await of_tenant.replace(self.hold, work.filler, generation, tables, tenant_id)
        async with self.owner.transaction():
            await schema.drop(self.owner)
            await records.done(self.owner)
        return found

    async def _groups(self) -> list[str]:
        """Raises WrongUsage for what is none."""
        wanted = set(GROUPS if self.options.unskip is not None else self.options.groups)
        if unknown := wanted - GROUPS.keys():
            raise WrongUsage(f"There is no group {min(unknown)}: there are {', '.join(GROUPS)}.")
        if not wanted:
            wanted = {group for record in await records.records(self.system, "wanted") for group in record.groups}
        return sorted(wanted or GROUPS)

    def _code(self) -> str:
        """What two rebuilds have in common of which one goes on where the other stood."""
        skips = self.options.unskip
        return schema.digest() if skips is None else f"{schema.digest()} {skips.tenant_id} {sorted(skips.topics)}"

    @property
    def _unskipped(self) -> Unskipped:
        return NONE if self.options.unskip is None else self.options.unskip.positions

    async def _meant(self) -> set[str]:
        """Differences that the migrations name which ask for what is done here."""
        wanted = await records.records(self.system, "wanted")
        return {name for record in wanted if set(record.groups) <= set(self.groups) for name in record.accepted}

    async def _refuse_second_old(self, tables: Sequence[Table]) -> None:
        for table in tables:
            cursor = await self.owner.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{OLD_SCHEMA}.{table.name}"])
            if await cursor.fetchone() == (True,):
                place = f"{OLD_SCHEMA}.{table.name}"
                raise OperatorError(f"{place} served before and still exists: gesta projections drop-old drops it.")

    def _work(self, generation: Generation, tables: Sequence[Table], number: int, tell: Tell = tell_nobody) -> LedgerWork:
        sizes = self.options.sizes
        return LedgerWork(self.system, self.hold, self.seen, generation, tables, number, sizes, tell, self._unskipped)

    async def _load(self, work: LedgerWork) -> None:
        """The long ledgers one by one, the platform's first, the longest next; then the short ones together."""
        gaps = sorted(await work.filler.gaps(), key=lambda gap: (gap.tenant_id != PLATFORM, gap.after - gap.up_to))
        long = [gap for gap in gaps if gap.up_to - gap.after >= self.options.sizes.bulk_from]
        if self.options.processes > 1 and len(long) > 1:
            await shared_out(loads(long), self._told_first(work.number), self.options.processes, tell=work.tell)
        else:
            for gap in long:
                await work.load(gap)
        await work.filler.fill()

    def _told_first(self, number: int) -> dict[str, Any]:
        unskipped = {str(tenant_id): sorted(positions) for tenant_id, positions in self._unskipped.items()}
        return {
            "system": self.system_url,
            "groups": self.groups,
            "number": number,
            "sizes": self.options.sizes,
            "unskipped": unskipped,
        }

    async def _begin(self, generation: Generation, code: str, *, loading_first: bool = False) -> int:
        """Go on with what is under way, where it is the same work by the same code; else begin."""
        for record in await records.records(self.system, "building"):
            if record.code == code and record.groups == self.groups and await schema.exists(self.owner, NEXT_SCHEMA):
                return record.number
        async with self.owner.transaction():
            await schema.drop(self.owner)
            await records.abandon(self.owner)
            await schema.create(self.owner, generation)
            if loading_first:
                await loading.put_off(self.owner, generation)
            return await records.begin(self.owner, self.groups, self.options.reason, code)

    async def _told(self) -> Callable[[int], None]:
        done, total = await self._folded(NEXT_SCHEMA), await self._folded(SERVING_SCHEMA)
        self.show(Stage("filling", done, total))

        def tell(events: int) -> None:
            nonlocal done, total
            done += events
            total = max(done, total)
            self.show(Stage("filling", done, total))

        return tell

    async def _folded(self, name: str) -> int:
        row = await (await self.system.execute(FOLDED.format(name))).fetchone()
        return int(row[0]) if row else 0

    async def _compare(self, work: LedgerWork, ledgers: Sequence[UUID]) -> Findings:
        """Those whose rows are compared, the longest first where several processes do it."""
        done = 0

        def one_more() -> None:
            nonlocal done
            done += 1
            self.show(Stage("comparing", done, len(ledgers)))

        self.show(Stage("comparing", 0, len(ledgers)))
        found = await work.compare_columns()
        if self.options.processes > 1 and len(ledgers) > 1:
            told = self._told_first(work.number)
            answers = await shared_out(comparisons(ledgers), told, self.options.processes, ended=one_more)
            found.add(together(answers))
            return found
        for tenant_id in ledgers:
            found.add(await work.compare([tenant_id]))
            one_more()
        return found

    async def _refuse(self, found: Findings, tables: Sequence[Table]) -> None:
        if found.wrong:
            await records.abandon(self.owner)  # or the next one would go on with these
            raise Refused(
                f"The rebuilt tables differ from a fold of the ledger: {'; '.join(found.wrong[:5])}. "
                "The next rebuild begins anew."
            )
        if not_meant := found.not_accepted(self.accepted):
            words = ", ".join(f"{name} ({found.changes[name]})" for name in sorted(not_meant))
            raise Refused(f"The tables would differ from those that serve: {words}. Name intended differences with --accept.")
        left = [] if self.options.leave_behind else await dependents(self.owner, SERVING_SCHEMA, tables)
        if left:
            raise Refused(
                f"Objects of others would stay with the old tables: {'; '.join(left)}. Use --leave-behind to allow that."
            )

    async def _swap(self, filler: Filler, generation: Generation, tables: Sequence[Table], number: int) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.options.patience_seconds
        attempt = 0
        skips = self.options.unskip
        besides = nothing if skips is None else partial(skipped_events.end, self.owner, self.system, skips, datetime.now(UTC))
        while True:
            attempt += 1
            self.show(Stage("exchanging", attempt, attempt))
            try:
                await filler.fill()
                return await swap(self.owner, self.system, filler, generation, tables, number, self.groups, besides)
            except (NotNow, LockNotAvailable, QueryCanceled) as error:
                if loop.time() > until:
                    raise Refused(await self._who(tables)) from error
            await asyncio.sleep(PAUSE_SECONDS)

    async def _who(self, tables: Sequence[Table]) -> str:
        names = [f"{SERVING_SCHEMA}.{table.name}" for table in tables]
        ours = [conn.info.backend_pid for conn in (self.owner, self.system, self.hold, self.seen)]
        cursor = await self.system.execute(IN_THE_WAY, {"tables": names, "ours": ours})
        found = [row[0] for row in await cursor.fetchall()]
        return (
            f"The tables are in use, and were not exchanged: {', '.join(found) or 'by short transactions, one after the other'}."
        )


async def _alone(owner: AsyncConnection[Any]) -> bool:
    return await (await owner.execute(TRY_LOCK, [ADVISORY_LOCK])).fetchone() == (True,)


@asynccontextmanager
async def opened(owner_url: str, system_url: str, options: RebuildOptions, show: Show = show_nobody) -> AsyncIterator[Rebuild]:
    """Raises OperatorError where another rebuild is under way, or a pooler stands between that shares servers."""
    await asyncio.to_thread(refuse_shared_servers, owner_url, "DATABASE_URL", "a rebuild could not keep its lock")
    async with AsyncExitStack() as stack:
        owner = await stack.enter_async_context(connect(owner_url, name="gesta rebuild (owner)"))
        await owner.execute("SET ROLE gesta_owner")
        if not await _alone(owner):
            await analysts.end_holders_async(owner, ADVISORY_LOCK)
            if not await _alone(owner):
                raise OperatorError("Another rebuild is running.")
        system, hold, seen = [await stack.enter_async_context(connect(system_url, name="gesta rebuild")) for _ in range(3)]
        yield Rebuild(system_url, owner, system, hold, seen, options, show)


async def rebuild(owner_url: str, system_url: str, options: RebuildOptions, show: Show = show_nobody) -> Findings:
    """Build the tables anew and exchange them. What changed."""
    _refuse_unknown(options.accepted)
    async with opened(owner_url, system_url, options, show) as work:
        found = await work.run()
        await poison_events.make_due(work.hold, datetime.now(UTC))  # what was in the way may be so no more
        if options.unskip is not None:
            await poison_events.hint(work.hold)  # there are events that say so
    return found


async def rebuild_tenant(
    owner_url: str, system_url: str, options: RebuildOptions, tenant_id: UUID, show: Show = show_nobody
) -> Findings:
    """Build one tenant's rows anew and put them in place. What changed."""
    _refuse_unknown(options.accepted)
    async with opened(owner_url, system_url, options, show) as work:
        found = await work.run_for(tenant_id)
        await poison_events.make_due(work.hold, datetime.now(UTC), tenant_id)
    return found


def _refuse_unknown(accepted: Collection[str]) -> None:
    """Raises WrongUsage: a difference that is misspelt would be found out when all is built."""
    columns = {table.name: {*table.columns, "rows lost", "rows added"} for table in TABLES}
    for name in accepted:
        table, _, column = name.partition(".")
        if table not in columns:
            raise WrongUsage(f"--accept {name}: there is no projected table {table}.")
        if column and column not in columns[table]:
            raise WrongUsage(f"--accept {name}: the table {table} has no column {column}.")


async def drop_old(owner_url: str) -> list[str]:
    """Drop the tables that served before; their names. Raises OperatorError, naming them, where things of others need them."""
    async with connect(owner_url, name="gesta rebuild (owner)") as owner:
        await owner.execute("SET ROLE gesta_owner")
        cursor = await owner.execute(TABLES_IN, [OLD_SCHEMA])
        names = sorted(row[0] for row in await cursor.fetchall())
        if names:
            await schema.drop_unneeded(owner, OLD_SCHEMA, names)
        return names
