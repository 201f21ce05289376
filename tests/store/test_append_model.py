"""Random batches against a model of append's rules in Python: the set-based path and the ordered one say the same as it does."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from domain.facts import Claim
from store.append import Entry, Outcome
from tests.conftest import Database
from tests.store.ledgers import append, claims, connected, entry, open_ledger, positions, versions

STREAMS = [UUID(int=n) for n in range(1, 5)]
KEYS = [UUID(int=n) for n in range(100, 104)]
NAMES = ["x", "y"]


@dataclass
class Model:
    """A ledger in thirty lines."""

    versions: dict[UUID, int] = field(default_factory=dict)
    known: dict[UUID, tuple[bytes | None, int | None]] = field(default_factory=dict)
    held: dict[tuple[str, str], UUID] = field(default_factory=dict)
    position: int = 0

    def append(self, entries: Sequence[Entry], dependencies: Sequence[tuple[int, int]]) -> list[tuple[str, int | None]]:
        answers: list[tuple[str, int | None]] = []
        for number, one in enumerate(entries, 1):
            needed = [answers[on - 1][0] for command, on in dependencies if command == number]
            answers.append(self.one(one, all(verdict == "appended" for verdict in needed)))
        return answers

    def one(self, one: Entry, dependencies_hold: bool) -> tuple[str, int | None]:
        if one.command_id in self.known:
            request_hash, position = self.known[one.command_id]
            return ("done", position) if request_hash == one.request_hash else ("refused", None)
        if not dependencies_hold or any(self.versions.get(stream, 0) != version for stream, version in one.expectations):
            return "conflict", None
        held = dict(self.held)
        for claim in one.releases:
            if held.get((claim.scope, claim.name)) == claim.owner:
                del held[claim.scope, claim.name]
        for claim in one.claims:
            if held.setdefault((claim.scope, claim.name), claim.owner) != claim.owner:
                return "refused", None
        self.held = held
        for new in one.events:
            self.versions[new.stream_id] = self.versions.get(new.stream_id, 0) + 1
        self.position += len(one.events)
        position = self.position if one.events else None
        self.known[one.command_id] = one.request_hash, position
        return "appended", position


claim = st.builds(Claim, st.just("s"), st.sampled_from(NAMES), st.sampled_from(STREAMS))


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[list[Entry], list[tuple[int, int]]]]:
    """Some batches for one ledger. Expectations are mostly what they would meet if nothing were rejected."""
    guess: dict[UUID, int] = {}
    made = []
    for _ in range(draw(st.integers(1, 4))):
        entries: list[Entry] = []
        for _ in range(draw(st.integers(1, 6))):
            read = draw(st.lists(st.sampled_from(STREAMS), max_size=2, unique=True))
            written = draw(st.lists(st.sampled_from(STREAMS), max_size=3))
            off = draw(st.sampled_from([0] * 12 + [1, -1]))
            entries.append(
                entry(
                    *written,
                    expect=[(stream, guess.get(stream, 0) + off) for stream in read],
                    command_id=draw(st.one_of(st.none(), st.none(), st.none(), st.sampled_from(KEYS))),
                    request_hash=draw(st.sampled_from([None, None, b"1", b"2"])),
                    claims=draw(st.one_of(st.just([]), st.just([]), st.lists(claim, max_size=2))),
                    releases=draw(st.one_of(st.just([]), st.just([]), st.lists(claim, max_size=2))),
                )
            )
            if not off:
                for stream in written:
                    guess[stream] = guess.get(stream, 0) + 1
        count = len(entries)
        pairs = st.tuples(st.integers(1, count), st.integers(1, count)).filter(lambda pair: pair[0] > pair[1])
        made.append((entries, draw(st.lists(pairs, max_size=2)) if count > 1 else []))
    return made


def answered(outcomes: Sequence[Outcome]) -> list[tuple[str, int | None]]:
    return [(outcome.verdict, outcome.position) for outcome in outcomes]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(script=batches())
def test_append_follows_the_model(database: Database, script: list[tuple[list[Entry], list[tuple[int, int]]]]) -> None:
    model = Model()
    with connected(database.system_url) as connection:
        tenant = open_ledger(connection, uuid4())
        for entries, dependencies in script:
            expected = model.append(entries, dependencies)
            assert answered(append(connection, tenant, *entries, dependencies=dependencies)) == expected
            event("all appended" if {verdict for verdict, _ in expected} == {"appended"} else "judged in order")
        assert positions(connection, tenant) == list(range(1, model.position + 1))
        assert claims(connection, tenant) == model.held
        for stream in STREAMS:
            assert versions(connection, tenant, stream) == list(range(1, model.versions.get(stream, 0) + 1))
