"""The forms of the names that people choose: slugs, keys, e-mail addresses. A wrong one is Invalid and names its field."""

import re
from collections.abc import Iterable

from domain.facts import FieldError, Invalid

SLUG = re.compile(r"[a-z][a-z0-9-]{0,62}")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")
MAX_NAME = 200


def require_slug(value: str, path: str) -> None:
    if not SLUG.fullmatch(value):
        raise Invalid(
            "A key starts with a lower-case letter; letters, digits and hyphens follow; at most 63 characters.",
            path,
        )


def require_email(value: str, path: str) -> None:
    if not EMAIL.fullmatch(value):
        raise Invalid("This is not an e-mail address.", path)


def require_text(value: str, path: str, most: int = MAX_NAME) -> None:
    if not value.strip() or len(value) > most:
        raise Invalid(f"Between 1 and {most} characters, not only blanks.", path)


def require_known(values: Iterable[str], known: Iterable[str], path: str, what: str) -> None:
    """Raises Invalid naming each value (by index below `path`) that is not among the known ones."""
    known = frozenset(known)
    faults = tuple(
        FieldError(f"{path}/{index}", "unknown", f"There is no {what} {value!r}.")
        for index, value in enumerate(values)
        if value not in known
    )
    if faults:
        raise Invalid(f"Unknown {what}.", path, faults)
