"""An approval request: who may choose which outcome, what people decided, and how it was resolved."""

from domain.approval.aggregate import APPROVAL, Approval, evolve
from domain.approval.deciding import (
    AlreadyDecided,
    ApprovalClosed,
    NoSuchApproval,
    UnknownOutcome,
    decide,
    missing_parts,
    offered,
)
from domain.approval.eligibility import Decider, Excluded, NotEligible, acting_role
from domain.approval.events import (
    ApprovalCancelled,
    ApprovalDecided,
    ApprovalEvent,
    ApprovalExpired,
    ApprovalRequested,
    ApprovalResolved,
    Outcome,
    OutcomeKind,
    Voter,
)

__all__ = [
    "APPROVAL",
    "AlreadyDecided",
    "Approval",
    "ApprovalCancelled",
    "ApprovalClosed",
    "ApprovalDecided",
    "ApprovalEvent",
    "ApprovalExpired",
    "ApprovalRequested",
    "ApprovalResolved",
    "Decider",
    "Excluded",
    "NoSuchApproval",
    "NotEligible",
    "Outcome",
    "OutcomeKind",
    "UnknownOutcome",
    "Voter",
    "acting_role",
    "decide",
    "evolve",
    "missing_parts",
    "offered",
]
