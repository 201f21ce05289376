"""Words that several sentences of the audit log share."""

from collections.abc import Iterable


def because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"
