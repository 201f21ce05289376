"""What a mail to a person says: of an event that concerns them, of what waits for them, or that it is a test.

Names of others are told of the requester alone: who decided what is for the request's own page to show, by its rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.facts import Json
from engine.chat_cards import OPEN, request_page
from engine.notice_words import LONGEST_TITLE, line, words

MOST_WAITING = 50
"""Of what waits that a digest names."""


@dataclass(frozen=True)
class Link:
    """`address`: where it leads; of one by which one decides, whoever has it can: it is never recorded."""

    label: str
    address: str = field(repr=False)
    decides: bool = False


@dataclass(frozen=True)
class Mail:
    """`items`: each a title, what is said of it, and where it leads. `thread`: the request whose mail belongs together."""

    subject: str
    headline: str
    title: str = ""
    text: str = ""
    facts: Sequence[tuple[str, str]] = ()
    links: Sequence[Link] = ()
    items: Sequence[tuple[str, str, str | None]] = ()
    note: str = ""
    thread: UUID | None = None


WHY = "You get this mail because Gesta is to tell you by mail what concerns you."
CONFIRM = "A link by which you decide asks you to confirm what you are about to do, and works once. Do not pass this mail on."


def of_event(message: Json, public_url: str | None, requested_by: str | None = None) -> Mail:
    """`message`: what a program would be sent. `requested_by`: the requester's name, where somebody asks."""
    said = words(message)
    facts = [*([("Requested by", line(requested_by, LONGEST_TITLE))] if requested_by else []), *said.facts]
    page = request_page(public_url, said.request_id)
    return Mail(
        f"{said.headline}: {said.title}" if said.title else said.headline,
        said.headline,
        said.title,
        said.text,
        facts,
        () if page is None else (Link(OPEN, page),),
        note=WHY,
        thread=None if said.request_id is None else UUID(said.request_id),
    )


def with_outcomes(mail: Mail, outcomes: Sequence[Link]) -> Mail:
    """With links by which the person decides, before the one to the request."""
    return replace(mail, links=(*outcomes, *mail.links), note=f"{CONFIRM} {mail.note}") if outcomes else mail


def of_digest(waiting: Sequence[Json], public_url: str | None) -> Mail:
    """`waiting`: {id, title, workflow_key, due_at, overdue} of each, the most urgent first; of more than are named, one more."""
    shown = waiting[:MOST_WAITING]
    items = [(line(each["title"], LONGEST_TITLE), _about(each), request_page(public_url, str(each["id"]))) for each in shown]
    count = _count(len(waiting))
    return Mail(f"{count} for you", f"{count} for you", text="The most urgent come first.", items=items, note=WHY)


def _count(waiting: int) -> str:
    if waiting > MOST_WAITING:
        return f"More than {MOST_WAITING} requests wait"
    return "1 request waits" if waiting == 1 else f"{waiting} requests wait"


def _about(waiting: Json) -> str:
    due = waiting["due_at"]
    told = [
        waiting["workflow_key"] or "",
        "" if due is None else f"{'overdue since' if waiting['overdue'] else 'due'} {due:%Y-%m-%d %H:%M} UTC",
    ]
    return ", ".join(filter(None, told))
