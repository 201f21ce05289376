"""The way of every command: decide on the state at hand, append, answer. One handler per process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from pydantic_core import from_json

from domain.aggregates import AGGREGATES
from domain.effort import Effort
from domain.facts import Aggregate, Holders, Refusal
from runtime.aside import Aside
from runtime.clock import Clock, SystemClock
from runtime.ids import new_id as new_uuid7
from store.append import AppendOutcome
from store.cache import StreamEntry, StreamState
from store.codec import JSON, Codec
from store.command import Command, CommandResult
from store.deciding import Decide, DecisionRun, Runs
from store.desk import Desk, NeedAnswer
from store.errors import (
    AppendFailed,
    ClaimTaken,
    CommandInFlight,
    Contended,
    KeyReused,
    LeaseLost,
    LedgerUnavailable,
    OccurredInFuture,
    UnknownLedger,
)
from store.loader import KnownCommand, Loader
from store.notifications.channels import EVENTS
from store.notifications.sending import Notifier, notify_access, notify_work
from store.pending_append import PendingAppend
from store.queue import BatchLimits
from store.refusal_log import RefusalLog
from store.snapshots import Snapshots
from store.states import NOTHING_READ, States
from store.view import NeedHolders, NeedOwner, NeedStream
from store.writer import Writer

S = TypeVar("S")
T = TypeVar("T")
HEAVY = "engine.heavy"
"""Whose `answer` does in a process of its own what is too heavy for this one."""

__all__ = ["Decide", "Handler", "Tuning", "open_handler"]


@dataclass(frozen=True)
class Tuning:
    """`cached_`: about the bytes of memory that states, and holders of names, may take in this process. What commands under way
    need comes on top. `attempts`: how often a command is decided before it is given up as contended. `refusals`: recorded a
    second and caller.
    """

    cached_states: int = 256 << 20
    cached_owners: int = 16 << 20
    attempts: int = 32
    refusals_rate: float = 10.0
    refusals_burst: int = 100


class Written(NamedTuple):
    """A stream that a command writes: its entry in the cache, the tip that it leaves, and the generation it was decided in."""

    cached: StreamEntry
    tip: StreamState
    generation: int


class Handler:
    """Decides and appends. Made and used in one event loop; see `open_handler`."""

    def __init__(
        self,
        writer: Writer,
        loader: Loader,
        notifier: Notifier | None = None,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], UUID] = new_uuid7,
        codec: Codec = JSON,
        aggregates: tuple[Aggregate[Any], ...] = AGGREGATES,
        tuning: Tuning | None = None,
        aside: Aside | None = None,
        snapshots: Snapshots | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self._aside = aside or Aside(HEAVY)
        self._writer = writer
        self._loader = loader
        self._notifier = notifier
        self._clock = clock or SystemClock()
        self._new_id = new_id
        kinds = {event: aggregate for aggregate in aggregates for event in aggregate.events}
        self.codec = codec
        """How events are stored, and what is sealed beside them."""
        self._runs = Runs(self._clock, new_id, codec, kinds)
        self._states = States(
            loader, kinds, stream_bytes=tuning.cached_states, owner_bytes=tuning.cached_owners, snapshots=snapshots
        )
        self._attempts = tuning.attempts
        self._in_flight: set[tuple[UUID, UUID]] = set()
        self._refusal_log = RefusalLog(
            writer,
            self._clock,
            new_id,
            codec,
            rate=tuning.refusals_rate,
            burst=tuning.refusals_burst,
            appended=self._hint,
        )

    async def handle(self, command: Command, decide: Decide) -> CommandResult:
        """Decide until the ledger accepts it.

        Raises what the decision refuses (recorded in the ledger, where the rules or permissions refused), ClaimTaken,
        VersionMismatch, LeaseLost, KeyReused, CommandInFlight, Contended, UnknownLedger, OccurredInFuture, OccurredBeforeLast;
        Unencodable for facts that cannot be stored; LedgerBusy, LedgerUnavailable, AppendFailed.
        """
        if command.occurred_at is not None and command.occurred_at > self._clock.now():
            raise OccurredInFuture(path="Gesta-Occurred-At")
        if command.request_hash is None:
            return await self._handle(command, command.command_id or self._new_id(), decide)
        if command.command_id is None:
            raise ValueError("a request_hash comes with a command_id derived from the Idempotency-Key")
        key = (command.tenant_id, command.command_id)
        if key in self._in_flight:
            raise CommandInFlight(path="Idempotency-Key")
        self._in_flight.add(key)
        try:
            return await self._handle(command, command.command_id, decide)
        finally:
            self._in_flight.discard(key)

    async def read(self, tenant_id: UUID, aggregate: Aggregate[S], stream_id: UUID) -> tuple[S, int]:
        """A stream's committed state and version, as of now."""
        tip = await self._states.read(tenant_id, stream_id, aggregate)
        return cast("S", tip.state_of(aggregate)), tip.version

    async def recall(self, tenant_id: UUID, aggregate: Aggregate[S], stream_id: UUID) -> S:
        """A stream's state as this process last knew it: for what never changes once it is there. Read where it was not there."""
        tip = (await self._states.load(tenant_id, stream_id, aggregate)).tip
        if tip is None or tip.version == 0:
            tip = await self._states.read(tenant_id, stream_id, aggregate)
        return cast("S", tip.state_of(aggregate))

    def at_hand(self, tenant_id: UUID, aggregate: Aggregate[S], stream_id: UUID) -> S | None:
        """A stream's state as this process last knew it to be committed, if it does. Asks nobody."""
        cached = self._states.entries.find(tenant_id, stream_id)
        return None if cached is None or cached.base is None else cast("S", cached.base.state_of(aggregate))

    async def lookup(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """The stream that holds a name, as of now."""
        return await self._loader.owner(tenant_id, scope, name)

    async def compute(self, tenant_id: UUID, what: Callable[[Effort], T]) -> T:
        """What a function comes to that may have heavy work to do, and decides nothing."""
        return await Desk(self._aside, tenant_id, self._new_id).compute(what)

    # Deciding and appending

    async def _handle(self, command: Command, command_id: UUID, decide: Decide) -> CommandResult:
        """A key is not looked up before the command is decided: nearly all are new, and the ledger knows the others when they
        are appended. Only what comes to no append is looked up, before it is refused: its first time may have been accepted."""
        try:
            return await self._append(command, command_id, decide)
        except (KeyReused, LedgerUnavailable):
            raise
        except Exception as error:
            if command.request_hash is not None:
                known = await self._known(command.tenant_id, command_id)
                if known.known:
                    return _earlier(command, known)
            if isinstance(error, Refusal):
                await self._refusal_log.record(command, error)
            raise

    async def _append(self, command: Command, command_id: UUID, decide: Decide) -> CommandResult:
        decide = Desk(self._aside, command.tenant_id, self._new_id).over(decide)
        for _ in range(self._attempts):
            decision = await self._decide(command, command_id, decide)
            final = False
            if not decision.appends:
                # Reached from what may be outdated, never come true, or not belong together: final only if what is committed
                # says the same. That goes for every error; what is a fault in us, on real states, is raised by those again.
                decision, final = await self._decide_on_committed(command, command_id, decide, decision), True
                if decision.error is not None:
                    try:
                        raise decision.error
                    finally:
                        del decision  # or its error, the error's frames and this one would keep each other
                if decision.appends:
                    continue
                if command.request_hash is None:
                    known = await self._known(command.tenant_id, command_id)
                    return CommandResult(None, known.epoch, decision.decided.result)
            pending = self._submit(command, decision, chained=not final)
            outcome = await pending.settled()
            if outcome.verdict != "conflict" and not await self._is_held_by_another(
                command.tenant_id, decision, _claimed(outcome)
            ):
                return await self._done(command, decision, pending, outcome)
        raise Contended

    async def _is_held_by_another(self, tenant_id: UUID, decision: DecisionRun, claimed: tuple[str, str]) -> bool:
        """Whether the name that could not be claimed has another holder than the decision was told: it may decide otherwise."""
        if claimed not in decision.view.names:
            return False
        return await self._states.look_up(tenant_id, *claimed) != decision.view.names[claimed]

    async def _decide(self, command: Command, command_id: UUID, decide: Decide) -> DecisionRun:
        """On the tips of this process. Nothing is awaited after the run that succeeds: the caller appends on those very tips."""
        tenant_id, states = command.tenant_id, self._states
        loaded: dict[UUID, StreamEntry] = {}  # so that what was loaded is not dropped before the next run
        owners: dict[tuple[str, str], UUID | None] = {}
        holders: dict[frozenset[UUID], Holders] = {}

        def tip_of(stream_id: UUID) -> StreamState | None:
            cached = states.entries.find(tenant_id, stream_id)
            if cached is None and stream_id in loaded:
                cached = states.entries.keep(tenant_id, stream_id, loaded[stream_id])
            return cached.tip if cached else None

        def owner_of(scope: str, name: str) -> tuple[bool, UUID | None]:
            if (scope, name) in owners:
                return True, owners[scope, name]
            cached = states.owners.find(tenant_id, scope, name)
            return cached is not None, cached

        def committed_of(stream_id: UUID) -> bool:
            cached = states.entries.find(tenant_id, stream_id)
            return cached is not None and cached.committed

        while True:
            try:
                return self._runs.run(command, command_id, decide, tip_of, owner_of, committed_of, holders.get)
            except NeedStream as need:
                loaded[need.stream_id] = await states.load(tenant_id, need.stream_id, need.aggregate)
            except NeedOwner as need:
                owners[need.scope, need.name] = await states.look_up(tenant_id, need.scope, need.name)
            except NeedHolders as need:
                holders[need.role_ids] = await self._loader.holders(tenant_id, need.role_ids)
            except NeedAnswer as need:
                await need.fetch()

    async def _decide_on_committed(self, command: Command, command_id: UUID, decide: Decide, earlier: DecisionRun) -> DecisionRun:
        """On what the ledger holds after the predecessors that are under way; `earlier` says what to begin with.

        All of it is read as of one moment: where more turns out to be needed, everything is read again together with that, so
        that an approval is never seen beside its execution of another day.
        """
        tenant_id, states = command.tenant_id, self._states
        view = earlier.view
        wanted = {stream: tip.aggregate for stream, tip in view.touched.items() if not view.minted(stream)}
        names, read = set(view.names), NOTHING_READ
        holders: dict[frozenset[UUID], Holders] = {}
        while True:
            await states.settled(tenant_id, wanted)
            read = await states.read_together(tenant_id, wanted, names, read)
            tips, owners = read.tips, read.owners
            try:
                return self._runs.run(
                    command,
                    command_id,
                    decide,
                    tips.get,
                    lambda *name, known=owners: (name in known, known.get(name)),
                    holders_of=holders.get,
                )
            except NeedStream as need:
                wanted[need.stream_id] = need.aggregate
            except NeedOwner as need:
                names.add((need.scope, need.name))
            except NeedHolders as need:
                holders[need.role_ids] = await self._loader.holders(tenant_id, need.role_ids)
            except NeedAnswer as need:
                await need.fetch()

    def _submit(self, command: Command, decision: DecisionRun, *, chained: bool) -> PendingAppend:
        """Enqueue. `chained`: decided on this process's tips, and so dependent on the commands that they stand for."""
        tenant_id, entry = command.tenant_id, decision.entry
        assert entry is not None, "an error is not submitted"
        entries = [self._states.entries.find(tenant_id, stream_id) for stream_id in decision.view.touched]
        dependencies = {cached.pending[-1] for cached in entries if cached and cached.pending} if chained else ()
        written = [
            Written(cached := self._states.entries.entry(tenant_id, stream_id), tip, cached.generation)
            for stream_id, tip in decision.left.items()
        ]
        pending = self._writer.submit(
            tenant_id, entry, tuple(dependencies), lambda pending: self._settled(command, decision, written, pending)
        )
        for one in written:
            one.cached.chain(pending, one.tip)
        return pending

    def _settled(self, command: Command, decision: DecisionRun, written: list[Written], pending: PendingAppend) -> None:
        """The writer has an answer, whether or not the caller still waits for it: the cache follows the ledger."""
        tenant_id, outcome = command.tenant_id, cast("AppendOutcome", pending.outcome)
        appended = outcome.verdict == "appended"
        for one in written:
            one.cached.settle(pending, one.tip, one.generation, appended=appended)
        if appended:
            for stream_id, one in zip(decision.left, written, strict=True):
                self._states.note(tenant_id, stream_id, one.cached)
            decided = decision.decided
            for claim in decided.releases:
                self._states.owners.forget(tenant_id, claim.scope, claim.name)
            for claim in decided.claims:
                self._states.owners.put(tenant_id, claim.scope, claim.name, claim.owner)
            if decided.facts:
                self._hint(tenant_id)
            if self._notifier is not None:
                notify_work(self._notifier, tenant_id, decided)
                notify_access(self._notifier, tenant_id, decided)
            return
        for scope, name in decision.view.names:
            self._states.owners.forget(tenant_id, scope, name)
        if outcome.reason == "version":  # which stream it was is not said: none that was read is to be trusted
            for stream_id, tip in decision.view.touched.items():
                cached = self._states.entries.find(tenant_id, stream_id)
                if cached and cached.tip is tip:
                    cached.discard()

    async def _done(
        self, command: Command, decision: DecisionRun, pending: PendingAppend, outcome: AppendOutcome
    ) -> CommandResult:
        match outcome.verdict, outcome.reason or "":
            case "appended", _:
                return CommandResult(outcome.position, outcome.epoch, decision.decided.result)
            case "done", _:
                ours = command.command_id is None  # nobody else has this id: done is our own commit, its answer lost
                result = decision.decided.result if ours else _from_bytes(outcome.result)
                # Sent again, and what was stored is what was to be stored: the first time was this one.
                just_now = pending.resent and outcome.result == pending.entry.result
                return CommandResult(outcome.position, outcome.epoch, result, replayed=not just_now)
            case "refused", "key_reused":
                raise KeyReused(path="Idempotency-Key")
            case "refused", "unknown_ledger":
                raise UnknownLedger
            case "refused", "fence":
                raise LeaseLost
            case "refused", _:
                scope, name = _claimed(outcome)
                paths = [claim.path for claim in decision.decided.claims if (claim.scope, claim.name) == (scope, name)]
                raise ClaimTaken(path=paths[0] if paths else None, scope=scope, name=name)
            case _:
                raise outcome.error or AppendFailed(outcome.verdict)

    async def _known(self, tenant_id: UUID, command_id: UUID) -> KnownCommand:
        known = await self._loader.command(tenant_id, command_id)
        if known is None:
            raise UnknownLedger
        return known

    def _hint(self, tenant_id: UUID) -> None:
        if self._notifier is not None:
            self._notifier.notify(EVENTS, str(tenant_id))


@asynccontextmanager
async def open_handler(
    url: str,
    *,
    clock: Clock | None = None,
    new_id: Callable[[], UUID] = new_uuid7,
    codec: Codec = JSON,
    limits: BatchLimits | None = None,
    tuning: Tuning | None = None,
    heard: Callable[[str, str], None] | None = None,
) -> AsyncIterator[Handler]:
    """A handler with connections of its own (`url`: a login as gesta_system). At the end what was submitted is settled.

    `heard`: what this process says to others, told to itself (`Notifications.hear`).
    """
    writer, notifier, aside, snapshots = Writer(url, limits), Notifier(url, heard), Aside(HEAVY), Snapshots(url, codec)
    loader = Loader(url, codec, state_versions=snapshots.state_versions)
    try:
        yield Handler(
            writer,
            loader,
            notifier,
            clock=clock,
            new_id=new_id,
            codec=codec,
            tuning=tuning,
            aside=aside,
            snapshots=snapshots,
        )
    finally:
        await aside.aclose()
        await writer.aclose()
        await snapshots.aclose()
        await loader.aclose()
        await notifier.aclose()


def _earlier(command: Command, known: KnownCommand) -> CommandResult:
    """What a repetition is answered."""
    if known.request_hash != command.request_hash:
        raise KeyReused(path="Idempotency-Key")
    return CommandResult(known.position, known.epoch, _from_bytes(known.result), replayed=True)


def _claimed(outcome: AppendOutcome) -> tuple[str, str]:
    """The name that the ledger refused, by scope: where the decision had asked whose it is, it is to decide again."""
    return (outcome.reason or "").removeprefix("claim:"), outcome.name or ""


def _from_bytes(result: bytes | None) -> Any:
    return None if result is None else from_json(result)
