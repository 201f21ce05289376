"""Arithmetic in which numbers are numbers, as a rewriting of the syntax tree: `l * r` becomes a choice by the types of l and r.

Not by functions of our own: the library leaks the arguments and the result of every call into Python.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from engine.cel.syntax import Call, Comprehension, Constant, Ident, ListOf, Node, Select, Struct, chain

_MIXED = """type(l) == type(0) && type(r) == type(0.0) ? double(l) {0} r
    : type(l) == type(0.0) && type(r) == type(0) ? l {0} double(r) : l {0} r"""
_LEFT = "(type(l) == type(0) ? double(l) : l)"
_RIGHT = "(type(r) == type(0) ? double(r) : r)"
_REALS = f"type({_LEFT}) == type(0.0) && type({_RIGHT}) == type(0.0)"
_WHOLE = "type(l) == type(0) && type(r) == type(0)"

# In CEL itself, of l and r. A sum of texts, lists or times falls through to the operator as it is.
RULES: Mapping[str, str] = {
    "_+_": _MIXED.format("+"),
    "_-_": _MIXED.format("-"),
    "_*_": _MIXED.format("*"),
    "_/_": f"""{_WHOLE} ? (r != 0 && l % r != 0 ? double(l) / double(r) : l / r)
        : {_REALS} && r == 0.0 ? double(1 / 0) : {_LEFT} / {_RIGHT}""",
    "_%_": f"""!({_WHOLE}) && {_REALS}
        ? (r == 0.0 ? double(1 % 0) : {_LEFT} - {_RIGHT} * double(int({_LEFT} / {_RIGHT}))) : l % r""",
}


@dataclass(frozen=True)
class Numbers:
    """The rules as trees."""

    rules: Mapping[str, Node]

    @classmethod
    def parsed_by(cls, parse: Callable[[str], Node]) -> "Numbers":
        return cls({operator: parse(source) for operator, source in RULES.items()})

    def rewrite(self, root: Node) -> Node:
        return self._rewrite(root, count())

    def _rewrite(self, node: Node, names: Iterator[int]) -> Node:
        node = _with_children(node, lambda child: self._rewrite(child, names))
        if not isinstance(node, Call) or node.function not in self.rules or len(node.args) != 2:
            return node
        left, right = node.args
        if isinstance(left, Ident) and left.name.startswith("@"):
            return node  # the list that a loop builds
        bound: list[tuple[str, Node]] = []

        def named(operand: Node) -> Node:
            if isinstance(operand, Constant) or chain(operand):
                return operand
            name = f"@number{next(names)}"
            bound.append((name, operand))
            return Ident(0, name)

        result = _substitute(self.rules[node.function], {"l": named(left), "r": named(right)})
        for name, operand in reversed(bound):
            result = _bind(name, operand, result)
        return result


def _bind(name: str, value: Node, body: Node) -> Node:
    """`body` with `value`, evaluated once, under a name: a loop over nothing, as CEL's own `cel.bind`."""
    never = Constant(0, False, b"\x10\x00")
    return Comprehension(0, ("@unused",), name, ListOf(0, ()), value, never, Ident(0, name), body)


def _substitute(rule: Node, operands: Mapping[str, Node]) -> Node:
    if isinstance(rule, Ident):
        return operands.get(rule.name, rule)
    return _with_children(rule, lambda child: _substitute(child, operands))


def _with_children(node: Node, change: Callable[[Node], Node]) -> Node:
    match node:
        case Select():
            return replace(node, operand=change(node.operand))
        case Call():
            return replace(node, args=tuple(map(change, node.args)))
        case ListOf():
            return replace(node, items=tuple(map(change, node.items)))
        case Struct():
            return replace(node, parts=tuple(map(change, node.parts)))
        case Comprehension():
            return replace(
                node,
                range=change(node.range),
                init=change(node.init),
                condition=change(node.condition),
                step=change(node.step),
                result=change(node.result),
            )
        case _:
            return node
