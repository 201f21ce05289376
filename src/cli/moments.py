"""Options that are moments: typer parses by these, and names the option where one says no moment."""

from datetime import UTC, datetime

import typer


def moment(text: str) -> datetime:
    """A time of RFC 3339, or a day, which begins at midnight; without an offset, UTC."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text} is no moment like 2026-01-05T09:00:00Z, or a day like 2026-01-05.") from None


def past_moment(text: str) -> datetime:
    """One that was. What is asked of one to come would be answered as of now, and otherwise when it has come."""
    found = moment(text)
    if found > datetime.now(UTC):
        raise typer.BadParameter(f"{text} is in the future.")
    return found
