"""Events and envelopes as JSON bytes, and back.

The payload is plain JSON of the dataclass's fields in their order, without library type tags; the class that the topic names
restores UUID, Decimal, datetime, enum, tuple and nested dataclasses by type. A field whose default is None is left out
while it is None; everything else is always written, so that a changed default never changes the meaning of what is stored.

Encoding proves itself: what would not come back equal (a tuple in a JSON field, a number in a text field, a time that is not UTC)
is refused, and so is what jsonb would refuse (NUL, lone surrogates, NaN, Infinity), with the path at fault, because an event
that cannot be projected must never reach the ledger.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, SchemaValidator, ValidationError, to_json

from domain.envelope import Envelope
from domain.facts import Event
from domain.storable import TextFault, text_fault
from store.topics import class_of
from store.upcasting import CHAIN, upcast

T = TypeVar("T")


class Unencodable(ValueError):
    """This value cannot be stored."""

    def __init__(self, cls: type, path: str, problem: str) -> None:
        super().__init__(f"{cls.__name__} at {path or '/'}: {problem}")
        self.path = path
        """JSON pointer into the payload."""
        self.problem = problem


FAULTS_TOLD = 3


class Undecodable(ValueError):
    """A stored event does not fit the class that its topic names."""


class ClassCodec(NamedTuple):
    """What is known of a dataclass: how to make it from JSON, and which fields are left out while they are None."""

    validator: SchemaValidator
    optional: tuple[str, ...]


class ClassCodecs(dict[type, ClassCodec]):
    """Codecs by class, made when they are first asked for."""

    def __missing__(self, cls: type) -> ClassCodec:
        optional = tuple(f.name for f in fields(cls) if f.default is None)
        shape = ClassCodec(SchemaValidator(_utc_only(TypeAdapter(cls).core_schema)), optional)
        self[cls] = shape
        return shape


SHAPES = ClassCodecs()


def _utc_only(schema: Any) -> Any:
    """A pydantic core schema in which every datetime must be timezone-aware with offset zero."""
    if isinstance(schema, dict):
        changed = {key: _utc_only(value) for key, value in schema.items()}
        return {**changed, "tz_constraint": 0} if schema.get("type") == "datetime" else changed
    return [_utc_only(item) for item in schema] if isinstance(schema, list) else schema


def to_bytes(value: Any) -> bytes:
    """A dataclass as compact JSON. Raises Unencodable."""
    cls = type(value)
    validator, optional = SHAPES[cls]
    values = vars(value)
    omitted = {name for name in optional if values[name] is None}
    try:
        data = to_json(value, exclude=omitted, inf_nan_mode="constants")
        back = validator.validate_json(data)
    except PydanticSerializationError as error:
        _walk(cls, value, "")
        raise Unencodable(cls, "", str(error)) from error
    except ValidationError as error:
        fault = error.errors()[0]
        raise Unencodable(cls, "".join(f"/{part}" for part in fault["loc"]), fault["msg"]) from error
    if back != value or b"\\u0000" in data or b"Infinity" in data:
        _walk(cls, value, "")  # silent where only an escaped text looked like it
        if back != value:
            path = next(f"/{f.name}" for f in fields(cls) if getattr(back, f.name) != getattr(value, f.name))
            raise Unencodable(cls, path, "does not come back equal from JSON")
    return data


def from_bytes(cls: type[T], data: bytes) -> T:
    """Raises Undecodable."""
    try:
        made: T = SHAPES[cls].validator.validate_json(data)
    except ValidationError as error:
        raise Undecodable(f"{cls.__name__}: {_in_a_line(error)}") from error
    return made


def _in_a_line(error: Exception) -> str:
    """Pydantic tells of each fault in lines of its own, with a piece of the data, which are not for logs and reports."""
    if not isinstance(error, ValidationError):
        return repr(error)
    found = error.errors(include_url=False, include_input=False, include_context=False)
    told = [": ".join(filter(None, ["/".join(map(str, fault["loc"])), fault["msg"]])) for fault in found[:FAULTS_TOLD]]
    return "; ".join(told if len(found) <= FAULTS_TOLD else [*told, f"and {len(found) - FAULTS_TOLD} more"])


TEXT_FAULTS: Mapping[TextFault, str] = {"nul": "NUL character", "lone_surrogate": "lone surrogate"}


def _walk(cls: type, value: Any, path: str) -> None:
    """Raise Unencodable for the first text or number that JSON in PostgreSQL cannot hold."""
    match value:
        case str():
            if (fault := text_fault(value)) is not None:
                _refuse(cls, path, TEXT_FAULTS[fault])
        case float() if not isfinite(value):
            _refuse(cls, path, f"{value} is not a JSON number")
        case dict():
            for key, item in value.items():
                if not isinstance(key, str):
                    _refuse(cls, path, f"key {key!r} is not a string")
                _walk(cls, key, path)
                _walk(cls, item, f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
        case list() | tuple():
            for index, item in enumerate(value):
                _walk(cls, item, f"{path}/{index}")
        case _ if is_dataclass(value):
            for field in fields(value):
                _walk(cls, getattr(value, field.name), f"{path}/{field.name}")
        case _:
            return


def _refuse(cls: type, path: str, problem: str) -> NoReturn:
    raise Unencodable(cls, path, problem)


class Decoders(dict[str, Callable[[bytes], Event]]):
    """From plain JSON to the event, by topic. Made when first asked for: reading a ledger is mostly this."""

    def __missing__(self, topic: str) -> Callable[[bytes], Event]:
        validate: Callable[[bytes], Event] = SHAPES[class_of(topic)].validator.validate_json
        decode = validate if topic not in CHAIN else lambda data: validate(upcast(topic, data))
        self[topic] = decode
        return decode


DECODERS = Decoders()

encode_envelope = to_bytes


@lru_cache(maxsize=4096)
def decode_envelope(meta: bytes) -> Envelope:
    """Cached, because all events of a command carry the same bytes one after the other."""
    return from_bytes(Envelope, meta)


class Compressor(Protocol):
    """As of `eventsourcing.persistence`; the zlib and bz2 modules are compressors."""

    def compress(self, data: bytes, /) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class Cipher(Protocol):
    """As of `eventsourcing.persistence`."""

    def encrypt(self, plaintext: bytes) -> bytes: ...
    def decrypt(self, ciphertext: bytes) -> bytes: ...


COMPRESSED = b"\x01"
ENCRYPTED = b"\x02"


class Codec:
    """Events as the ledger stores them. Immutable and free of state; one per process.

    Each stored event says by its first byte whether it is plain JSON, compressed or encrypted (compression comes first), so
    events of before a compressor or a cipher was configured stay readable. Only payloads of `compress_from` bytes on are
    compressed.
    """

    def __init__(self, compressor: Compressor | None = None, cipher: Cipher | None = None, *, compress_from: int = 1024) -> None:
        self._compressor = compressor
        self._cipher = cipher
        self._compress_from = compress_from

    def encode(self, event: Event) -> bytes:
        """Raises Unencodable."""
        return self.closed(to_bytes(event))

    def closed(self, data: bytes) -> bytes:
        """JSON as it is stored: compressed and encrypted, as configured. `opened` is the way back."""
        if self._compressor and len(data) >= self._compress_from:
            data = COMPRESSED + self._compressor.compress(data)
        return ENCRYPTED + self._cipher.encrypt(data) if self._cipher else data

    def decode(self, topic: str, data: bytes) -> Event:
        """The event, of the class of today, that was stored under a topic. Raises UnknownTopic and Undecodable."""
        return self.read(topic, self.opened(topic, data))

    def read(self, topic: str, data: bytes) -> Event:
        """As `decode`, what was opened already."""
        decode = DECODERS[topic]
        try:
            return decode(data)
        except (ValueError, KeyError, TypeError) as error:
            raise Undecodable(f"{topic}: {_in_a_line(error)}") from error

    def opened(self, topic: str, data: bytes) -> bytes:
        """The JSON that was stored: neither encrypted nor compressed. Raises Undecodable."""
        if data[:1] == b"{":
            return data
        if data[:1] == ENCRYPTED:
            if self._cipher is None:
                raise Undecodable(f"{topic}: the event is encrypted and no cipher is configured")
            data = self._cipher.decrypt(data[1:])
        if data[:1] == COMPRESSED:
            if self._compressor is None:
                raise Undecodable(f"{topic}: the event is compressed and no compressor is configured")
            data = self._compressor.decompress(data[1:])
        return data


JSON = Codec()
"""Plain JSON, neither compressed nor encrypted."""
