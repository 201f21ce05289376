"""Who asks for a decision that no execution asks for: what `engine.asking` and `engine.stepping` need of a node's visit."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.facts import Json, View
from engine.definition import Node
from engine.expressions import Budgeted


@dataclass(frozen=True)
class OwnAsker:
    """As `engine.nodes.kind.Visit`. `node`: what was asked for, as an approval node would have it. It sees no variables."""

    view: View
    evaluator: Budgeted
    node: Node
    requested_by: UUID | None
    requesters: tuple[UUID, ...]
    """Who asks, and who does so on their behalf."""
    variables: Mapping[str, Json]
