"""What must hold of links to decide by, event by event: each is used once, for what it was made, together with its decision."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from domain.approval import ApprovalDecided
from domain.approval_link import ApprovalLinkMade, ApprovalLinkRevoked, ApprovalLinkUsed
from domain.envelope import RecordedEvent


@dataclass
class ApprovalLinkInvariants:
    _open: dict[UUID, ApprovalLinkMade] = field(default_factory=dict)
    _decided: dict[UUID, UUID] = field(default_factory=dict)
    """By link: the decision that was made by it, until it is told to have been used."""

    def see(self, record: RecordedEvent) -> Iterator[str]:
        """What is wrong with an event after those seen before."""
        event, stream = record.event, record.stream_id
        if isinstance(event, ApprovalLinkMade):
            self._open[stream] = event
        elif isinstance(event, ApprovalDecided) and event.link_id is not None:
            made = self._open.pop(event.link_id, None)
            self._decided[event.link_id] = event.decision_id
            if made is None:
                yield "was made by a link that there is not, or no more"
            elif (made.request_id, made.user_id, made.step, made.outcome) != (stream, event.user_id, event.step, event.outcome):
                yield "was made by a link that is for something else"
            elif made.expires_at <= record.occurred_at:
                yield "was made by a link that had expired"
        elif isinstance(event, ApprovalLinkUsed):
            if self._decided.pop(stream, None) != event.decision_id:
                yield "was used without a decision"
        elif isinstance(event, ApprovalLinkRevoked):
            self._open.pop(stream, None)
