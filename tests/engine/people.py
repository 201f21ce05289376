"""A company of a few people, and approvals that ask several of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.approval import APPROVAL, Approval, ApprovalRequested
from domain.facts import Aggregate, Claim, Event, Fact, Json
from domain.member import MemberAdded
from domain.role import ROLE_KEY, RoleCreated, role_id_of
from domain.tenant import TENANT, Tenant
from tests.engine.drawing import ANN, BEN, EVALUATOR, Play, drawing
from tests.given import TENANT_ID

CAT, DAN, EVA = UUID(int=0xA3), UUID(int=0xA4), UUID(int=0xA5)
COMPANY: Mapping[UUID, Sequence[str]] = {ANN: ("boss",), BEN: ("boss", "board"), CAT: ("boss",), DAN: ("clerk",), EVA: ("board",)}
"""Whose roles these are."""


class NobodyKnown:
    """The platform's ledger, of which nothing is known but that the tenant is active."""

    def read(self, aggregate: Aggregate[Any], stream_id: UUID) -> Any:  # noqa: ARG002
        return Tenant(exists=True, active=True) if aggregate is TENANT else aggregate.initial


def role_id(key: str) -> UUID:
    return role_id_of(TENANT_ID, key)


def employing(play: Play, company: Mapping[UUID, Sequence[str]] = COMPANY) -> Play:
    """The same where these people work."""
    keys = sorted({key for keys in company.values() for key in keys})
    roles: list[tuple[UUID, Event]] = [(role_id(key), RoleCreated(key, key.title(), ("approvals:decide",))) for key in keys]
    people = [(one, MemberAdded(one, tuple(role_id(key) for key in keys), 1)) for one, keys in company.items()]
    facts = tuple(Fact(stream, event) for stream, event in (*roles, *people))
    claims = tuple(Claim(ROLE_KEY, key, role_id(key)) for key in keys)
    view = play.story.view
    play.story = replace(play.story, view=replace(view, facts=view.facts + facts, claims=view.claims + claims))
    return play


def node(**config: Json) -> Json:
    """An approval's, of the bosses unless it says whom else it asks."""
    return {"title": "Please decide", "by": {"roles": ["boss"]}, **config}


def play_of(config: Json, **more: Any) -> Play:
    """A definition of one approval, whose handles all lead to an end with its output."""
    names = {
        outcome["name"]
        for each in (config, *config.get("steps", ()))
        for outcome in each.get("outcomes", [{"name": "approved"}, {"name": "rejected"}])
    }
    nodes = {
        "start": "start",
        "ask": ("approval", config, more),
        "end": ("end", {"output": "=nodes.ask.output"}),
        "failed": ("end", {"output": "=nodes.ask.error"}),
    }
    edges = ("start > ask", *(f"ask.{name} > end" for name in sorted(names)), "ask.error > failed")
    timeout = ("ask.timeout > failed",) if "timeout" in more else ()
    return Play(drawing(nodes, *edges, *timeout), evaluator=EVALUATOR)


def asked(config: Json, input: Json = None, company: Mapping[UUID, Sequence[str]] = COMPANY, **started: Any) -> Play:
    return employing(play_of(config), company).start(input, **started)


def request_id(play: Play) -> UUID:
    return next(fact.stream_id for fact in play.view.facts if isinstance(fact.event, ApprovalRequested))


def requested(play: Play) -> ApprovalRequested:
    event = play.view.events(request_id(play))[0]
    assert isinstance(event, ApprovalRequested)
    return event


def approval(play: Play) -> Approval:
    return play.view.read(APPROVAL, request_id(play))


def output(play: Play) -> dict[str, Any]:
    found = getattr(play.end, "output", None)
    assert isinstance(found, dict), play.end
    return found
