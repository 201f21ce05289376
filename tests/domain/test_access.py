from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain import api_key
from domain.access import Caller, KeyNotValid, NotAMember, rights
from domain.api_key import SECRET_BYTES, ApiKeyCreated, ApiKeyRevoked, hash_secret, new_token, parse_token
from domain.facts import Fact, PermissionDenied
from domain.member import MemberAdded, MemberRemoved
from domain.role import RoleCreated, RoleDeleted
from tests.given import MOMENT, FactsView, Story, given

KEY, ADA, BOB, CLERK, BOSS = (UUID(int=number) for number in range(1, 6))
ROLES = (
    Fact(CLERK, RoleCreated("clerk", "Clerk", ("executions:read", "executions:start"))),
    Fact(BOSS, RoleCreated("boss", "Boss", ("approvals:decide",))),
)
MEMBERS = (Fact(ADA, MemberAdded(ADA, (CLERK, BOSS), 1)), Fact(BOB, MemberAdded(BOB, (BOSS,), 1)))


def key(*permissions: str, user_id: UUID | None = None, expires_at: datetime | None = None) -> Fact:
    return Fact(KEY, ApiKeyCreated("key", "hash", permissions, user_id, expires_at))


def view(*facts: Fact) -> FactsView:
    return FactsView((*ROLES, *MEMBERS, *facts))


def test_a_service_key_has_just_its_own_permissions() -> None:
    found = rights(view(key("executions:read")), Caller(KEY))
    assert found.permissions == {"executions:read"}
    assert found.user_id is None


def test_a_persons_key_is_cut_to_what_the_roles_allow() -> None:
    found = rights(view(key("executions:read", "approvals:decide", "audit:read", user_id=ADA)), Caller(KEY))
    assert found.permissions == {"executions:read", "approvals:decide"}
    assert found.roles == {"clerk", "boss"}
    assert found.user_id == ADA


def test_a_right_that_is_missing_is_named() -> None:
    with pytest.raises(PermissionDenied, match="audit:read"):
        rights(view(key("executions:read")), Caller(KEY)).require("audit:read")


def test_a_deleted_role_gives_nothing() -> None:
    found = rights(view(key("approvals:decide", user_id=BOB), Fact(BOSS, RoleDeleted("boss"))), Caller(KEY))
    assert (found.permissions, found.roles) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "facts",
    [
        (),
        (key("audit:read"), Fact(KEY, ApiKeyRevoked())),
        (key("audit:read", expires_at=MOMENT),),
    ],
    ids=["unknown", "revoked", "expired"],
)
def test_a_key_that_is_not_valid_opens_nothing(facts: tuple[Fact, ...]) -> None:
    with pytest.raises(KeyNotValid):
        rights(view(*facts), Caller(KEY))


def test_a_key_works_until_the_moment_it_expires() -> None:
    until = replace(view(key("audit:read", expires_at=MOMENT)), now=MOMENT - timedelta(microseconds=1))
    assert rights(until, Caller(KEY)).allows("audit:read")


def test_a_backdated_command_needs_a_key_that_is_valid_today() -> None:
    past = replace(view(key("audit:read", expires_at=MOMENT)), now=MOMENT - timedelta(days=30))
    with pytest.raises(KeyNotValid):
        rights(past, Caller(KEY, asked_at=MOMENT))
    assert rights(past, Caller(KEY, asked_at=MOMENT - timedelta(seconds=1))).allows("audit:read")


def test_the_key_of_a_person_who_left_opens_nothing() -> None:
    with pytest.raises(NotAMember):
        rights(view(key("audit:read", user_id=ADA), Fact(ADA, MemberRemoved(ADA))), Caller(KEY))


def test_the_platform_may_do_everything() -> None:
    assert rights(view(), Caller(None, platform=True)).allows("tenants:manage")


def test_acting_for_another_needs_the_permission_and_gives_the_others_rights() -> None:
    found = rights(view(key("users:act_as")), Caller(KEY, on_behalf_of=BOB))
    assert (found.user_id, found.permissions, found.roles) == (BOB, frozenset({"approvals:decide"}), frozenset({"boss"}))
    with pytest.raises(PermissionDenied, match="users:act_as"):
        rights(view(key("audit:read")), Caller(KEY, on_behalf_of=BOB))
    with pytest.raises(NotAMember):
        rights(view(key("users:act_as")), Caller(KEY, on_behalf_of=UUID(int=99)))


def test_a_key_is_made_with_no_more_than_its_maker_has() -> None:
    def make(granted: frozenset[str] | None) -> Story:
        return given().when(lambda v: api_key.create(v, KEY, "key", ("audit:read",), "hash", granted))

    assert make(frozenset({"audit:read"})).result["permissions"] == ["audit:read"]
    assert make(None).result["name"] == "key"
    make(frozenset()).then_refused("invalid", "/permissions/0")


def test_a_key_expires_in_the_future_or_not_at_all() -> None:
    story = given().when(lambda v: api_key.create(v, KEY, "key", (), "hash", None, expires_at=MOMENT))
    story.then_refused("invalid", "/expires_at")


def test_a_key_is_revoked_once() -> None:
    story = given([key()]).when(lambda v: api_key.revoke(v, KEY, "lost")).then(ApiKeyRevoked("lost"))
    story.when(lambda v: api_key.revoke(v, KEY)).then_refused("key_revoked")
    given().when(lambda v: api_key.revoke(v, KEY)).then_refused("not_found")


@for_all(st.uuids(), st.uuids(), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_token_says_what_was_put_in(tenant_id: UUID, key_id: UUID, secret: bytes) -> None:
    text = new_token(tenant_id, key_id, secret)
    assert parse_token(text) == (tenant_id, key_id, secret)
    assert parse_token(text[:-1]) is None
    assert parse_token(text + "A") is None


@for_all(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    assert parse_token(text) is None
    assert parse_token("gk_" + text) is None


def test_a_hash_does_not_show_the_secret() -> None:
    assert hash_secret(b"a") != hash_secret(b"b")
    assert len(hash_secret(b"a")) == 64
