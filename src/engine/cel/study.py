"""What is told of an expression beside its faults: which nodes it reads, and what in it fails whatever the values are."""

from collections.abc import Callable, Iterator

from engine.cel.syntax import Call, Comprehension, Constant, Ident, ListOf, Node, Select, Struct, chain, children, walk

PATTERN = "matches"


def nodes_read(root: Node) -> frozenset[str]:
    """The ids of the nodes that it reads without asking by `has` whether they have run."""
    read, asked = set[str](), set[str]()

    def visit(node: Node) -> None:
        path = chain(node)
        if path is None:
            for child in children(node):
                visit(child)
        elif path[0] == "nodes" and path[1] and isinstance(path[1][0], str):
            (asked if isinstance(node, Select) and node.test else read).add(path[1][0])

    visit(root)
    return frozenset(read - asked)


def constant_faults(root: Node, failure: Callable[[Node], str | None]) -> Iterator[str]:
    """What is said of each part that is made of constants alone and cannot be evaluated. `failure`: why, if so."""
    for part in _constant_parts(root):
        said = failure(part)
        if said is not None:
            yield said


def _constant_parts(root: Node) -> Iterator[Node]:
    """The largest parts without a variable that do something; and constant patterns, as a part of their own."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if _is_constant(node):
            if any(isinstance(part, Call) for part in walk(node)):
                yield node
            continue
        if isinstance(node, Call) and node.function == PATTERN and len(node.args) == 2 and isinstance(node.args[1], Constant):
            yield Call(node.id, PATTERN, (Constant(0, "", b"\x32\x00"), node.args[1]), node.method)
        waiting.extend(children(node))


def _is_constant(node: Node) -> bool:
    return all(isinstance(part, Constant | Call | ListOf | Struct) for part in walk(node)) and not isinstance(
        node, Ident | Comprehension
    )
