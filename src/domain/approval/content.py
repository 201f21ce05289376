"""What a request asks, as whoever asked may change it: its content, its attachments, and how two versions differ."""

import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from domain.facts import FieldError, Invalid, Json

MOST_ATTACHMENTS = 50
LONGEST_REFERENCE = 2_000
LONGEST_NAME = 255
MOST_CHANGES = 500
"""Places that one version names in which it differs; where there are more, it names what these are in."""
SCHEMES = ("https", "http", "s3", "gs", "azure", "urn", "ipfs")
"""Of a reference: none that a browser would run. It has no credentials either: all who see the request see it."""
REFERENCE = re.compile(rf"(?!https?:[^/])(?:{'|'.join(SCHEMES)}):(?![/\\]+[^/?#\\]*@)[^\s\x00-\x1f\x7f]+")
SHA256 = re.compile(r"[0-9a-f]{64}")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")
POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")

Pointer: TypeAlias = str
"""A JSON pointer (RFC 6901) into the content."""


@dataclass(frozen=True)
class Attachment:
    """A file that is kept elsewhere: where, and what it must be to be that file. `size`: in bytes."""

    name: str
    reference: str
    sha256: str
    media_type: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class Content:
    title: str
    description: str | None = None
    context: Json = None
    attachments: tuple[Attachment, ...] = ()

    @property
    def as_json(self) -> dict[str, Json]:
        """What pointers lead into, and what expressions see of it."""
        return {
            "title": self.title,
            "description": self.description,
            "context": self.context,
            "attachments": attachments_json(self.attachments),
        }


@dataclass(frozen=True)
class Change:
    """A place in which one version differs from the one before."""

    path: Pointer
    how: Literal["added", "removed", "changed"]


def attachments_json(attachments: tuple[Attachment, ...]) -> list[dict[str, Json]]:
    return [asdict(each) for each in attachments]


def attachments_of(given: Json, path: str = "/attachments") -> tuple[Attachment, ...]:
    """As a client or a definition gives them. Raises Invalid naming each field that is wrong."""
    if not isinstance(given, list | tuple):
        raise Invalid("Attachments are a list.", path)
    if len(given) > MOST_ATTACHMENTS:
        raise Invalid(f"There may be at most {MOST_ATTACHMENTS} attachments.", path)
    faults = tuple(fault for number, each in enumerate(given) for fault in _faults(each, f"{path}/{number}"))
    if faults:
        raise Invalid(faults[0].message, faults[0].path, faults)
    return tuple(Attachment(**each) for each in given)


def _faults(given: Any, path: str) -> Iterator[FieldError]:
    if not isinstance(given, dict):
        yield FieldError(path, "invalid_attachment", "An attachment is an object.")
        return
    known = Attachment.__dataclass_fields__
    for name in given.keys() - known.keys():
        yield FieldError(f"{path}/{escaped(str(name))}", "unknown_field", "An attachment has no such field.")
    begins = ", ".join(f"{each}:" for each in SCHEMES)
    for name, pattern, words in (
        ("reference", REFERENCE, f"must be an address without credentials that begins with one of: {begins}"),
        ("sha256", SHA256, "must be 64 hexadecimal digits, in lower case"),
        ("name", re.compile(r"[^\x00-\x1f\x7f]+"), "must be a text without control characters"),
    ):
        value, longest = given.get(name), LONGEST_NAME if name == "name" else LONGEST_REFERENCE
        if name not in given:
            yield FieldError(f"{path}/{name}", "required", f"An attachment needs its {name}.")
        elif not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
            yield FieldError(f"{path}/{name}", "invalid_attachment", f"The {name} {words}, of at most {longest} characters.")
    media_type, size = given.get("media_type"), given.get("size")
    if media_type is not None and not (isinstance(media_type, str) and MEDIA_TYPE.fullmatch(media_type)):
        yield FieldError(f"{path}/media_type", "invalid_attachment", "The media type is like application/pdf.")
    if size is not None and not (isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53):
        yield FieldError(f"{path}/size", "invalid_attachment", "The size is a whole number of bytes.")


def differences(before: Json, after: Json) -> tuple[Change, ...]:
    """The places in which two JSON values differ, each by the deepest pointer that names it."""
    found: list[Change] = []
    for depth in (64, 4, 3, 2, 1, 0):
        found = list(_differences(before, after, "", depth))
        if len(found) <= MOST_CHANGES:
            break
    return tuple(found)


def _differences(before: Json, after: Json, path: Pointer, depth: int) -> Iterator[Change]:
    """Lists are compared place by place. What lies deeper than `depth` is named by what it is in."""
    if depth and isinstance(before, dict) and isinstance(after, dict):
        for name in (*before, *(each for each in after if each not in before)):
            at = f"{path}/{escaped(name)}"
            if name not in after:
                yield Change(at, "removed")
            elif name not in before:
                yield Change(at, "added")
            else:
                yield from _differences(before[name], after[name], at, depth - 1)
    elif depth and isinstance(before, list) and isinstance(after, list):
        for number in range(max(len(before), len(after))):
            at = f"{path}/{number}"
            if number >= len(after):
                yield Change(at, "removed")
            elif number >= len(before):
                yield Change(at, "added")
            else:
                yield from _differences(before[number], after[number], at, depth - 1)
    elif not is_same(before, after):
        yield Change(path, "changed")


def is_same(one: Json, other: Json) -> bool:
    """Numbers are numbers, 1 is 1.0; but true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def within(changes: Collection[Change], pointer: Pointer) -> bool:
    """Whether one of the changes is at the place, in it, or around it."""
    return any(_is_in(each.path, pointer) or _is_in(pointer, each.path) for each in changes)


def outside(changes: Collection[Change], pointers: Collection[Pointer]) -> tuple[Change, ...]:
    """The changes that are neither at one of the places nor in it."""
    return tuple(each for each in changes if not any(_is_in(each.path, pointer) for pointer in pointers))


def _is_in(path: Pointer, pointer: Pointer) -> bool:
    return path == pointer or path.startswith(f"{pointer}/")


def escaped(name: str) -> str:
    """As a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


MISSING: Json = object()
"""What is not there, which is not null."""


def at(value: Json, pointer: Pointer) -> Json:
    """What a JSON pointer leads to, or MISSING."""
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return MISSING
    return value
