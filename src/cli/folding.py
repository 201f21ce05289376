"""What each event of a stream changed, as text: what ``gesta events show --fold`` prints."""

from collections.abc import Iterator

from store.folded import Change, Step

LONGEST = 160
"""Characters of a value that are shown."""

BOLD, GREEN, RED, YELLOW, PLAIN = "\x1b[1m", "\x1b[32m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
COLOURS = {"+": GREEN, "-": RED, "~": YELLOW}


def told(change: Change) -> str:
    if change.sign == "~":
        return f"~ {change.path}: {_short(change.before)} → {_short(change.after)}"
    return f"{change.sign} {change.path}: {_short(change.after if change.sign == '+' else change.before)}"


def lines(step: Step, *, colours: bool) -> Iterator[str]:
    """A line for the event, and one for each change."""
    record = step.record
    who = ":".join(part for part in (record.envelope.actor_type, record.envelope.actor_id) if part)
    head = f"{record.position} v{record.version} {record.topic}  {record.recorded_at:%Y-%m-%d %H:%M:%S}Z  {who}"
    yield f"{BOLD}{head}{PLAIN}" if colours else head
    for change in step.changes:
        yield f"    {COLOURS[change.sign]}{told(change)}{PLAIN}" if colours else f"    {told(change)}"
    if not step.changes:
        yield "    (the state is as before)"


def _short(text: str | None) -> str:
    shown = text or ""
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
