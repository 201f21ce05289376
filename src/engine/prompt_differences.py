"""In what two versions of a prompt differ: each field, and the texts line by line."""

from collections.abc import Iterator
from difflib import unified_diff

from domain.facts import Json
from domain.prompt import PromptContent, content_json

MOST_LINES = 2_000
"""Of a text that is compared line by line: comparing takes the square of them at worst. Longer ones are told to differ."""


def differences(before: PromptContent, after: PromptContent) -> list[Json]:
    """[{path, how: added | removed | changed, before?, after?}], by JSON pointers into a version."""
    return list(_differences(content_json(before), content_json(after), ""))


def _differences(before: Json, after: Json, path: str) -> Iterator[Json]:
    for name in sorted({*before, *after}):
        place = f"{path}/{name}"
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if name in ("template", "variables", "defaults") and path == "":
            yield from _differences(old or {}, new or {}, place)
        elif old is None:
            yield {"path": place, "how": "added", "after": new}
        elif new is None:
            yield {"path": place, "how": "removed", "before": old}
        else:
            yield {"path": place, "how": "changed", "before": old, "after": new}


def lines(before: str | None, after: str | None) -> str | None:
    """A unified diff of two texts; None where they are equal, or too long to compare."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if before == after or max(len(old), len(new)) > MOST_LINES:
        return None
    return "\n".join(unified_diff(old, new, "before", "after", lineterm=""))
