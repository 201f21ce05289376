"""Checks the paths of an expression against JSON Schemas, and tells the type checker the types at their ends.

Covered: paths of fields, `["text"]` and `[number]` from a variable, or from the variable of a loop over such a path. A
field is unknown where a schema lists `properties` and does not allow others by `additionalProperties` or
`patternProperties`. Not covered, and taken as anything: schemas by allOf, anyOf, oneOf, not, if; several types at once;
the fields of what functions and operators return.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from engine.cel.syntax import Comprehension, Ident, Node, Select, Syntax, chain, children
from engine.expressions import ExpressionFinding, Schema

_Path = tuple[str, tuple[str | int, ...]]
_COMPOSED = ("allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "$dynamicRef")
_BESIDE_A_REFERENCE = frozenset(
    {"$ref", "$id", "$schema", "$anchor", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
     "deprecated", "readOnly", "writeOnly"}
)  # fmt: skip
"""What changes nothing in what a `$ref` says. Anything else beside one holds as well."""
TYPE_NAMES = frozenset(
    {(name, ()) for name in ("bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint")}
    | {("google", ("protobuf", name)) for name in ("Timestamp", "Duration")}
)
"""What `type(x)` is compared with."""
_NOUNS = {"string": "a text", "integer": "a number", "number": "a number", "boolean": "a boolean", "null": "null",
          "array": "a list", "object": "an object"}  # fmt: skip
_SCALARS = {"string": "string", "integer": "int", "number": "double", "boolean": "bool", "object": "map"}


class _UnknownFieldError(Exception):
    """The message says which field, and what there is."""


def check_paths(syntax: Syntax, source: str, types: Mapping[str, Schema]) -> tuple[ExpressionFinding, ...]:
    """Undeclared variables and unknown fields, each with its place."""
    findings = []
    for node, path, scope in _paths(syntax.root, {name: (schema, schema) for name, schema in types.items()}):
        if path[0].startswith("@") or path in TYPE_NAMES:
            continue
        line, column = _place(source, syntax.places.get(node.id, 0))
        if path[0] not in scope:
            known = ", ".join(types)
            findings.append(ExpressionFinding("undeclared", f"{path[0]} is not available here; available: {known}", line, column))
            continue
        try:
            _descend(*scope[path[0]], path)
        except _UnknownFieldError as error:
            findings.append(ExpressionFinding("unknown_field", str(error), line, column))
    return tuple(findings)


def typed_paths(syntax: Syntax, source: str, types: Mapping[str, Schema]) -> dict[str, tuple[str, ...]]:
    """Dotted path → ("list", …, "string" | "int" | "double" | "bool" | "map"), for each path read whose type is known.

    A path that is also tested by a `has` that could not be taken out of the text is left out: it would get the field's type.
    """
    scope = {name: (schema, schema) for name, schema in types.items()}
    typed: dict[str, tuple[str, ...]] = {}
    left = {path for node, path, _ in _paths(syntax.root, scope) if _is_test(node) and not _test_span(source, syntax, node)}
    shadowed = {name for node in _all(syntax.root) if isinstance(node, Comprehension) for name in node.variables}
    for node, path, inside in _paths(syntax.root, scope):
        names = [str(key) for key in path[1]]
        dotted = all(isinstance(key, str) and re.fullmatch(r"[A-Za-z_]\w*", key, re.ASCII) for key in path[1])
        if not names or not dotted or not _written_with_dots(node) or path[0] not in types or path[0] in shadowed or path in left:
            continue
        if signature := _signature(*_descend(*inside[path[0]], path)):
            typed[".".join((path[0], *names))] = signature
    return typed


def without_tests(source: str, syntax: Syntax) -> str:
    """The source with each `has(a.b)` replaced by `true`, blanks after it, so that every place stays where it was."""
    for node in _all(syntax.root):
        if _is_test(node) and (span := _test_span(source, syntax, node)):
            start, stop = span
            source = source[:start] + "true".ljust(stop - start) + source[stop:]
    return source


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _all(child)


def _is_test(node: Node) -> bool:
    return isinstance(node, Select) and node.test


def _written_with_dots(node: Node) -> bool:
    while isinstance(node, Select):
        node = node.operand
    return isinstance(node, Ident)


def _test_span(source: str, syntax: Syntax, node: Node) -> tuple[int, int] | None:
    """Where `has(…)` stands: the tree places it at its parenthesis."""
    at = syntax.places.get(node.id, -1)
    if source[max(at - 3, 0) : at] != "has":
        return None
    end = re.compile(r"\([\w.\s]*\)").match(source, at)
    return (at - 3, end.end()) if end else None


_Scope = Mapping[str, tuple[Schema, Schema]]  # name → (the document its schema stands in, the schema)


def _paths(node: Node, scope: _Scope) -> Iterator[tuple[Node, _Path, _Scope]]:
    """Every longest path of the expression with the variables that are visible there."""
    path = chain(node)
    if path is not None:
        yield node, path, scope
    elif isinstance(node, Comprehension):
        yield from _paths(node.range, scope)
        inner = {**scope, **dict.fromkeys(node.variables, (None, None)), **_element(node, scope)}
        for part in (node.init, node.condition, node.step, node.result):
            yield from _paths(part, inner)
    else:
        for child in children(node):
            yield from _paths(child, scope)


def _element(loop: Comprehension, scope: _Scope) -> _Scope:
    """The schema of a loop's one variable, where it runs over a path with a list at its end."""
    path = chain(loop.range)
    if path is None or path[0] not in scope or len(loop.variables) != 1:
        return {}
    try:
        document, schema = _descend(*scope[path[0]], path)
    except _UnknownFieldError:
        return {}
    if isinstance(schema, Mapping) and schema.get("type") == "array":
        return {loop.variables[0]: (document, _reference(document, schema.get("items")))}
    return {}


def _descend(document: Schema, schema: Schema, path: _Path) -> tuple[Schema, Schema]:
    name = path[0]
    schema = _reference(document, schema)
    for key in path[1]:
        schema = _step(schema, key, name)
        if isinstance(schema, Mapping) and "$id" in schema:
            document = schema
        schema = _reference(document, schema)
        name = f"{name}.{key}" if isinstance(key, str) else f"{name}[{key}]"
    return document, schema


def _step(schema: Schema, key: str | int, name: str) -> Schema:
    if not isinstance(schema, Mapping) or any(word in schema for word in _COMPOSED):
        return None
    kind = schema.get("type")
    if isinstance(key, int):
        return schema.get("items") if kind == "array" and "prefixItems" not in schema else None
    if isinstance(kind, str) and kind != "object":
        raise _UnknownFieldError(f"{name} is {_NOUNS.get(kind, kind)} and has no field {key!r}")
    properties = schema.get("properties", {})
    if not isinstance(properties, Mapping):
        return None
    if key in properties:
        return properties[key]
    unlisted = schema.get("unevaluatedProperties", False if properties else None)
    others = schema.get("additionalProperties", unlisted)
    if others is False and not schema.get("patternProperties"):
        known = ", ".join(sorted(properties)[:10])
        raise _UnknownFieldError(f"{name} has no field {key!r}; it has {known or 'none'}")
    return others if isinstance(others, Mapping) else None


def _reference(document: Schema, schema: Schema) -> Schema:
    """The schema that a `$ref` within the same document names; None (anything) for one that leads elsewhere or in a circle."""
    for _ in range(10):
        if not isinstance(schema, Mapping) or "$ref" not in schema:
            return schema
        if not schema.keys() <= _BESIDE_A_REFERENCE:
            return None
        target: Any = document
        pointer = str(schema["$ref"])
        if not pointer.startswith("#"):
            return None
        if len(pointer) > 1 and not pointer.startswith("#/"):
            schema = _anchored(document, pointer[1:])
            continue
        for part in pointer[1:].split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, Mapping) or part not in target:
                return None
            target = target[part]
        schema = target
    return None


def _anchored(document: Schema, anchor: str) -> Schema:
    """The schema that an anchor of the document names; None where that is not certain."""
    found, waiting = [], [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            if item is not document and "$id" in item:
                continue  # a document of its own
            if item.get("$anchor") == anchor:
                found.append(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return found[0] if len(found) == 1 else None


def _signature(document: Schema, schema: Schema, depth: int = 0) -> tuple[str, ...]:
    """Empty where the type is not known for certain."""
    if depth > 8 or not isinstance(schema, Mapping) or any(word in schema for word in _COMPOSED):
        return ()
    kind = schema.get("type")
    if kind == "array":
        items = None if "prefixItems" in schema else _reference(document, schema.get("items"))
        return ("list", *(_signature(document, items, depth + 1) or ("any",)))
    return (_SCALARS[kind],) if isinstance(kind, str) and kind in _SCALARS else ()


def _place(source: str, offset: int) -> tuple[int, int]:
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
