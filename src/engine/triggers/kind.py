"""What a type of trigger is. Each is one file that fills in a `TriggerSpec`, and one line in `engine.triggers.TRIGGER_TYPES`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from domain.envelope import ActorType
from domain.execution import TriggerType
from domain.facts import Json
from engine.nodes.kind import Fault, object_schema

TEXT = {"type": "string", "minLength": 1, "maxLength": 4_096}
COMMON = {
    "type": {"type": "string"},
    "id": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]{0,62}$"},
    "name": {"type": "string", "minLength": 1, "maxLength": 200},
}
STARTING = {"input": True, "business_key": TEXT, "priority": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}}
"""What is said of the executions that it starts."""


def no_faults(_config: Json) -> Iterator[Fault]:
    return iter(())


def nothing_given(_now: datetime, _payload: Json) -> Mapping[str, Json]:
    return {}


@dataclass(frozen=True)
class TriggerSpec:
    """`fields`: the schema of those that it has beside `COMMON` ones; `variables`: the schemas of what its expressions see."""

    name: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    lint: Callable[[Json], Iterator[Fault]] = no_faults
    input: Json = None
    """The input of its executions, where the definition does not say. None: an empty object."""
    starts_as: TriggerType = "manual"
    acts_as: ActorType = "system"
    by_hand: Callable[[datetime, Json], Mapping[str, Json]] = nothing_given
    """What its expressions see where somebody runs it now, with a payload."""
    remembers: bool = True
    """Whether it is a stream of its own: there is something to pause, to come, or to have come."""

    @property
    def usual_input(self) -> Json:
        return {} if self.input is None else self.input

    @property
    def schema(self) -> Json:
        return object_schema({**COMMON, **self.fields}, ("type", *self.required))
