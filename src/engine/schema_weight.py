"""How heavy a JSON Schema is, before anything is held against it.

A schema is small and what it stands for may have no end: two `$ref`s in each of 28 definitions are 2^28 looks at one value.
`Weights` counts, for values of a given depth, how many keywords may look at one and the same place of a value. Numbers stop
growing at HEAVIEST.
"""

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urldefrag

from domain.facts import Json
from engine.regex_weight import regex_weight

HEAVIEST = 10**9
SCHEMAS_LIMIT = 20_000
"""Subschemas of a schema."""
DEEPEST = 64

# fmt: off
_SAME_PLACE = ("allOf", "anyOf", "oneOf")
_SAME_PLACE_ONE = ("not", "if", "then", "else")
_SAME_PLACE_NAMED = ("dependentSchemas", "dependencies")
_BELOW_ONE = (
    "additionalProperties", "unevaluatedProperties", "propertyNames", "items", "additionalItems", "contains", "unevaluatedItems",
)
# fmt: on
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Weight(NamedTuple):
    """`here`: keywords at the place itself. `most`: at the place where they are most. `text`: for each character of a text.

    `levels`: of schemas within, or referred to by, one another.
    """

    here: int
    most: int
    text: int
    levels: int


class Endless(ValueError):
    """A schema that applies itself to the very value that it is applied to."""


@dataclass(frozen=True)
class _Part:
    """A subschema taken apart."""

    own: int
    text: int
    same: tuple[int, ...]
    below: tuple[tuple[int, ...], ...]
    """Of each group at most one looks at a place below."""


class Weights:
    """Of one schema and its parts. Raises Endless where it has no end, ValueError where it is too large."""

    def __init__(self, schema: Json) -> None:
        self._document = schema
        self._numbers: dict[int, int] = {}
        self._schemas: list[Json] = []
        self._anchors: dict[str, Json] = {}
        self._parts: list[_Part | None] = []
        self._known: dict[tuple[int, int], Weight] = {}
        self.foreign = False
        """Whether something refers to what was not found here, so that nothing is known for certain."""
        self._index_anchors(schema)
        self._root = self._number(schema)

    def of(self, depth: int) -> Weight:
        """For values nested this deep."""
        return self._weigh(self._root, min(depth, DEEPEST))

    def _weigh(self, root: int, depth: int) -> Weight:
        """Depth first, with a stack of its own: a schema may be as deep as it likes."""
        known, under_way = self._known, set[tuple[int, int]]()
        waiting = [(root, depth)]
        while waiting:
            task = waiting[-1]
            if task in known:
                waiting.pop()
                continue
            part = self._part(task[0])
            needed = [(one, task[1]) for one in part.same]
            if task[1] > 0:
                needed += [(one, task[1] - 1) for group in part.below for one in group]
            missing = [one for one in needed if one not in known]
            if not missing:
                known[task] = _sum(part, task[1], known)
                under_way.discard(task)
                waiting.pop()
                continue
            under_way.add(task)
            if any(one in under_way for one in missing):
                raise Endless("The schema applies itself to the same value without end.")
            waiting += missing
        return known[root, depth]

    def _part(self, number: int) -> _Part:
        part = self._parts[number]
        if part is None:
            part = self._parts[number] = self._take_apart(self._schemas[number])
        return part

    def _take_apart(self, schema: Json) -> _Part:
        if not isinstance(schema, Mapping):
            return _Part(1, 0, (), ())
        same: list[int] = []
        below: list[tuple[int, ...]] = []
        for word in _SAME_PLACE:
            same += map(self._number, _list(schema.get(word)))
        same += [self._number(schema[word]) for word in _SAME_PLACE_ONE if word in schema]
        for word in _SAME_PLACE_NAMED:
            same += map(self._number, _named(schema.get(word)))
        same += [self._number(target) for word in _REFERENCES if word in schema for target in self._targets(schema[word])]
        below.append(tuple(map(self._number, _named(schema.get("properties")))))
        below += [(self._number(one),) for one in _named(schema.get("patternProperties"))]
        for word in _BELOW_ONE:
            if isinstance(schema.get(word), list):  # `items` of older drafts
                below.append(tuple(map(self._number, schema[word])))
            elif word in schema:
                below.append((self._number(schema[word]),))
        below.append(tuple(map(self._number, _list(schema.get("prefixItems")))))
        return _Part(_own(schema), _text(schema), tuple(same), tuple(group for group in below if group))

    def _number(self, schema: Json) -> int:
        number = self._numbers.get(id(schema)) if isinstance(schema, Mapping) else None
        if number is None:
            number = len(self._schemas)
            if number >= SCHEMAS_LIMIT:
                raise ValueError(f"A schema may have at most {SCHEMAS_LIMIT} subschemas.")
            self._schemas.append(schema)
            self._parts.append(None)
            if isinstance(schema, Mapping):
                self._numbers[id(schema)] = number
        return number

    # References

    def _targets(self, reference: Json) -> Iterator[Json]:
        """What a reference may mean. A dynamic anchor of this name may stand in several places."""
        base, fragment = urldefrag(str(reference))
        document = self._document if not base else self._anchors.get(base)
        if document is None:
            found = [each for name, each in self._anchors.items() if name and name.endswith(base)]
            document = found[0] if found else None
        if document is None:
            self.foreign = True
        elif not fragment:
            yield document
        elif fragment.startswith("/"):
            yield from self._at(document, fragment)
        elif f"#{fragment}" in self._anchors:
            yield self._anchors[f"#{fragment}"]
        else:
            self.foreign = True

    def _at(self, document: Json, pointer: str) -> Iterator[Json]:
        target = document
        for step in unquote(pointer).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(target, Mapping) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            else:
                self.foreign = True
                return
        yield target

    def _index_anchors(self, schema: Json) -> None:
        waiting = [schema]
        while waiting:
            item = waiting.pop()
            if isinstance(item, Mapping):
                for word in ("$anchor", "$dynamicAnchor"):
                    if isinstance(item.get(word), str):
                        self.foreign = self.foreign or f"#{item[word]}" in self._anchors  # which one is meant is not asked
                        self._anchors[f"#{item[word]}"] = item
                if item is not self._document and isinstance(item.get("$id"), str):
                    self.foreign = True  # references below are meant within it
                    self._anchors[item["$id"]] = item
                waiting.extend(item.values())
            elif isinstance(item, list):
                waiting.extend(item)


def _sum(part: _Part, depth: int, known: Mapping[tuple[int, int], Weight]) -> Weight:
    same = [known[one, depth] for one in part.same]
    groups = [[known[one, depth - 1] for one in group] for group in part.below] if depth > 0 else []
    here = part.own + sum(one.here for one in same)
    below = sum(max(one.most for one in group) for group in groups) + sum(one.most for one in same)
    text = part.text + sum(one.text for one in same) + sum(max(one.text for one in group) for group in groups)
    levels = 1 + max((one.levels for group in (same, *groups) for one in group), default=0)
    return Weight(min(here, HEAVIEST), min(max(here, below), HEAVIEST), min(text, HEAVIEST), levels)


def _own(schema: Mapping[str, Json]) -> int:
    """Its keywords, and what some of them list, all of which is gone through."""
    listed = sum(_size(schema[word]) for word in ("enum", "const") if word in schema)
    named = sum(len(_sized(schema.get(word))) for word in ("properties", "required", "patternProperties"))
    return 1 + len(schema) + listed + named + (16 if schema.get("uniqueItems") else 0)


def _text(schema: Mapping[str, Json]) -> int:
    patterns = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    patterns += schema["patternProperties"] if isinstance(schema.get("patternProperties"), Mapping) else ()
    return sum(map(regex_weight, patterns)) + (8 if "format" in schema else 0)


def _size(value: Json) -> int:
    size, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        size += 1
        if isinstance(item, Mapping):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return size


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _named(value: Json) -> Iterable[Json]:
    return value.values() if isinstance(value, Mapping) else ()


def _sized(value: Json) -> Sized:
    return value if isinstance(value, list | Mapping) else ()
