"""What the engine knows of expressions: a protocol, and how they sit in a node's configuration. Pure; names no library.

A configuration string that begins with `=` is an expression; `==` begins a literal that starts with one `=`. Edges and branches
carry theirs in `when`, without the `=`. Values are JSON: None, bool, int, float, str, list, dict with text keys; they are treated
as immutable and may be shared between what went in and what comes out. Variables, and objects in them, may be any Mapping.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from domain.effort import Effort
from engine.invalid import shortened
from engine.size_limit import TooLarge, weight

JSON: TypeAlias = Any
Schema: TypeAlias = Any  # a JSON Schema: a dict, True (anything), False (nothing) or None (not known)

ROOTS = (
    *("input", "nodes", "execution", "tenant", "event", "item", "index", "compensates", "response", "steps", "step", "request"),
    *("scheduled_at", "headers", "query", "body"),
    *("arguments", "caller", "spent", "value", "output", "usage"),
    *("expected", "calls"),
)

# Words that CEL keeps for itself; a node that bore one as its id could not be read by `nodes.<id>`.
RESERVED_WORDS = frozenset(
    {
        "as",
        "break",
        "const",
        "continue",
        "else",
        "false",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "namespace",
        "null",
        "package",
        "return",
        "true",
        "var",
        "void",
        "while",
    }
)


class ExpressionError(Exception):
    """An expression could not be evaluated. `str()` says what failed in a few words; `source` is the expression."""

    code = "expression_error"

    def __init__(self, message: str, source: str = "") -> None:
        super().__init__(shortened(message))
        self.source = source


@dataclass(frozen=True)
class ExpressionFinding:
    """What is wrong with an expression at publishing. Line and column count from 1; both are 0 where the whole is meant.

    Codes: syntax, too_large, undeclared, unknown_field, type, not_bool, constant_error.
    """

    code: str
    message: str
    line: int = 0
    column: int = 0
    severity: Literal["error", "warning"] = "error"


class Evaluator(Protocol):
    """Evaluates and checks expressions. Every failure is an ExpressionError or a finding, never another exception.

    `effort`: what the command that it is done for may compute; too much is an ExpressionError, too.
    """

    def evaluate(self, source: str, variables: Mapping[str, JSON], effort: Effort | None = None) -> JSON:
        """The value of the expression. Raises ExpressionError."""
        ...

    def evaluate_bool(self, source: str, variables: Mapping[str, JSON], effort: Effort | None = None) -> bool:
        """The value of a condition. Raises ExpressionError, also where the result is no boolean: there is no truthiness."""
        ...

    def evaluate_all(self, sources: Sequence[str], variables: Mapping[str, JSON], effort: Effort | None = None) -> list[JSON]:
        """The values of several expressions, in one piece of work. Raises the ExpressionError of the first that fails."""
        ...

    def check(
        self, source: str, types: Mapping[str, Schema], want: Literal["bool"] | None = None
    ) -> tuple[ExpressionFinding, ...]:
        """Findings for a source whose variables have these schemas; a variable that is not named there is undeclared."""
        ...

    def nodes_read(self, source: str) -> frozenset[str]:
        """The ids of the nodes that it reads, but for those of which it asks by `has` whether they have run."""
        ...


@dataclass(frozen=True)
class Budgeted:
    """An evaluator within what one command may compute."""

    evaluator: Evaluator
    effort: Effort

    def evaluate(self, source: str, variables: Mapping[str, JSON]) -> JSON:
        return self.evaluator.evaluate(source, variables, self.effort)

    def evaluate_bool(self, source: str, variables: Mapping[str, JSON]) -> bool:
        return self.evaluator.evaluate_bool(source, variables, self.effort)

    def evaluate_all(self, sources: Sequence[str], variables: Mapping[str, JSON]) -> list[JSON]:
        return self.evaluator.evaluate_all(sources, variables, self.effort)


def is_expression(value: JSON) -> bool:
    return isinstance(value, str) and value.startswith("=") and not value.startswith("==")


class Evaluates(Protocol):
    """What `resolve` needs of an evaluator."""

    def evaluate_all(self, sources: Sequence[str], variables: Mapping[str, JSON]) -> list[JSON]: ...


def resolve(config: JSON, evaluator: Evaluates, variables: Mapping[str, JSON]) -> JSON:
    """The configuration with every expression replaced by its result; `==x` becomes the text `=x`.

    Raises ExpressionError, also where all of it together is larger or deeper than an event may hold (`engine.size_limit`).
    """
    sources: list[str] = []
    _gather(config, sources)
    resolved = _replace(config, iter(evaluator.evaluate_all(sources, variables) if sources else ()))
    try:
        weight(resolved)
    except TooLarge as error:
        raise ExpressionError(str(error)) from None
    return resolved


def _gather(config: JSON, sources: list[str]) -> None:
    """What `expressions_in` finds, without saying where: every visit of a node does this."""
    if isinstance(config, str):
        if config.startswith("=") and not config.startswith("=="):
            sources.append(config[1:])
    elif isinstance(config, Mapping):
        for value in config.values():
            _gather(value, sources)
    elif isinstance(config, list | tuple):
        for value in config:
            _gather(value, sources)


def _replace(config: JSON, results: Iterator[JSON]) -> JSON:
    """In the order of `_gather`."""
    if isinstance(config, str):
        if not config.startswith("="):
            return config
        return config[1:] if config.startswith("==") else next(results)
    if isinstance(config, Mapping):
        return {key: _replace(value, results) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_replace(value, results) for value in config]
    return config


def expressions_in(config: JSON, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Every expression of a configuration as (JSON pointer, source without its `=`)."""
    if is_expression(config):
        yield pointer, config[1:]
    elif isinstance(config, Mapping):
        for key, value in config.items():
            escaped = str(key).replace("~", "~0").replace("/", "~1")
            yield from expressions_in(value, f"{pointer}/{escaped}")
    elif isinstance(config, list | tuple):
        for number, value in enumerate(config):
            yield from expressions_in(value, f"{pointer}/{number}")


def nodes_schema(outputs: Mapping[str, Schema]) -> Schema:
    """The schema of `nodes` for the nodes of a definition, each with the schema of its output (None where it has none).

    A `$ref` within an output's schema is meant within that schema, so each becomes a resource of its own (`$id`).
    """
    error = {
        "type": "object",
        "properties": {"type": {"type": "string"}, "message": {"type": "string"}, "attempts": {"type": "integer"}},
    }

    def node(node_id: str, output: Schema) -> Schema:
        own = {"$id": f"node:{node_id}", **output} if isinstance(output, Mapping) else True
        return {"type": "object", "properties": {"output": own, "error": error}, "additionalProperties": False}

    known = {node_id: node(node_id, output) for node_id, output in outputs.items()}
    return {"type": "object", "properties": known, "additionalProperties": False}
