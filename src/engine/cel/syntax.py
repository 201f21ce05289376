"""The syntax tree of a CEL expression, read from the bytes of a `cel.expr.ParsedExpr`.

The library parses but shows no tree; it serializes one. Field numbers are those of cel/expr/syntax.proto in the CEL
specification. Macros (`has`, `map`, `exists` …) arrive expanded: `has` as a Select with `test`, loops as a Comprehension.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias


@dataclass(frozen=True)
class Constant:
    """`raw` is its own encoding, which tells 1 from 1u."""

    id: int
    value: bool | int | float | str | bytes | None
    raw: bytes


@dataclass(frozen=True)
class Ident:
    id: int
    name: str


@dataclass(frozen=True)
class Select:
    id: int
    operand: "Node"
    field: str
    test: bool


@dataclass(frozen=True)
class Call:
    """`args` begins with the receiver where it is a method call."""

    id: int
    function: str
    args: tuple["Node", ...]
    method: bool = False


@dataclass(frozen=True)
class ListOf:
    id: int
    items: tuple["Node", ...]


@dataclass(frozen=True)
class Struct:
    """A map; a message where `message` is not empty. `parts` are its keys and values, in turn."""

    id: int
    message: str
    parts: tuple["Node", ...]


@dataclass(frozen=True)
class Comprehension:
    id: int
    variables: tuple[str, ...]
    accumulator: str
    range: "Node"
    init: "Node"
    condition: "Node"
    step: "Node"
    result: "Node"


Node: TypeAlias = Constant | Ident | Select | Call | ListOf | Struct | Comprehension


@dataclass(frozen=True)
class Syntax:
    root: Node
    places: dict[int, int]  # node id → offset in code points


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args
        case ListOf():
            return node.items
        case Struct():
            return node.parts
        case Comprehension():
            return (node.range, node.init, node.condition, node.step, node.result)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from walk(child)


def chain(node: Node) -> tuple[str, tuple[str | int, ...]] | None:
    """`input.a["b"][0]` as ("input", ("a", "b", 0)); None for what is not a plain path from a name."""
    match node:
        case Ident():
            return node.name.removeprefix("."), ()
        case Select():
            before, key = chain(node.operand), node.field
        case Call(function="_[_]", args=(target, Constant(value=str() | int() as index))) if not isinstance(index, bool):
            before, key = chain(target), index  # type: ignore[assignment]  # a path holds texts and numbers
        case _:
            return None
    return (before[0], (*before[1], key)) if before else None


def read(serialized: bytes) -> Syntax:
    """The tree of a serialized expression: a `google.protobuf.Any` around a ParsedExpr."""
    (parsed,) = [span for number, span in _fields(serialized, slice(0, len(serialized))) if number == 2]
    root: Node | None = None
    places: dict[int, int] = {}
    for number, span in _fields(serialized, _span(parsed)):
        if number == 2:
            root = _expr(serialized, _span(span))
        elif number == 3:
            places = _places(serialized, _span(span))
    if root is None:
        raise ValueError("a parsed expression without an expression")
    return Syntax(root, places)


def write(root: Node) -> bytes:
    """A serialized expression of this tree, as `read` takes it; its nodes are numbered anew and have no places."""
    url = b"type.googleapis.com/cel.expr.ParsedExpr"
    return _field(1, url) + _field(2, _field(2, _written(root, count(1))))


def _written(node: Node, ids: Iterator[int]) -> bytes:
    own = b"\x10" + _number(next(ids))

    def sub(child: Node) -> bytes:
        return _written(child, ids)

    match node:
        case Constant():
            return own + _field(3, node.raw)
        case Ident():
            return own + _field(4, _field(1, node.name.encode()))
        case Select():
            test = b"\x18\x01" if node.test else b""
            return own + _field(5, _field(1, sub(node.operand)) + _field(2, node.field.encode()) + test)
        case Call():
            numbers = [1 if node.method and not place else 3 for place in range(len(node.args))]
            args = b"".join(_field(number, sub(arg)) for number, arg in zip(numbers, node.args, strict=True))
            return own + _field(6, _field(2, node.function.encode()) + args)
        case ListOf():
            return own + _field(7, b"".join(_field(1, sub(item)) for item in node.items))
        case Struct():
            pairs = zip(node.parts[::2], node.parts[1::2], strict=True)
            entries = [
                _field(2, b"\x08" + _number(next(ids)) + _field(3, sub(key)) + _field(4, sub(value))) for key, value in pairs
            ]
            return own + _field(8, b"".join(entries))
        case Comprehension():
            texts = ((1, node.variables[0]), (3, node.accumulator), *((8, name) for name in node.variables[1:]))
            names = b"".join(_field(number, text.encode()) for number, text in texts)
            parts = (node.range, node.init, node.condition, node.step, node.result)
            places = (2, 4, 5, 6, 7)
            return own + _field(9, names + b"".join(_field(n, sub(part)) for n, part in zip(places, parts, strict=True)))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _number(len(content)) + content


def _number(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_Value: TypeAlias = int | slice


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes, within: slice) -> Iterator[tuple[int, _Value]]:
    """(field number, value) of a message: an integer for varints, a slice of the bytes for all else."""
    at = within.start
    while at < within.stop:
        tag, at = _varint(data, at)
        match tag & 7:
            case 0:
                value, at = _varint(data, at)
                yield tag >> 3, value
                continue
            case 1:
                size = 8
            case 5:
                size = 4
            case 2:
                size, at = _varint(data, at)
            case other:
                raise ValueError(f"wire type {other}")
        yield tag >> 3, slice(at, at + size)
        at += size


def _span(value: _Value) -> slice:
    if isinstance(value, slice):
        return value
    raise ValueError("a message expected")


def _text(data: bytes, value: _Value) -> str:
    return data[_span(value)].decode()


def _signed(value: _Value) -> int:
    if isinstance(value, slice):
        raise ValueError("an integer expected")
    return value - 2**64 if value >= 2**63 else value


def _places(data: bytes, within: slice) -> dict[int, int]:
    places = {}
    for number, value in _fields(data, within):
        if number == 4:
            entry = dict(_fields(data, _span(value)))
            places[_signed(entry.get(1, 0))] = _signed(entry.get(2, 0))
    return places


def _expr(data: bytes, within: slice) -> Node:
    node_id = 0
    kind, body = 0, slice(0, 0)
    for number, value in _fields(data, within):
        if number == 2:
            node_id = _signed(value)
        else:
            kind, body = number, _span(value)
    fields = list(_fields(data, body))
    last = dict(fields)
    match kind:
        case 3:
            return Constant(node_id, _constant(data, fields), data[body])
        case 4:
            return Ident(node_id, _text(data, last[1]))
        case 5:
            return Select(node_id, _expr(data, _span(last[1])), _text(data, last[2]), bool(last.get(3, 0)))
        case 6:
            args = tuple(_expr(data, _span(value)) for number, value in fields if number in (1, 3))
            return Call(node_id, _text(data, last[2]), args, 1 in last)
        case 7:
            return ListOf(node_id, tuple(_expr(data, _span(value)) for number, value in fields if number == 1))
        case 8:
            parts = []
            for number, value in fields:
                if number == 2:
                    parts += [_expr(data, _span(part)) for n, part in _fields(data, _span(value)) if n in (3, 4)]
            return Struct(node_id, _text(data, last[1]) if 1 in last else "", tuple(parts))
        case 9:
            names = tuple(_text(data, last[number]) for number in (1, 8) if number in last)
            parts = [_expr(data, _span(last[number])) for number in (2, 4, 5, 6, 7)]
            return Comprehension(node_id, names, _text(data, last[3]), *parts)
        case other:
            raise ValueError(f"expression kind {other}")


def _constant(data: bytes, fields: list[tuple[int, _Value]]) -> bool | int | float | str | bytes | None:
    for number, value in fields:
        match number:
            case 1:
                return None
            case 2:
                return bool(value)
            case 3:
                return _signed(value)
            case 4 if isinstance(value, int):
                return value
            case 5:
                return float(struct.unpack("<d", data[_span(value)])[0])
            case 6:
                return _text(data, value)
            case 7:
                return data[_span(value)]
    raise ValueError("a constant without a value")
