"""The way of every command: decide on the state at hand, append, answer. One handler per process."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast
from uuid import UUID

from pydantic_core import from_json, to_json

from domain.aggregates import AGGREGATES
from domain.facts import Aggregate, Decided, Refusal, View
from runtime.clock import Clock, SystemClock
from runtime.ids import new_id as new_uuid7
from store.append import Entry, NewEvent, Outcome
from store.cache import Kinds, Line, Lines, Owners, Tip
from store.codec import JSON, Codec, encode_envelope
from store.command import Command, Done
from store.errors import (
    AppendFailed,
    ClaimTaken,
    CommandInFlight,
    Contended,
    KeyReused,
    OccurredBeforeLast,
    OccurredInFuture,
    UnknownLedger,
    VersionMismatch,
)
from store.evidence import Evidence
from store.hints import Hints
from store.loader import KnownCommand, Loader, Past
from store.queue import Limits
from store.ticket import Ticket
from store.topics import topic_of
from store.view import DecisionView, NeedOwner, NeedStream
from store.writer import Writer

S = TypeVar("S")
Decide: TypeAlias = Callable[[View], Decided]


@dataclass(frozen=True)
class Tuning:
    """`attempts`: how often a command is decided before it is given up as contended. `refusals`: recorded a second and tenant."""

    cached_streams: int = 50_000
    cached_owners: int = 50_000
    attempts: int = 32
    refusals_rate: float = 10.0
    refusals_burst: int = 100


class Decision(NamedTuple):
    """One run of a decision: what it read, and what it came to."""

    view: DecisionView
    decided: Decided | None
    refusal: Refusal | None

    @property
    def appends(self) -> bool:
        """Whether there is anything to append."""
        decided = self.decided
        return decided is not None and bool(decided.facts or decided.claims or decided.releases)


class Written(NamedTuple):
    """A stream that a command writes: its line, the tip that it leaves, and the generation in which it was decided."""

    line: Line
    tip: Tip
    generation: int


class Handler:
    """Decides and appends. Made and used in one event loop; see `open_handler`."""

    def __init__(
        self,
        writer: Writer,
        loader: Loader,
        hints: Hints | None = None,
        *,
        clock: Clock | None = None,
        new_id: Callable[[], UUID] = new_uuid7,
        codec: Codec = JSON,
        aggregates: tuple[Aggregate[Any], ...] = AGGREGATES,
        tuning: Tuning | None = None,
    ) -> None:
        tuning = tuning or Tuning()
        self._writer = writer
        self._loader = loader
        self._hints = hints
        self._clock = clock or SystemClock()
        self._new_id = new_id
        self._codec = codec
        self._kinds: Kinds = {event: aggregate for aggregate in aggregates for event in aggregate.events}
        self._lines = Lines(tuning.cached_streams)
        self._owners = Owners(tuning.cached_owners)
        self._attempts = tuning.attempts
        self._in_flight: set[tuple[UUID, UUID]] = set()
        self._evidence = Evidence(
            writer,
            self._clock,
            new_id,
            codec,
            rate=tuning.refusals_rate,
            burst=tuning.refusals_burst,
            appended=self._hint,
        )

    async def handle(self, command: Command, decide: Decide) -> Done:
        """Decide until the ledger accepts it.

        Raises what the decision refuses (recorded in the ledger, where the rules or permissions refused), ClaimTaken,
        VersionMismatch, KeyReused, CommandInFlight, Contended, UnknownLedger, OccurredInFuture, OccurredBeforeLast;
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
            known = await self._known(command.tenant_id, command.command_id)
            if known.known:
                if known.request_hash != command.request_hash:
                    raise KeyReused(path="Idempotency-Key")
                return Done(known.position, known.epoch, _from_bytes(known.result), replayed=True)
            return await self._handle(command, command.command_id, decide)
        finally:
            self._in_flight.discard(key)

    async def read(self, tenant_id: UUID, aggregate: Aggregate[S], stream_id: UUID) -> tuple[S, int]:
        """A stream's committed state and version, as of now."""
        tip = await self._read(tenant_id, stream_id, aggregate)
        return cast("S", tip.state_of(aggregate)), tip.version

    async def lookup(self, tenant_id: UUID, scope: str, name: str) -> UUID | None:
        """The stream that holds a name, as of now."""
        return await self._loader.owner(tenant_id, scope, name)

    # Deciding and appending

    async def _handle(self, command: Command, command_id: UUID, decide: Decide) -> Done:
        for _ in range(self._attempts):
            decision = await self._decide(command, decide)
            final = False
            if not decision.appends:
                # Reached from what may be outdated, or never come true: final only if what is committed says the same.
                decision, final = await self._decide_on_committed(command, decide, decision), True
                if decision.refusal is not None:
                    await self._evidence.record(command, decision.refusal)
                    raise decision.refusal
                if decision.appends:
                    continue
                if command.request_hash is None:
                    known = await self._known(command.tenant_id, command_id)
                    return Done(None, known.epoch, decision.decided.result if decision.decided else None)
            ticket = self._submit(command, command_id, decision, chained=not final)
            outcome = await ticket.settled()
            if outcome.verdict != "conflict":
                return await self._done(command, decision, ticket, outcome)
        raise Contended

    async def _decide(self, command: Command, decide: Decide) -> Decision:
        """On the tips of this process. Nothing is awaited after the run that succeeds: the caller appends on those very tips."""
        tenant_id = command.tenant_id
        owners: dict[tuple[str, str], UUID | None] = {}
        loaded: dict[UUID, Line] = {}  # so that what was loaded is not dropped before the next run

        def tip_of(stream_id: UUID) -> Tip | None:
            line = self._lines.find(tenant_id, stream_id)
            if line is None and stream_id in loaded:
                line = self._lines.keep(tenant_id, stream_id, loaded[stream_id])
            return line.tip if line else None

        def owner_of(scope: str, name: str) -> tuple[bool, UUID | None]:
            if (scope, name) in owners:
                return True, owners[scope, name]
            cached = self._owners.find(tenant_id, scope, name)
            return cached is not None, cached

        while True:
            try:
                return self._run(command, decide, tip_of, owner_of)
            except NeedStream as need:
                loaded[need.stream_id] = await self._load(tenant_id, need.stream_id, need.aggregate)
            except NeedOwner as need:
                owner = owners[need.scope, need.name] = await self._loader.owner(tenant_id, need.scope, need.name)
                if owner is not None:
                    self._owners.put(tenant_id, need.scope, need.name, owner)

    async def _decide_on_committed(self, command: Command, decide: Decide, earlier: Decision) -> Decision:
        """On what the ledger holds after the predecessors that are under way; `earlier` says which streams to begin with."""
        tenant_id = command.tenant_id
        tips: dict[UUID, Tip] = {}
        owners: dict[tuple[str, str], UUID | None] = {}

        async def fetch(stream_id: UUID, aggregate: Aggregate[Any] | None) -> None:
            line = self._lines.find(tenant_id, stream_id)
            if line and line.pending:
                await line.pending[-1].settled()
            tips[stream_id] = await self._read(tenant_id, stream_id, aggregate)

        known = [(stream, tip) for stream, tip in earlier.view.touched.items() if not earlier.view.minted(stream)]
        await asyncio.gather(*[fetch(stream, tip.aggregate) for stream, tip in known])
        while True:
            try:
                return self._run(command, decide, tips.get, lambda *name: (name in owners, owners.get(name)))
            except NeedStream as need:
                await fetch(need.stream_id, need.aggregate)
            except NeedOwner as need:
                owner = owners[need.scope, need.name] = await self._loader.owner(tenant_id, need.scope, need.name)
                if owner is None:
                    self._owners.forget(tenant_id, need.scope, need.name)
                else:
                    self._owners.put(tenant_id, need.scope, need.name, owner)

    def _run(
        self,
        command: Command,
        decide: Decide,
        tip_of: Callable[[UUID], Tip | None],
        owner_of: Callable[[str, str], tuple[bool, UUID | None]],
    ) -> Decision:
        """One decision, from beginning to end. Raises Need."""
        now = command.occurred_at or self._clock.now()
        while True:
            view = DecisionView(command.tenant_id, now, self._new_id, tip_of, owner_of)
            try:
                for stream_id, version in command.expect.items():
                    if view.version(stream_id) != version:
                        raise VersionMismatch(path="If-Match")
                decided = decide(view)
                last = _last_occurred(view, decided)
                if last is not None and last > now and command.occurred_at is not None:
                    raise OccurredBeforeLast(path="Gesta-Occurred-At")
            except Refusal as refusal:
                return Decision(view, None, refusal)
            if last is None or last <= now:
                return Decision(view, decided, None)
            now = last  # the clock is behind the stream: time does not run backwards there

    def _submit(self, command: Command, command_id: UUID, decision: Decision, *, chained: bool) -> Ticket:
        """Encode and enqueue. `chained`: decided on this process's tips, and so dependent on the commands that they stand for."""
        view, decided = decision.view, cast("Decided", decision.decided)
        tenant_id = command.tenant_id
        left = dict(view.touched)
        events = []
        for fact in decided.facts:
            events.append(NewEvent(fact.stream_id, topic_of(type(fact.event)), view.now, self._codec.encode(fact.event)))
            tip = left[fact.stream_id]
            left[fact.stream_id] = tip.after((Past(tip.version + 1, view.now, fact.event),), self._kinds)
        entry = Entry(
            command_id,
            encode_envelope(command.envelope),
            events,
            [(stream_id, tip.version) for stream_id, tip in view.touched.items()],
            decided.claims,
            decided.releases,
            command.request_hash,
            to_json(decided.result) if command.command_id is not None and decided.result is not None else None,
        )
        lines = [self._lines.find(tenant_id, stream_id) for stream_id in view.touched]
        dependencies = {line.pending[-1] for line in lines if line and line.pending} if chained else ()
        written = [
            Written(line := self._lines.line(tenant_id, stream_id), left[stream_id], line.generation)
            for stream_id in {fact.stream_id for fact in decided.facts}
        ]
        ticket = self._writer.submit(
            tenant_id, entry, tuple(dependencies), lambda ticket: self._settled(command, decision, written, ticket)
        )
        for one in written:
            one.line.chain(ticket, one.tip)
        return ticket

    def _settled(self, command: Command, decision: Decision, written: list[Written], ticket: Ticket) -> None:
        """The writer has an answer, whether or not the caller still waits for it: the cache follows the ledger."""
        tenant_id, outcome = command.tenant_id, cast("Outcome", ticket.outcome)
        appended = outcome.verdict == "appended"
        for one in written:
            one.line.settle(ticket, one.tip, one.generation, appended=appended)
        if appended:
            decided = cast("Decided", decision.decided)
            for claim in decided.releases:
                self._owners.forget(tenant_id, claim.scope, claim.name)
            for claim in decided.claims:
                self._owners.put(tenant_id, claim.scope, claim.name, claim.owner)
            if decided.facts:
                self._hint(tenant_id)
            return
        for scope, name in decision.view.names:
            self._owners.forget(tenant_id, scope, name)
        if outcome.reason == "version":  # which stream it was is not said: none that was read is to be trusted
            for stream_id, tip in decision.view.touched.items():
                line = self._lines.find(tenant_id, stream_id)
                if line and line.tip is tip:
                    line.discard()

    async def _done(self, command: Command, decision: Decision, ticket: Ticket, outcome: Outcome) -> Done:
        match outcome.verdict, outcome.reason or "":
            case "appended", _:
                return Done(outcome.position, outcome.epoch, cast("Decided", decision.decided).result)
            case "done", _:
                ours = command.command_id is None  # nobody else has this id: done is our own commit, its answer lost
                result = cast("Decided", decision.decided).result if ours else _from_bytes(outcome.result)
                return Done(outcome.position, outcome.epoch, result, replayed=not ticket.resent)
            case "refused", "key_reused":
                raise KeyReused(path="Idempotency-Key")
            case "refused", "unknown_ledger":
                raise UnknownLedger
            case "refused", reason:
                taken = ClaimTaken(scope=reason.removeprefix("claim:"), name=outcome.name or "")
                await self._evidence.record(command, taken)
                raise taken
            case _:
                raise outcome.error or AppendFailed(outcome.verdict)

    # Reading

    async def _load(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Line:
        """Have a line's tip read from the ledger, after everything under way on it is settled."""
        line = self._lines.line(tenant_id, stream_id)
        while line.pending:
            await line.pending[-1].settled()
        if line.tip is not None and line.tip.serves(aggregate):
            return line
        generation = line.generation
        tip = await self._read_from(line.base, tenant_id, stream_id, aggregate)
        if line.generation == generation and not line.pending and (line.tip is None or not line.tip.serves(aggregate)):
            line.adopt(tip)
        return line

    async def _read(self, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Tip:
        """What the ledger holds of a stream now. The line learns of it, if nothing is under way there."""
        line = self._lines.line(tenant_id, stream_id)
        tip = await self._read_from(line.base, tenant_id, stream_id, aggregate)
        if not line.pending and (line.tip is None or line.tip.version < tip.version):
            line.discard()
            line.adopt(tip)
        return tip

    async def _read_from(self, base: Tip | None, tenant_id: UUID, stream_id: UUID, aggregate: Aggregate[Any] | None) -> Tip:
        if base is not None and base.version > 0 and base.serves(aggregate):
            pasts = await self._loader.tail(tenant_id, stream_id, base.version)
            if pasts is not None:
                return base.after(pasts, self._kinds)
        pasts = await self._loader.tail(tenant_id, stream_id)
        return Tip(aggregate=aggregate).after(pasts or (), self._kinds)

    async def _known(self, tenant_id: UUID, command_id: UUID) -> KnownCommand:
        known = await self._loader.command(tenant_id, command_id)
        if known is None:
            raise UnknownLedger
        return known

    def _hint(self, tenant_id: UUID) -> None:
        if self._hints is not None:
            self._hints.touch(tenant_id)


@asynccontextmanager
async def open_handler(
    url: str,
    *,
    clock: Clock | None = None,
    new_id: Callable[[], UUID] = new_uuid7,
    codec: Codec = JSON,
    limits: Limits | None = None,
    tuning: Tuning | None = None,
) -> AsyncIterator[Handler]:
    """A handler with connections of its own (`url`: a login as gesta_system). At the end what was submitted is settled."""
    writer, loader, hints = Writer(url, limits), Loader(url, codec), Hints(url)
    try:
        yield Handler(writer, loader, hints, clock=clock, new_id=new_id, codec=codec, tuning=tuning)
    finally:
        await writer.aclose()
        await loader.aclose()
        await hints.aclose()


def _last_occurred(view: DecisionView, decided: Decided) -> datetime | None:
    """The latest event of the streams that the decision writes."""
    for fact in decided.facts:
        view.version(fact.stream_id)  # written without having been read: an expectation all the same
    times = [view.touched[fact.stream_id].occurred_at for fact in decided.facts]
    return max((moment for moment in times if moment is not None), default=None)


def _from_bytes(result: bytes | None) -> Any:
    return None if result is None else from_json(result)
