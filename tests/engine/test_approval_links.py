"""Links to decide by: what they are worth, by what is so when they are used."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest

from domain.access import standing
from domain.approval import ApprovalCancelled, ApprovalDecided, ApprovalResolved
from domain.approval_link import (
    APPROVAL_LINK,
    LONGEST_LIFETIME,
    USUAL_LIFETIME,
    ApprovalLinkMade,
    ApprovalLinkUsed,
    address_of,
    hash_of,
    revoke,
)
from domain.bearer_text import LINK, hash_secret, read
from domain.facts import Aggregate, Decided, Event, Fact, Invalid, Json, View
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.tenant import TENANT, Tenant
from domain.user import USER, User
from engine.approval_links import Answer, Making, make_link, make_links, page_of, use_link
from engine.validate import validate
from tests.engine.drawing import ANN, BEN, EVALUATOR, WORKFLOW_ID, Play
from tests.engine.people import CAT, DAN, approval, asked, node, play_of, request_id, role_id
from tests.given import TENANT_ID

S = TypeVar("S")
SEED, OTHER_SEED = b"s" * 32, b"t" * 32
OUTCOMES: list[Json] = [
    {"name": "approved", "kind": "approve"},
    {"name": "rejected", "kind": "reject", "comment": "required", "reasons": ["price", "date"]},
]
SIGNED: list[Json] = [{**OUTCOMES[0], "proof": "totp"}, OUTCOMES[1]]
BY_DEFAULT: Json = [{"after": "PT1H", "outcome": "approved"}]


@dataclass
class Known:
    """An `access.Platform`."""

    active: bool = True
    deactivated: set[UUID] = field(default_factory=set)

    def read(self, aggregate: Aggregate[S], stream_id: UUID) -> Any:
        if aggregate is TENANT:
            return Tenant(exists=True, active=self.active, name="Acme")
        assert aggregate is USER
        return User(exists=True, email="a@acme.example", display_name="Ann <b>", active=stream_id not in self.deactivated)


KNOWN = Known()


def made(play: Play, who: UUID = ANN, outcome: str = "approved", seed: bytes = SEED, **more: Any) -> UUID:
    """The id of a link that was made."""
    id, making = request_id(play), Making(seed, **more)
    play.step(lambda view: make_link(view, id, standing(view, who, KNOWN), outcome, None, making))
    return UUID(play.story.result["id"])


def shown(play: Play, link: UUID, known: Known = KNOWN, seed: bytes = SEED) -> Json:
    """What whoever opens it sees; which changes nothing."""
    decided = page_of(replace(play.view), link, hash_of(seed, link), known)
    assert decided.facts == ()
    return decided.result


def use(play: Play, link: UUID, known: Known = KNOWN, seed: bytes = SEED, seen: str | None = None, **more: Any) -> Play:
    answer = Answer(shown(play, link, known, seed).get("seen", "") if seen is None else seen, **more)
    return play.step(lambda view: use_link(view, play.engine, link, hash_of(seed, link), known, answer))


def happens(play: Play, *facts: tuple[UUID, Event]) -> Play:
    return play.step(lambda _: Decided(tuple(Fact(stream, event) for stream, event in facts)))


def decision(play: Play) -> ApprovalDecided:
    return next(event for event in play.view.events(request_id(play)) if isinstance(event, ApprovalDecided))


def test_a_link_decides_as_its_person_once_and_the_decision_says_how() -> None:
    play = asked(node(outcomes=OUTCOMES, context={"sum": 7}), input=None)
    link = made(play)
    page = shown(play, link)
    assert (page["state"], page["title"], page["person"], page["outcome"]) == ("open", "Please decide", "Ann <b>", "approved")
    assert page["context"] == {"sum": 7}
    use(play, link, comment="Fine")
    by = decision(play)
    assert (by.user_id, by.outcome, by.comment, by.via, by.link_id, by.role) == (ANN, "approved", "Fine", "link", link, "boss")
    assert play.view.events(link)[-1] == ApprovalLinkUsed(request_id(play), by.decision_id)
    over = shown(play, link)
    assert (over["state"], over["code"], over["chosen"], over["resolution"]) == ("over", "link_used", True, "approved")
    use(play, link).refused("link_used")


def test_its_address_is_in_no_event_and_without_it_there_is_no_link() -> None:
    play = asked(node())
    link = made(play)
    token = address_of(TENANT_ID, link, SEED).removeprefix("/approve/")
    parts = read(LINK, token)
    assert parts is not None
    assert (parts.tenant_id, parts.id, hash_secret(parts.secret)) == (TENANT_ID, link, hash_of(SEED, link))
    assert token not in repr(play.view.facts)
    assert parts.secret.hex() not in repr(play.view.facts)
    assert shown(play, link, seed=OTHER_SEED) == {"state": "absent"}
    use(play, link, seed=OTHER_SEED).refused("not_found")
    assert shown(play, UUID(int=99)) == {"state": "absent"}
    assert shown(play, link, Known(active=False)) == {"state": "absent"}, "of a suspended tenant"


def suspended(play: Play, _link: UUID) -> None:
    happens(play, (ANN, MemberSuspended(ANN)))


def suspended_and_back(play: Play, _link: UUID) -> None:
    happens(play, (ANN, MemberSuspended(ANN)), (ANN, MemberReactivated(ANN)))


def removed(play: Play, _link: UUID) -> None:
    happens(play, (ANN, MemberRemoved(ANN)))


def removed_and_back(play: Play, _link: UUID) -> None:
    happens(play, (ANN, MemberRemoved(ANN)), (ANN, MemberAdded(ANN, (role_id("boss"),), 1)))


def without_the_role(play: Play, _link: UUID) -> None:
    happens(play, (ANN, MemberRolesChanged(ANN, (role_id("clerk"),))))


def decided(play: Play, _link: UUID) -> None:
    play.decide(request_id(play), "approved", ANN, ("boss",))


def resolved(play: Play, _link: UUID) -> None:
    play.decide(request_id(play), "approved", BEN, ("boss",))
    play.decide(request_id(play), "approved", CAT, ("boss",))


def withdrawn(play: Play, _link: UUID) -> None:
    happens(play, (request_id(play), ApprovalCancelled()))


def taken_back(play: Play, link: UUID) -> None:
    play.step(lambda view: revoke(view, link, ANN))


def old(play: Play, _link: UUID) -> None:
    play.later(USUAL_LIFETIME)


@pytest.mark.parametrize(
    ("happened", "code"),
    [
        (suspended, "member_suspended"),
        (suspended_and_back, "link_revoked"),
        (removed, "not_a_member"),
        (removed_and_back, "link_revoked"),
        (without_the_role, "not_eligible"),
        (decided, "already_decided"),
        (resolved, "approval_closed"),
        (withdrawn, "approval_closed"),
        (taken_back, "link_revoked"),
        (old, "link_expired"),
    ],
)
def test_it_is_worth_what_its_person_may_when_it_is_used(happened: Callable[[Play, UUID], None], code: str) -> None:
    play = asked(node(rule={"type": "multiple", "count": 2}))
    link = made(play)
    happened(play, link)
    page = shown(play, link)
    assert (page["state"], page["code"], page["chosen"]) == ("over", code, False)
    use(play, link, seen="whatever").refused(code)


def test_who_asks_and_who_is_excluded_get_none_and_nobody_gets_one_round_that() -> None:
    play = asked(node(exclude=[str(DAN)], by={"roles": ["boss", "clerk"]}))
    id = request_id(play)
    play.step(lambda view: make_link(view, id, standing(view, DAN, KNOWN), "approved", None, Making(SEED))).refused("excluded")
    behind = Making(SEED, behind=(DAN,))
    play.step(lambda view: make_link(view, id, standing(view, ANN, KNOWN), "approved", None, behind)).refused("excluded")
    # One that was made before they were excluded would be refused when it is used.
    link = UUID(int=77)
    event = ApprovalLinkMade(id, ANN, 1, "approved", hash_of(SEED, link), play.view.now + USUAL_LIFETIME, 1, behind=(DAN,))
    happens(play, (link, event))
    use(play, link, seen="whatever").refused("excluded")
    assert shown(play, link)["code"] == "excluded"


def test_what_an_outcome_needs_is_asked_for_and_refused_where_it_lacks() -> None:
    form = {"type": "object", "properties": {"cost": {"type": "integer"}}, "required": ["cost"]}
    play = asked(node(outcomes=OUTCOMES, form=form))
    yes, no = made(play), made(play, outcome="rejected")
    assert shown(play, yes)["form"] == form
    page = shown(play, no)
    assert (page["form"], page["comment"], page["reasons"]) == (None, "required", ["price", "date"])
    use(play, yes, form={"cost": "much"}).refused("invalid_form", "/form/cost")
    use(play, no).refused("invalid_decision", "/comment", "/reason")
    use(play, no, comment="No", reason="price")
    assert decision(play).reason == "price"


def test_it_is_of_one_step_and_confirms_what_was_seen() -> None:
    steps = [{"name": "one", "rule": {"type": "multiple", "count": 2}}, {"name": "two"}]
    play = asked(node(steps=steps))
    link, other = made(play), made(play, CAT)
    use(play, link, seen=shown(play, other)["seen"] + "x").refused("request_changed")
    assert shown(play, link)["step_name"] == "one"
    use(play, link)
    use(play, made(play, BEN))
    assert approval(play).steps[1].status == "open"
    assert shown(play, other)["code"] == "unknown_step"
    use(play, other, seen="whatever").refused("unknown_step")
    use(play, made(play, CAT, seed=OTHER_SEED), seed=OTHER_SEED)
    assert isinstance(play.view.events(request_id(play))[-1], ApprovalResolved)


def test_a_mail_has_a_link_for_each_outcome_and_the_same_ones_when_it_is_written_again() -> None:
    play = asked(node(outcomes=[*OUTCOMES, {"name": "later", "kind": "other", "by": {"users": [str(BEN)]}}]))
    id = request_id(play)

    def wanted(who: UUID, known: Known = KNOWN, seed: bytes = SEED) -> Callable[[View], Decided]:
        return lambda view: make_links(view, id, who, known, seed=seed)

    first = play.step(wanted(ANN)).story
    links = first.result["links"]
    assert [(link["outcome"], link["kind"], link["step"], link["step_name"]) for link in links] == [
        ("approved", "approve", 1, None),
        ("rejected", "reject", 1, None),
    ]
    assert len(first.decided.facts) == 2
    again = play.later(timedelta(hours=1)).step(wanted(ANN)).story
    assert (again.result, again.decided.facts) == (first.result, ())
    assert play.step(wanted(ANN, seed=OTHER_SEED)).story.result["links"][0]["id"] != links[0]["id"]
    use(play, UUID(links[0]["id"]))
    for who, known in ((ANN, KNOWN), (DAN, KNOWN), (UUID(int=5), KNOWN), (BEN, Known(deactivated={BEN}))):
        story = play.step(wanted(who, known)).story
        assert (story.result, story.decided.facts) == ({"links": []}, ())


def test_for_how_long_is_bounded_and_whose_it_is_may_revoke_it() -> None:
    play = asked(node())
    id = request_id(play)
    for lifetime in (timedelta(0), LONGEST_LIFETIME + timedelta(seconds=1)):
        with pytest.raises(Invalid, match="90 days"):
            make_link(replace(play.view), id, standing(play.view, ANN, KNOWN), "approved", None, Making(SEED, lifetime))
    link = made(play)
    play.step(lambda view: revoke(view, link, BEN)).refused("not_found")
    play.step(lambda view: revoke(view, link, None, "sent to the wrong address"))
    assert play.view.read(APPROVAL_LINK, link).status == "revoked"
    play.step(lambda view: revoke(view, link, None)).refused("link_revoked")


def test_an_outcome_that_wants_the_secret_of_a_key_is_not_chosen_by_links() -> None:
    play = asked(node(outcomes=[{**OUTCOMES[0], "proof": "key"}, {**OUTCOMES[1], "proof": "totp"}]))
    id = request_id(play)
    play.step(lambda view: make_link(view, id, standing(view, ANN, KNOWN), "approved", None, Making(SEED))).refused(
        "link_cannot_prove", "/outcome"
    )
    links = play.step(lambda view: make_links(view, id, ANN, KNOWN, seed=SEED)).story.result["links"]
    assert [link["outcome"] for link in links] == ["rejected"]
    assert shown(play, UUID(links[0]["id"]))["proof"] == "totp"


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"outcomes": [*OUTCOMES, {"name": "gone", "kind": "withdraw", "proof": "key"}]}, "/outcomes/2/proof"),
        ({"outcomes": SIGNED, "escalate": BY_DEFAULT}, "/escalate/0/outcome"),
        ({"outcomes": SIGNED, "steps": [{"name": "one"}], "escalate": BY_DEFAULT}, "/escalate/0/outcome"),
        ({"steps": [{"name": "one", "outcomes": SIGNED, "escalate": BY_DEFAULT}]}, "/steps/0/escalate/0/outcome"),
        ({"outcomes": OUTCOMES, "escalate": BY_DEFAULT}, None),
    ],
)
def test_what_nobody_chooses_is_no_signature(config: Json, path: str | None) -> None:
    definition = play_of(node(**config)).view.events(WORKFLOW_ID)[-1].definition  # type: ignore[attr-defined]
    found = [finding.path for finding in validate(definition, EVALUATOR) if finding.code == "no_proof"]
    assert found == ([] if path is None else [f"/nodes/1/config{path}"])
