"""CEL by `cel_expr_python` 0.1.3, made safe for a server. No other package imports that library.

What the adapter adds to the library, and why:

- **Numbers are numbers.** JSON does not tell 100 from 100.0. `+ - * / %` are rewritten (numbers.py);
  comparisons mix anyway. Whole numbers stay whole (100 + 1 is 101). `/` divides as on paper: 7 / 2 is 3.5, 6 / 2 is 3,
  whatever JSON said; `int(a / b)` cuts. Division by zero is an error. `%` takes the sign of its left side.
- **No function of ours is ever called by the library**: it leaks what it passes and what it gets.
- **Whole numbers beyond 64 bits** travel as a one-key map that no operator takes, and leave exactly; arithmetic on them
  is an error.
- **Errors are values** in this library, of type ERROR, also inside lists and maps: every value is asked for its type
  before it is read.
- **Null is never read.** On Python 3.11 reading a null loses a reference to None, which in the end aborts the process.
- **Text with NUL or lone surrogates** is refused on the way in (the library cuts it, or dereferences NULL) and out.
- **Only what the expression reads is converted**: `input.a.b` converts that field, not the context. A bare path never
  enters the library and yields the very value.
- **Cost.** The library stops after 10,000 loop steps and 32 levels of nesting; a step may still compare or copy a
  megabyte. The work of loops is estimated from the sizes at hand, and refused before it starts when it would take
  more than about a second.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

from cel_expr_python import cel  # type: ignore[import-untyped]  # stubs without py.typed

from domain.effort import COMMAND, HERE, SMALL, Effort, TooCostly
from domain.storable import text_fault
from engine.cel.check import check_paths, typed_paths, without_tests
from engine.cel.cost import Cost, loop_costs, work
from engine.cel.messages import findings_in, in_words
from engine.cel.numbers import Numbers
from engine.cel.study import constant_faults, nodes_read
from engine.cel.syntax import Node, Select, Struct, Syntax, chain, children, read, walk, write
from engine.cel.values import ResultConverter, Trie, kind_of, lower_reads, pick
from engine.expressions import JSON, ROOTS, ExpressionError, ExpressionFinding, Schema
from engine.measure import json_size

SOURCE_LIMIT = 4096  # code points of an expression
COMPILING = 40  # units for a code point: it is parsed, rewritten and read again
EVALUATING = 400  # units for an expression, however small
CONVERTING = 2  # units for a byte of what it reads, as JSON
LOOPED = 1 << 16  # bytes: what loops over more is measured elsewhere


@dataclass(frozen=True)
class _Program:
    expression: cel.Expression
    path: tuple[str, tuple[str | int, ...]] | None  # set where the expression is nothing but a path
    reads: Trie
    costs: tuple[Cost, ...]


class CelEvaluator:
    """`engine.expressions.Evaluator` by CEL. Holds its environment and an LRU cache of compiled expressions; no other state."""

    def __init__(self, cache_size: int = 2048) -> None:
        self._env = cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN))
        self._numbers = Numbers.parsed_by(lambda source: read(self._parse(source).serialize()).root)
        self._programs: OrderedDict[str, _Program] = OrderedDict()
        self._most = cache_size

    def evaluate(self, source: str, variables: Mapping[str, JSON], effort: Effort | None = None) -> JSON:
        return self.evaluate_all([source], variables, effort)[0]

    def evaluate_bool(self, source: str, variables: Mapping[str, JSON], effort: Effort | None = None) -> bool:
        result = self.evaluate(source, variables, effort)
        if isinstance(result, bool):
            return result
        raise ExpressionError(f"a condition must be true or false, not {kind_of(result)}", source)

    def evaluate_all(self, sources: Sequence[str], variables: Mapping[str, JSON], effort: Effort | None = None) -> list[JSON]:
        effort = effort or Effort()
        try:
            if effort.is_light(sum(self._units(source, variables, effort) for source in sources)):
                return [self._evaluate(source, variables) for source in sources]
            done: tuple[bool, Any] = effort.elsewhere(("evaluate", list(sources), self._picked(sources, variables)))
        except TooCostly as error:
            raise ExpressionError(str(error), sources[0]) from None
        if not done[0]:
            raise ExpressionError(*done[1])
        return list(done[1])

    def _units(self, source: str, variables: Mapping[str, JSON], effort: Effort) -> int:
        """An estimate from above of what it takes; a rough one where it was not compiled yet."""
        program = self._programs.get(source)
        if program is None:
            compiling = COMPILING * len(source)
            if compiling > SMALL:
                return compiling
            effort.is_light(compiling)
            try:
                program = self._program(source)
            except (ExpressionError, RuntimeError, ValueError, RecursionError):
                return EVALUATING  # whoever evaluates it says why
        if program.path is not None:
            return EVALUATING // 8
        data = {root: pick(variables[root], trie) for root, trie in program.reads.items() if root in variables}
        size = json_size(data, effort) if len(data) == 1 else sum(json_size(each, effort) for each in data.values())
        units = EVALUATING + CONVERTING * size
        if program.costs:
            units += HERE if size > LOOPED else int(work(program.costs, data))
        return units

    def _picked(self, sources: Sequence[str], variables: Mapping[str, JSON]) -> dict[str, JSON]:
        """What these expressions read of the variables; everything, of one that cannot be read itself."""
        trie: Trie = {}
        for source in sources:
            try:
                reads = self._program(source).reads
            except (ExpressionError, RuntimeError, ValueError, RecursionError):
                continue
            _merge(trie, reads)
        return {root: pick(variables[root], below) for root, below in trie.items() if root in variables}

    def _evaluate(self, source: str, variables: Mapping[str, JSON]) -> JSON:
        try:
            program = self._program(source)
            if program.path is not None:
                return _follow(*program.path, variables)
            data = {root: lower_reads(variables[root], trie) for root, trie in program.reads.items() if root in variables}
            if program.costs and work(program.costs, data) > COMMAND:
                raise ExpressionError("the expression costs too much on values of this size")
            return ResultConverter().lift(program.expression.eval(data=data), 0)
        except ExpressionError as error:
            error.source = source
            raise
        except (RuntimeError, ValueError, OverflowError, RecursionError) as error:
            raise ExpressionError(in_words(str(error)), source) from error

    def _program(self, source: str) -> _Program:
        program = self._programs.get(source)
        if program is None:
            program = self._programs[source] = self._compile(source)
            if len(self._programs) > self._most:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(source)
        return program

    def check(
        self, source: str, types: Mapping[str, Schema], want: Literal["bool"] | None = None
    ) -> tuple[ExpressionFinding, ...]:
        try:
            syntax = read(self._parse(source).serialize())
            forbidden = _forbidden(syntax.root)
            if forbidden:
                return (ExpressionFinding("type", forbidden),)
            self._rewritten(syntax.root)
        except ExpressionError as error:
            code = "too_large" if "limit" in str(error) else "syntax"
            return (ExpressionFinding(code, str(error)),)
        except RuntimeError as error:
            return findings_in(str(error), "syntax")
        findings = check_paths(syntax, source, types) or _check_types(source, syntax, types, want)
        return findings or tuple(
            ExpressionFinding("constant_error", f"This fails whatever the values are: {in_words(said)}.", severity="warning")
            for said in constant_faults(syntax.root, self._failure)
        )

    def nodes_read(self, source: str) -> frozenset[str]:
        try:
            return nodes_read(read(self._parse(source).serialize()).root)
        except (ExpressionError, RuntimeError):
            return frozenset()

    def _failure(self, part: Node) -> str | None:
        """Why a part without variables cannot be evaluated. Its value may be what no whole may be, as a type."""
        try:
            value = self._rewritten(part).eval(data={})
        except (ExpressionError, RuntimeError, ValueError, OverflowError) as error:
            return str(error)
        return str(value.value()) if value.type() == cel.Type.ERROR else None

    def _parse(self, source: str) -> cel.Expression:
        if len(source) > SOURCE_LIMIT:
            raise ExpressionError(f"the expression is longer than the limit of {SOURCE_LIMIT} characters")
        if text_fault(source) is not None:
            raise ExpressionError("the expression is not text: NUL or a lone surrogate")
        return self._env.compile(source, disable_check=True)

    def _compile(self, source: str) -> _Program:
        root = read(self._parse(source).serialize()).root
        forbidden = _forbidden(root)
        if forbidden:
            raise ExpressionError(forbidden)
        path = chain(root) if not isinstance(root, Select) or not root.test else None
        return _Program(self._rewritten(root), path, _reads(root), loop_costs(root))

    def _rewritten(self, root: Node) -> cel.Expression:
        return self._env.deserialize(write(self._numbers.rewrite(root)))


# --- Before: what the expression is -----------------------------------------------------------------------------------


def _forbidden(root: Node) -> str:
    for node in walk(root):
        if isinstance(node, Struct) and node.message:
            return f"objects have no type name: {node.message}"
    return ""


def _reads(root: Node) -> Trie:
    """The variables an expression names, and below each the fields. Names of loop variables may be among them: harmless."""
    trie: Trie = {}

    def visit(node: Node) -> None:
        path = chain(node)
        if path is None:
            for child in children(node):
                visit(child)
        elif path[0] in ROOTS:
            _add(trie, path, isinstance(node, Select) and node.test)

    visit(root)
    return trie


def _add(trie: Trie, path: tuple[str, tuple[str | int, ...]], test: bool) -> None:
    keys: list[str] = [path[0]]
    for key in path[1]:
        if isinstance(key, int):  # of a list: convert the whole of it, positions must not move
            test = False
            break
        keys.append(key)
    for key in keys[:-1]:
        below = trie.setdefault(key, {})
        if below is None:
            return
        trie = below
    if not test:
        trie[keys[-1]] = None
    else:
        trie.setdefault(keys[-1], {})


def _merge(into: Trie, reads: Trie) -> None:
    for key, below in reads.items():
        if below is None or into.get(key, {}) is None:
            into[key] = None
        else:
            _merge(into.setdefault(key, {}), below)


def _follow(root: str, keys: tuple[str | int, ...], variables: Mapping[str, JSON]) -> JSON:
    if root not in variables:
        raise ExpressionError(f"{root} is not available here")
    value = variables[root]
    name = root
    for key in keys:
        if isinstance(value, Mapping) and isinstance(key, str):
            if key not in value:
                raise ExpressionError(f"{name} has no {key!r}")
        elif not isinstance(value, list) or isinstance(key, str):
            raise ExpressionError(f"{name} is {kind_of(value)} and has no {key!r}")
        elif not 0 <= key < len(value):
            raise ExpressionError(f"{name} has no element {key}")
        value = value[key]
        name = f"{name}.{key}" if isinstance(key, str) else f"{name}[{key}]"
    return dict(value) if isinstance(value, Mapping) and not isinstance(value, dict) else value


# --- Numbers ----------------------------------------------------------------------------------------------------------


@cache
def _checked_arithmetic() -> cel.CelExtension:
    """Mixed operators for the type checker, which is stricter than evaluation: it knows no mixed comparison or choice.

    They are declared, never called.
    """
    whole, real, yes, dyn = cel.Type.INT, cel.Type.DOUBLE, cel.Type.BOOL, cel.Type.DYN
    mixed = ((whole, real), (real, whole))

    def function(name: str, label: str, *signatures: tuple[cel.Type, ...]) -> Any:
        return cel.FunctionDecl(
            name,
            [cel.Overload(f"{label}_{n}", result, list(args), False) for n, (result, *args) in enumerate(signatures)],
        )

    arithmetic = {"_+_": "add", "_-_": "subtract", "_*_": "multiply"}
    comparisons = {"_==_": "eq", "_!=_": "ne", "_<_": "lt", "_<=_": "le", "_>_": "gt", "_>=_": "ge"}
    member = cel.Type.List
    unlike = ((member(whole), member(real)), (member(real), member(whole)))
    lists = {name: unlike if name in ("_==_", "_!=_") else () for name in comparisons}
    return cel.CelExtension(
        "numbers",
        [
            *(function(name, label, *((real, *pair) for pair in mixed)) for name, label in arithmetic.items()),
            *(function(name, label, *((yes, *pair) for pair in (*mixed, *lists[name]))) for name, label in comparisons.items()),
            function("_%_", "remainder", *((real, *pair) for pair in (*mixed, (real, real)))),
            function("_/_", "divide", (dyn, whole, whole), *((real, *pair) for pair in (*mixed, (real, real)))),
            function("_?_:_", "choose", (dyn, yes, dyn, dyn)),
            function("@in", "member", *((yes, one, member(other)) for one, other in (*mixed, *unlike))),
            function("_[_]", "element", (dyn, member(dyn), real)),
        ],
    )


_WITHOUT = "stdlib:\n  exclude_functions:\n    - name: '_/_'\n    - name: '_?_:_'\n"


# --- Checking ---------------------------------------------------------------------------------------------------------


def _check_types(
    source: str, syntax: Syntax, types: Mapping[str, Schema], want: Literal["bool"] | None
) -> tuple[ExpressionFinding, ...]:
    """What the library's type checker says, with every path whose schema is known declared as a variable of its type."""
    env = _env_of(tuple(types), tuple(sorted(typed_paths(syntax, source, types).items())))
    try:
        result = env.compile(without_tests(source, syntax)).return_type()
    except RuntimeError as error:
        return findings_in(str(error), "type")
    if want == "bool" and result not in (cel.Type.BOOL, cel.Type.DYN):
        return (ExpressionFinding("not_bool", f"a condition must be true or false; this is of type {result.name().lower()}"),)
    return ()


@lru_cache(maxsize=256)
def _env_of(names: tuple[str, ...], typed: tuple[tuple[str, tuple[str, ...]], ...]) -> cel.Env:
    """Shared by the expressions that read the same paths: to make one costs as much as to check one."""
    variables = dict.fromkeys(names, cel.Type.DYN) | {path: _cel_type(signature) for path, signature in typed}
    return cel.NewEnv(config=_config(), variables=variables, extensions=[_checked_arithmetic()])


@cache
def _config() -> cel.EnvConfig:
    return cel.NewEnvConfigFromYaml(_WITHOUT)


def _cel_type(signature: tuple[str, ...]) -> cel.Type:
    """("list", "list", "int") → list of lists of whole numbers."""
    scalars = {"string": cel.Type.STRING, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "bool": cel.Type.BOOL}
    *lists, inner = signature
    result = scalars.get(inner, cel.Type.DYN) if inner != "map" else cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    for _ in lists:
        result = cel.Type.List(result)
    return result
