"""An approval request by itself: what it offers, and to whom."""

from dataclasses import replace
from uuid import UUID

import pytest

from domain.approval import (
    APPROVAL,
    Approval,
    ApprovalCancelled,
    ApprovalClosed,
    ApprovalDecided,
    ApprovalRequested,
    ApprovalResolved,
    Decider,
    Excluded,
    NoSuchApproval,
    NotEligible,
    Outcome,
    UnknownOutcome,
    acting_role,
    decide,
    evolve,
)

ANN, BEN, DECISION = UUID(int=1), UUID(int=2), UUID(int=9)
REQUESTED = ApprovalRequested(
    UUID(int=3),
    UUID(int=4),
    "ask",
    "Pay?",
    {"type": "single"},
    (Outcome("ok", "approve", (BEN,), ("boss", "board")), Outcome("no", "reject")),
)
PENDING = evolve(Approval(), REQUESTED)


def test_one_decision_resolves_a_request_of_the_rule_single() -> None:
    decided, resolved = decide(PENDING, Decider(ANN, ("boss",)), "ok", DECISION, comment="fine", form={"a": 1})
    assert decided == ApprovalDecided(DECISION, ANN, "ok", "approve", role="boss", comment="fine", form={"a": 1})
    assert resolved == ApprovalResolved("ok", "approve", (ANN,), {"a": 1})
    assert evolve(evolve(PENDING, decided), resolved).status == "resolved"


def test_an_outcome_without_names_is_open_to_everybody() -> None:
    assert acting_role(PENDING.outcomes[1], Decider(ANN), None) is None
    assert acting_role(PENDING.outcomes[1], Decider(ANN, ("clerk",)), "clerk") == "clerk"


def test_users_and_roles_add_up() -> None:
    outcome = PENDING.outcomes[0]
    assert acting_role(outcome, Decider(BEN), None) is None
    assert acting_role(outcome, Decider(ANN, ("board", "boss")), None) == "boss"
    assert acting_role(outcome, Decider(ANN, ("board", "boss")), "board") == "board"
    for decider, role in ((Decider(ANN), None), (Decider(ANN, ("clerk",)), "clerk"), (Decider(BEN), "boss")):
        with pytest.raises(NotEligible):
            acting_role(outcome, decider, role)


def test_who_is_excluded_may_not_whatever_else_they_are() -> None:
    outcome = Outcome("ok", "approve", (ANN,), ("boss",), exclude=(ANN,))
    for decider in (Decider(ANN, ("boss",)), Decider(BEN, ("boss",), behind=(ANN,))):
        with pytest.raises(Excluded):
            acting_role(outcome, decider, None)
    assert acting_role(outcome, Decider(BEN, ("boss",)), None) == "boss"


def test_only_a_pending_request_is_decided_and_only_as_it_offers() -> None:
    with pytest.raises(NoSuchApproval):
        decide(APPROVAL.initial, Decider(ANN), "no", DECISION)
    with pytest.raises(UnknownOutcome):
        decide(PENDING, Decider(ANN), "perhaps", DECISION)
    for event in (ApprovalResolved("no", "reject", (ANN,)), ApprovalCancelled("execution_cancelled")):
        with pytest.raises(ApprovalClosed):
            decide(evolve(PENDING, event), Decider(ANN), "no", DECISION)


def test_a_decision_alone_does_not_resolve() -> None:
    decision = ApprovalDecided(DECISION, ANN, "no", "reject")
    after = evolve(PENDING, decision)
    assert (after.status, after.decisions) == ("pending", (decision,))
    assert after == replace(PENDING, steps=(replace(PENDING.steps[0], decisions=(decision,)),))
