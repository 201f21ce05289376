"""The states of a stream, event by event: what each event changed, by path."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from pydantic_core import to_json
from rpds import List

from domain.aggregates import AGGREGATES
from domain.envelope import RecordedEvent, Unread
from domain.facts import Aggregate
from runtime.errors import OperatorError

SECRETS = frozenset({"secret_hash"})
"""Fields that are shown to nobody."""

Flat = dict[str, str]
"""A state: JSON texts by path."""


class Change(NamedTuple):
    """`sign`: + was not there, - is not there any more, ~ is another."""

    sign: str
    path: str
    before: str | None
    after: str | None


class Step(NamedTuple):
    record: RecordedEvent
    changes: list[Change]


def aggregate_of(event: object) -> Aggregate[Any]:
    """The kind of stream that an event belongs to."""
    return next(aggregate for aggregate in AGGREGATES if type(event) in aggregate.events)


def steps(records: Sequence[RecordedEvent]) -> Iterator[Step]:
    """Fold a stream from its first event on. Raises OperatorError where it cannot be folded."""
    if not records:
        return
    _refuse_unread(records[0])
    aggregate = aggregate_of(records[0].event)
    state = aggregate.initial
    before = flat(state)
    for record in records:
        _refuse_unread(record)
        try:
            state = aggregate.evolve(state, record.event)
        except (LookupError, AttributeError, TypeError, ValueError, AssertionError) as error:
            raise OperatorError(
                f"Event {record.position} ({record.topic}) does not fit the ones before it: {error!r}."
            ) from error
        after = flat(state)
        yield Step(record, changes(before, after))
        before = after


def _refuse_unread(record: RecordedEvent) -> None:
    if isinstance(record.event, Unread):
        raise OperatorError(f"Event {record.position} ({record.topic}) cannot be folded: {record.event.why}.")


def changes(before: Flat, after: Flat) -> list[Change]:
    """What differs, by path: what there is now in the order of the state, then what is gone."""
    found = []
    for path in dict.fromkeys((*after, *before)):
        old, new = before.get(path), after.get(path)
        if old != new:
            found.append(Change("+" if old is None else "-" if new is None else "~", path, old, new))
    return found


def flat(state: Any, path: str = "") -> Flat:
    """Dataclasses and the maps of a state by their parts, as field.field.key; everything else is JSON. None is left out."""
    prefix = f"{path}." if path else ""
    if is_dataclass(state):
        named = ((field.name, getattr(state, field.name)) for field in fields(state) if field.name not in SECRETS)
        return {key: text for name, value in named for key, text in flat(value, prefix + name).items()}
    if isinstance(state, Mapping) and not isinstance(state, dict):
        entries = ((str(key), value) for key, value in state.items())
        return {key: text for name, value in entries for key, text in flat(value, prefix + name).items()}
    return {} if state is None else {path: to_json(_plain(state)).decode()}


def _plain(value: Any) -> Any:
    """As JSON has it: sets become sorted lists."""
    if isinstance(value, Set):
        return sorted(map(str, value))
    if is_dataclass(value):
        named = ((field.name, getattr(value, field.name)) for field in fields(value) if field.name not in SECRETS)
        return {name: _plain(part) for name, part in named if part is not None}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple | List) else value
