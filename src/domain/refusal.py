"""A command that the rules or permissions refused: evidence, not state. Each refusal is a stream of one event."""

from dataclasses import dataclass

from domain.facts import Aggregate, Event, EventType


@dataclass(frozen=True)
class CommandRefused(Event):
    """`command`: its name, e.g. "approval.decide". `resource`, `resource_id`: what it was about, where it named one."""

    command: str
    code: str
    message: str
    resource: str | None = None
    resource_id: str | None = None
    path: str | None = None


def evolve(_state: None, _event: CommandRefused) -> None:
    return None


REFUSAL: Aggregate[None] = Aggregate(
    "refusal",
    None,
    evolve,
    (
        EventType(
            CommandRefused,
            "command.refused.v1",
            lambda e, _: f"{e.command} was refused ({e.code}): {e.message}",
            severity="warning",
            note="What the rules or permissions refused, with the command's name and why.",
        ),
    ),
    "system",
)
