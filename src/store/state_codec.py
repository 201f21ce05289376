"""States of streams as JSON, and back: what snapshots are made of.

An aggregate's form follows from the types of its state's fields, and so does its tag, together with the code of its `evolve`: a
release that keeps other states, or comes to them otherwise, has another tag by itself, and leaves alone what others stored.

Encoding proves itself: what would not come back equal is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, partial
from hashlib import sha256
from types import NoneType, UnionType
from typing import Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic_core import from_json, to_json
from rpds import HashTrieMap, HashTrieSet, List

from domain.facts import Aggregate
from store.fingerprint import of_code

K = TypeVar("K")
V = TypeVar("V")
MICROSECOND = timedelta(microseconds=1)
DIGEST = 32


class MapOf(Generic[K, V]):
    """`HashTrieMap` where it is named in a type: it takes no parameters of its own."""


class SetOf(Generic[V]):
    """`HashTrieSet` likewise."""


class ListOf(Generic[V]):
    """`List` likewise."""


PERSISTENT = {"HashTrieMap": MapOf, "HashTrieSet": SetOf, "List": ListOf}


class Unstorable(ValueError):
    """This state cannot be stored."""


class Unreadable(ValueError):
    """These bytes are not a state of this form."""


class Form(NamedTuple):
    """How a value of one type is written as JSON and read again. `shape`: the type in full."""

    shape: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


class StateCodec:
    """The states of one aggregate. Raises Unstorable where a field's type is none that it knows."""

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self.aggregate = aggregate
        self._form = form_of(type(aggregate.initial))
        self.tag = f"{aggregate.name}:{sha256(f'{self._form.shape} {of_code(aggregate.evolve)}'.encode()).hexdigest()[:24]}"

    def to_bytes(self, state: Any) -> bytes:
        """Raises Unstorable."""
        try:
            data = to_json(self._form.write(state), inf_nan_mode="constants")
            back = self._form.read(from_json(data))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unstorable(f"{self.aggregate.name}: {error!r}") from error
        if back != state:
            raise Unstorable(f"{self.aggregate.name}: the state does not come back equal from JSON")
        return data

    def from_bytes(self, data: bytes) -> Any:
        """Raises Unreadable."""
        try:
            return self._form.read(from_json(data))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unreadable(f"{self.aggregate.name}: {error!r}") from error


def codecs_of(aggregates: tuple[Aggregate[Any], ...]) -> dict[str, StateCodec]:
    """By the aggregate's name. Those without a state have none."""
    return {each.name: _codec_of(each) for each in aggregates if each.initial is not None}


@cache
def _codec_of(aggregate: Aggregate[Any]) -> StateCodec:
    """Made once in a process: looking through all code takes a while."""
    return StateCodec(aggregate)


def sealed(tag: str, stream_id: UUID, version: int, data: bytes) -> bytes:
    """With a digest in front, so that what was damaged, or belongs elsewhere, is not taken for a state."""
    return _digest(tag, stream_id, version, data) + data


def unsealed(tag: str, stream_id: UUID, version: int, stored: bytes) -> bytes:
    """Raises Unreadable."""
    data = stored[DIGEST:]
    if stored[:DIGEST] != _digest(tag, stream_id, version, data):
        raise Unreadable("the digest is of something else")
    return data


def _digest(tag: str, stream_id: UUID, version: int, data: bytes) -> bytes:
    return sha256(f"{tag} {stream_id} {version} ".encode() + data).digest()


# --- Forms ------------------------------------------------------------------------------------------------------------


def form_of(hint: Any) -> Form:
    """Raises Unstorable for a type that it does not know."""
    if hint is Any:
        return Form("Any", _same, _same)
    if hint in PLAIN:
        return Form(hint.__name__, _same, partial(_checked, hint))
    if hint in AS_TEXT:
        return Form(hint.__name__, *AS_TEXT[hint])
    if isinstance(hint, type) and is_dataclass(hint):
        return _of_dataclass(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return Form(f"one of {sorted(map(repr, arguments))}", _same, partial(_one_of, frozenset(arguments)))
    if origin in (Union, UnionType):
        return _of_union(arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return _of_items("tuple", tuple, form_of(arguments[0]))
    if origin is tuple:
        return _of_tuple([form_of(each) for each in arguments])
    if origin in ITEMS:
        name, make = ITEMS[origin]
        return _of_items(name, make, form_of(arguments[0]))
    if origin in (dict, MapOf):
        make_map = {dict: dict, MapOf: HashTrieMap}[origin]
        return _of_pairs(make_map.__name__, make_map, form_of(arguments[0]), form_of(arguments[1]))
    raise Unstorable(f"{hint} is no type that a snapshot may hold")


def _same(value: Any) -> Any:
    return value


def _checked(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        if kind is float and type(value) is int:
            return float(value)
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _one_of(choices: frozenset[Any], value: Any) -> Any:
    if value not in choices:
        raise ValueError(f"{value!r} is none of {choices}")
    return value


def _any_of(kinds: tuple[type, ...], value: Any) -> Any:
    if type(value) not in kinds:
        raise ValueError(f"{value!r} is none of {kinds}")
    return value


ITEMS: Mapping[Any, tuple[str, Callable[[Any], Any]]] = {
    frozenset: ("frozenset", frozenset),
    SetOf: ("HashTrieSet", HashTrieSet),
    list: ("list", list),
    ListOf: ("List", List),
}
PLAIN = (bool, int, float, str, NoneType)
AS_TEXT: Mapping[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    UUID: (str, UUID),
    Decimal: (str, Decimal),
    datetime: (datetime.isoformat, datetime.fromisoformat),
    timedelta: (lambda span: span // MICROSECOND, lambda number: number * MICROSECOND),
}


def _of_dataclass(cls: type) -> Form:
    hints = get_type_hints(cls, localns=PERSISTENT)
    names = [each.name for each in fields(cls)]
    forms = [form_of(hints[name]) for name in names]
    writers, readers = [each.write for each in forms], [each.read for each in forms]
    shape = f"{cls.__name__}({', '.join(f'{name}: {form.shape}' for name, form in zip(names, forms, strict=True))})"

    def write(value: Any) -> Any:
        if type(value) is not cls:
            raise ValueError(f"{type(value).__name__} is no {cls.__name__}")
        return [write_one(getattr(value, name)) for name, write_one in zip(names, writers, strict=True)]

    def read(values: Any) -> Any:
        made = [read_one(value) for read_one, value in zip(readers, values, strict=True)]
        return cls(**dict(zip(names, made, strict=True)))

    return Form(shape, write, read)


def _of_union(hints: tuple[Any, ...]) -> Form:
    """Of one type or None; or of several dataclasses, each written with its place among them."""
    kinds = [hint for hint in hints if hint is not NoneType]
    forms = [form_of(kind) for kind in kinds]
    shape = " | ".join([*(form.shape for form in forms), *("None" for hint in hints if hint is NoneType)])
    if len(kinds) == 1:
        (form,) = forms
        return Form(
            shape,
            lambda value: None if value is None else form.write(value),
            lambda value: None if value is None else form.read(value),
        )
    if all(kind in PLAIN for kind in kinds):
        return Form(shape, _same, partial(_any_of, (*kinds, NoneType) if NoneType in hints else tuple(kinds)))
    if not all(is_dataclass(kind) for kind in kinds):
        raise Unstorable(f"{shape} cannot be told apart in JSON")

    def write(value: Any) -> Any:
        if value is None:
            return None
        place = kinds.index(type(value))
        return [place, forms[place].write(value)]

    def read(stored: Any) -> Any:
        if stored is None:
            return None
        place, value = stored
        return forms[place].read(value)

    return Form(shape, write, read)


def _of_items(name: str, make: Callable[[Any], Any], form: Form) -> Form:
    return Form(
        f"{name}[{form.shape}]",
        lambda values: [form.write(value) for value in values],
        lambda values: make([form.read(value) for value in values]),
    )


def _of_tuple(forms: list[Form]) -> Form:
    return Form(
        f"tuple[{', '.join(form.shape for form in forms)}]",
        lambda values: [form.write(value) for form, value in zip(forms, values, strict=True)],
        lambda values: tuple(form.read(value) for form, value in zip(forms, values, strict=True)),
    )


def _of_pairs(name: str, make: Callable[[Any], Any], key: Form, value: Form) -> Form:
    return Form(
        f"{name}[{key.shape}, {value.shape}]",
        lambda values: [[key.write(each), value.write(values[each])] for each in values],
        lambda pairs: make({key.read(each): value.read(inner) for each, inner in pairs}),
    )
