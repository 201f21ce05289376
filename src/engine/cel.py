"""CEL by `cel_expr_python` 0.1.3, made safe for a server. No other module imports that library.

What the adapter adds to the library, and why:

- **Numbers are numbers.** JSON does not tell 100 from 100.0. `+ - * / %` are rewritten (cel_numbers.py);
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

import datetime as dt
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from cel_expr_python import cel  # type: ignore[import-untyped]  # stubs without py.typed

from engine.cel_check import check_paths, typed_paths, without_tests
from engine.cel_cost import Cost, loop_costs, work
from engine.cel_messages import findings_in, in_words
from engine.cel_numbers import Numbers
from engine.cel_syntax import Node, Select, Struct, Syntax, chain, children, read, walk, write
from engine.expressions import JSON, ROOTS, ExpressionError, Finding, Schema

SOURCE_LIMIT = 4096  # code points of an expression
RESULT_LIMIT = 1 << 20  # about the bytes of its result as JSON
DEPTH_LIMIT = 100  # of values, both ways
WORK_LIMIT = 40_000_000  # units of some 25 ns

_BIG_KEY = -(2**63)  # JSON's keys are texts, so no JSON object looks like this
_INT64 = range(-(2**63), 2**63)

_Trie = dict[str, Any]  # key → the paths below it; None where the whole value is needed


@dataclass(frozen=True)
class _Program:
    expression: cel.Expression
    path: tuple[str, tuple[str | int, ...]] | None  # set where the expression is nothing but a path
    reads: _Trie
    costs: tuple[Cost, ...]


class CelEvaluator:
    """`engine.expressions.Evaluator` by CEL. Holds its environment and an LRU cache of compiled expressions; no other state."""

    def __init__(self, cache_size: int = 2048) -> None:
        self._env = cel.NewEnv(variables=dict.fromkeys(ROOTS, cel.Type.DYN))
        self._numbers = Numbers.parsed_by(lambda source: read(self._parse(source).serialize()).root)
        self._program: Callable[[str], _Program] = lru_cache(maxsize=cache_size)(self._compile)

    def evaluate(self, source: str, variables: Mapping[str, JSON]) -> JSON:
        try:
            program = self._program(source)
            if program.path is not None:
                return _follow(*program.path, variables)
            data = {root: _lower_reads(variables[root], trie) for root, trie in program.reads.items() if root in variables}
            if program.costs and work(program.costs, data) > WORK_LIMIT:
                raise ExpressionError("the expression costs too much on values of this size")
            return _Result().lift(program.expression.eval(data=data), 0)
        except ExpressionError as error:
            error.source = source
            raise
        except (RuntimeError, ValueError, OverflowError, RecursionError) as error:
            raise ExpressionError(in_words(str(error)), source) from error

    def evaluate_bool(self, source: str, variables: Mapping[str, JSON]) -> bool:
        result = self.evaluate(source, variables)
        if isinstance(result, bool):
            return result
        raise ExpressionError(f"a condition must be true or false, not {_kind(result)}", source)

    def check(self, source: str, types: Mapping[str, Schema], want: Literal["bool"] | None = None) -> tuple[Finding, ...]:
        try:
            syntax = read(self._parse(source).serialize())
            self._rewritten(syntax.root)
        except ExpressionError as error:
            code = "too_large" if "limit" in str(error) else "syntax"
            return (Finding(code, str(error)),)
        except RuntimeError as error:
            return findings_in(str(error), "syntax")
        forbidden = _forbidden(syntax.root)
        if forbidden:
            return (Finding("type", forbidden),)
        findings = check_paths(syntax, source, types)
        if findings:
            return findings
        return _check_types(source, syntax, types, want)

    def _parse(self, source: str) -> cel.Expression:
        if len(source) > SOURCE_LIMIT:
            raise ExpressionError(f"the expression is longer than the limit of {SOURCE_LIMIT} characters")
        if "\x00" in source or not _encodable(source):
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


def _reads(root: Node) -> _Trie:
    """The variables an expression names, and below each the fields. Names of loop variables may be among them: harmless."""
    trie: _Trie = {}

    def visit(node: Node) -> None:
        path = chain(node)
        if path is None:
            for child in children(node):
                visit(child)
        elif path[0] in ROOTS:
            _add(trie, path, isinstance(node, Select) and node.test)

    visit(root)
    return trie


def _add(trie: _Trie, path: tuple[str, tuple[str | int, ...]], test: bool) -> None:
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
            raise ExpressionError(f"{name} is {_kind(value)} and has no {key!r}")
        elif not 0 <= key < len(value):
            raise ExpressionError(f"{name} has no element {key}")
        value = value[key]
        name = f"{name}.{key}" if isinstance(key, str) else f"{name}[{key}]"
    return dict(value) if isinstance(value, Mapping) and not isinstance(value, dict) else value


# --- In: from JSON to what the library takes --------------------------------------------------------------------------


def _lower_reads(value: JSON, trie: _Trie | None, depth: int = 0) -> Any:
    if trie is None:
        return _lower(value, depth)
    if not isinstance(value, Mapping):
        return True  # asked only whether it is there, or for a field, which no text, number or list has
    return {key: _lower_reads(value[key], below, depth + 1) for key, below in trie.items() if key in value}


def _lower(value: JSON, depth: int) -> Any:
    if depth > DEPTH_LIMIT:
        raise ExpressionError("a value is nested too deeply")
    kind = type(value)
    if kind is str:
        return value if value.isascii() and "\x00" not in value else _text(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if value in _INT64 else {_BIG_KEY: str(value)}
    if kind is float:
        if not math.isfinite(value):
            raise ExpressionError("a number is not finite")
        return value
    if kind is dict or isinstance(value, Mapping):
        return {_key(key): _lower(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lower(item, depth + 1) for item in value]
    raise ExpressionError(f"a value of type {kind.__name__} is not JSON")


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ExpressionError("the keys of an object must be texts")
    return _text(key)


def _text(value: str) -> str:
    if "\x00" in value or not _encodable(value):
        raise ExpressionError("a text holds NUL or a lone surrogate")
    return value


def _encodable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Out: from the library's values to JSON ---------------------------------------------------------------------------


class _Result:
    """Turns one result into JSON, within RESULT_LIMIT. Never calls `value()` on a null or an error."""

    def __init__(self) -> None:
        self.left = RESULT_LIMIT

    def lift(self, value: cel.Value, depth: int) -> JSON:
        kind = value.type().name().partition("<")[0]
        if depth > DEPTH_LIMIT:
            raise ExpressionError("the result is nested too deeply")
        self._spend(8)
        match kind:
            case "NULL":
                return None
            case "BOOL" | "INT" | "UINT":
                return value.value()
            case "DOUBLE":
                number: float = value.value()
                if not math.isfinite(number):
                    raise ExpressionError("the result is not a finite number")
                return number
            case "STRING":
                text: str = value.value()
                self._spend(len(text))
                return _text(text)
            case "LIST":
                items: list[cel.Value] = value.value()
                return [self.lift(item, depth + 1) for item in items]
            case "MAP":
                return self._object(value.value(), depth)
            case "TIMESTAMP":
                return _rfc3339(value.value())
            case "DURATION":
                return _iso8601(value.value())
            case "ERROR":
                raise ExpressionError(in_words(value.value()))
            case _:
                raise ExpressionError(f"a result of type {kind.lower()} is not JSON")

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise ExpressionError("the result is too large")

    def _object(self, entries: dict[Any, cel.Value], depth: int) -> JSON:
        # The library hashes its keys; sorted, the same expression always yields the same bytes.
        if len(entries) == 1 and _BIG_KEY in entries:
            return int(entries[_BIG_KEY].value())
        self._spend(sum(len(key) for key in entries if isinstance(key, str)))
        return {key: self.lift(entries[key], depth + 1) for key in sorted(map(_key, entries))}


def _rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().removesuffix("+00:00") + "Z"


def _iso8601(span: dt.timedelta) -> str:
    """Hours, minutes and seconds: a day is not always 24 hours, an hour is always an hour."""
    micros = span // dt.timedelta(microseconds=1)
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    seconds, fraction = divmod(micros, 1_000_000)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    exact = f"{seconds}.{fraction:06d}".rstrip("0") if fraction else str(seconds)
    parts = [f"{hours}H" if hours else "", f"{minutes}M" if minutes else "", f"{exact}S" if seconds or fraction else ""]
    return f"{sign}PT{''.join(parts) or '0S'}"


# --- Numbers ----------------------------------------------------------------------------------------------------------


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
    return cel.CelExtension(
        "numbers",
        [
            *(function(name, label, *((real, *pair) for pair in mixed)) for name, label in arithmetic.items()),
            *(function(name, label, *((yes, *pair) for pair in mixed)) for name, label in comparisons.items()),
            function("_%_", "remainder", *((real, *pair) for pair in (*mixed, (real, real)))),
            function("_/_", "divide", (dyn, whole, whole), *((real, *pair) for pair in (*mixed, (real, real)))),
            function("_?_:_", "choose", (dyn, yes, dyn, dyn)),
            function("@in", "member", (yes, whole, member(real)), (yes, real, member(whole))),
            function("_[_]", "element", (dyn, member(dyn), real)),
        ],
    )


_WITHOUT = "stdlib:\n  exclude_functions:\n    - name: '_/_'\n    - name: '_?_:_'\n"


# --- Checking ---------------------------------------------------------------------------------------------------------


def _check_types(source: str, syntax: Syntax, types: Mapping[str, Schema], want: Literal["bool"] | None) -> tuple[Finding, ...]:
    """What the library's type checker says, with every path whose schema is known declared as a variable of its type."""
    variables = dict.fromkeys(types, cel.Type.DYN)
    variables |= {name: _cel_type(signature) for name, signature in typed_paths(syntax, source, types).items()}
    env = cel.NewEnv(config=cel.NewEnvConfigFromYaml(_WITHOUT), variables=variables, extensions=[_checked_arithmetic()])
    try:
        result = env.compile(without_tests(source, syntax)).return_type()
    except RuntimeError as error:
        return findings_in(str(error), "type")
    if want == "bool" and result not in (cel.Type.BOOL, cel.Type.DYN):
        return (Finding("not_bool", f"a condition must be true or false; this is of type {result.name().lower()}"),)
    return ()


def _cel_type(signature: tuple[str, ...]) -> cel.Type:
    """("list", "list", "int") → list of lists of whole numbers."""
    scalars = {"string": cel.Type.STRING, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "bool": cel.Type.BOOL}
    *lists, inner = signature
    result = scalars.get(inner, cel.Type.DYN) if inner != "map" else cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    for _ in lists:
        result = cel.Type.List(result)
    return result


def _kind(value: JSON) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list", type(None): "null"}
    return names.get(type(value), "an object")
