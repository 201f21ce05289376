"""Writes the stored JSON of topics that have no fixture yet: ``python -m tests.store.make_corpus``.

A fixture that exists is never rewritten: it is what a release has stored. Values follow from field names and types, so that ids
of the same name agree between events and a fold meets the activation that it started.
"""

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.execution import ActivationStarted
from domain.facts import Event
from store.codec import JSON
from store.topics import TOPICS

CORPUS = Path(__file__).parent / "corpus"

ANY_JSON = {
    "text": "Zürich 漢字 \U0001f600 \\u0000",
    "number": 12.5,
    "big": 10**60 + 1,
    "list": [None, True, {}],
    "nothing": None,
}

SIMPLE: dict[Any, Any] = {
    int: 1,
    float: 0.25,
    bool: True,
    Decimal: Decimal("12.3400"),
    datetime: datetime(2026, 1, 31, 23, 59, 59, 123456, UTC),
    timedelta: timedelta(seconds=90),
}


def sample(name: str, kind: Any) -> Any:
    """A value of a field's type that is not its default."""
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind is str:
        return name
    if kind is UUID:
        return uuid5(NAMESPACE_OID, name)
    if kind is Any:
        return ANY_JSON
    if is_dataclass(kind):
        return sample_of(kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return arguments[-1]
    if origin is tuple:
        return (sample(name, arguments[0]),)
    if origin is dict:
        return {"name": sample(name, arguments[1])}
    if origin in (Union, UnionType):
        return sample(name, next(a for a in arguments if a is not NoneType))
    raise TypeError(f"no sample for {kind} of {name}")


def sample_of(cls: Any) -> Any:
    hints = get_type_hints(cls)
    return cls(**{field.name: sample(field.name, hints[field.name]) for field in fields(cls)})


def sample_event(cls: type[Event]) -> Event:
    made: Event = sample_of(cls)
    return made


def fixture(cls: type[Event]) -> Event:
    made = sample_event(cls)
    if isinstance(made, ActivationStarted):  # takes the token of the execution's start, so that the fixtures fold in a row
        return replace(made, tokens=(0,), swallowed=(), scope=None)
    return made


def main() -> None:
    for cls, topic in TOPICS.items():
        path = CORPUS / f"{topic}.json"
        if not path.exists():
            path.write_bytes(JSON.encode(fixture(cls)) + b"\n")


if __name__ == "__main__":
    main()
