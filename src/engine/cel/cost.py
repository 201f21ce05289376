"""How much work the loops of an expression may do on values of a given size: an upper estimate, made before it runs.

The library counts loop steps (10,000 and it stops) but not what a step does: compare two lists of a megabyte, copy a text. Each
operator in a loop whose work grows with its operands is recorded as a Cost: how often it may run, and the size of what. So is,
wherever it stands, what may take the product of its operands: to search a text, or to match it with a regular expression.
Units are some 25 ns: the comparison of two small values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.cel.syntax import Call, Comprehension, Constant, Ident, ListOf, Node, chain, children, walk
from engine.regex_weight import regex_weight

STEPS = 10_000  # the library's own limit of loop steps

_GROWING = frozenset(
    {"_==_", "_!=_", "@in", "_+_", "_<_", "_<=_", "_>_", "_>=_", "matches", "contains", "startsWith", "endsWith", "size",
     "string", "bytes", "timestamp", "duration", "int", "double"}
)  # fmt: skip
_CHEAP_WITH_CONSTANT = frozenset({"_==_", "_!=_", "_+_", "_<_", "_<=_", "_>_", "_>=_"})
_FEW = 16  # sums of texts outside of loops that are not worth measuring
_SEARCHES = frozenset({"matches", "contains"})
_COMPARED = 200  # characters of a text that is searched for, at the price of one unit for each place
_UNKNOWN_PATTERN = 1_000  # a pattern that is computed: repetitions that each character of it may ask for
_LIST_COPY = 3  # `map` and `filter` copy what they have so far at each step, at half the final length and thrice the price: 1.5


@dataclass(frozen=True)
class Cost:
    loops: int  # how many nested loops multiply it
    of: str  # path: the value there; values: all that the expression reads; list: the list the loop builds
    path: tuple[str, tuple[str | int, ...]] | None = None
    literal: int = 0  # length of the longest list written in the expression
    factor: "_Factor" = 1.0


@dataclass(frozen=True)
class _Searched:
    """What a text is searched for is not written in the expression: `path`: it is there; None: it is computed."""

    function: str
    path: tuple[str, tuple[str | int, ...]] | None


_Factor = float | _Searched


@dataclass(frozen=True)
class _Loop:
    names: frozenset[str]
    plain: bool  # runs over a path, so all its elements together are no larger than the values at hand


def loop_costs(root: Node) -> tuple[Cost, ...]:
    """The costs of an expression; empty where it has no loops and adds up little."""
    literal = max((len(node.items) for node in walk(root) if isinstance(node, ListOf)), default=0)
    costs = tuple(Cost(loops, of, path, literal, factor) for loops, of, path, factor in _costs(root, ()))
    return costs if len(costs) > _FEW or any(cost.loops or cost.factor != 1.0 for cost in costs) else ()


def work(costs: tuple[Cost, ...], data: Mapping[str, Any]) -> float:
    """Units of work on these values."""
    size, longest = _measure(data)
    total = 0.0
    for cost in costs:
        length = max(longest, cost.literal, 1)
        runs = min(STEPS, length**cost.loops)
        match cost.of:
            case "path" if cost.path is not None:
                total += runs * _measure(_at(data, cost.path))[0] * _factor(cost.factor, data, size)
            case "list":
                total += runs * min(STEPS, length) * _LIST_COPY / 2
            case _:
                total += runs * size * _factor(cost.factor, data, size)
    return total


def _factor(factor: "_Factor", data: Mapping[str, Any], size: int) -> float:
    if not isinstance(factor, _Searched):
        return factor
    value = None if factor.path is None else _at(data, factor.path)
    if not isinstance(value, str):
        return max(1.0, size * (_UNKNOWN_PATTERN if factor.function == "matches" else 2 / _COMPARED))
    return _searched_for(factor.function, value)


def _searched_for(function: str, text: str) -> float:
    return max(1.0, regex_weight(text) if function == "matches" else len(text) / _COMPARED)


_Key = tuple[int, str, tuple[str, tuple[str | int, ...]] | None, _Factor]


def _costs(node: Node, loops: tuple[_Loop, ...]) -> Iterator[_Key]:
    if isinstance(node, Comprehension):
        yield from _costs(node.range, loops)
        ranged = chain(node.range)
        inner = (*loops, _Loop(frozenset(node.variables), ranged is not None))
        if isinstance(node.init, ListOf):
            yield len(inner), "list", None, 1.0
            step = node.step
            for part in (node.condition, node.result):
                yield from _costs(part, inner)
            for part in _appended(step):
                yield from _costs(part, inner)
        else:
            for part in (node.init, node.condition, node.step, node.result):
                yield from _costs(part, inner)
        return
    if isinstance(node, Call) and node.function in _SEARCHES and len(node.args) == 2:
        factor = _factor_of(node.function, node.args[1], loops)
        if loops or factor != 1.0:
            for loop, of, path, _ in _operands(node, loops):
                yield loop, of, path, factor
    elif isinstance(node, Call) and (node.function in _GROWING if loops else node.function == "_+_"):
        constant = any(isinstance(arg, Constant) for arg in node.args)
        if not (constant and node.function in _CHEAP_WITH_CONSTANT):
            yield from _operands(node, loops)
    for child in children(node):
        yield from _costs(child, loops)


def _factor_of(function: str, arg: Node, loops: tuple[_Loop, ...]) -> _Factor:
    if isinstance(arg, Constant):
        return _searched_for(function, arg.value) if isinstance(arg.value, str) else 1.0
    path = chain(arg)
    bound = path is not None and any(path[0] in loop.names for loop in loops)
    return _Searched(function, None if bound else path)


def _appended(step: Node) -> tuple[Node, ...]:
    """Of the expansion `@result + [x]` or `p ? @result + [x] : @result` what the author wrote."""
    match step:
        case Call(function="_+_", args=(Ident(), ListOf(items=items))):
            return items
        case Call(function="_?_:_", args=(condition, Call(function="_+_", args=(Ident(), ListOf(items=items))), _)):
            return (condition, *items)
        case _:
            return (step,)


def _operands(node: Node, loops: tuple[_Loop, ...]) -> Iterator[_Key]:
    """What the work of a call grows with: the fields it reads, or, where a loop variable is meant, everything once per loop."""
    for part in children(node):
        path = chain(part)
        if path is None:
            yield from _operands(part, loops)
            continue
        if path[0].startswith("@"):
            continue
        bound = [depth for depth, loop in enumerate(loops) if path[0] in loop.names]
        if not bound:
            yield len(loops), "path", path, 1.0
        elif bound[-1] == len(loops) - 1 and loops[-1].plain:
            yield len(loops) - 1, "values", None, 1.0
        else:
            yield len(loops), "values", None, 1.0


def _at(data: Any, path: tuple[str, tuple[str | int, ...]]) -> Any:
    for key in (path[0], *path[1]):
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and isinstance(key, int) and 0 <= key < len(data):
            data = data[key]
        else:
            return None
    return data


def _measure(value: Any) -> tuple[int, int]:
    """(size, length of the longest list or object)."""
    size = longest = 0
    todo = [value]
    while todo:
        item = todo.pop()
        size += 1
        if isinstance(item, str):
            size += len(item) // 2
        elif isinstance(item, dict | list):
            longest = max(longest, len(item))
            todo.extend(item.values() if isinstance(item, dict) else item)
    return size, longest
