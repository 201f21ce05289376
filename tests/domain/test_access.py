from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from domain.access import (
    Caller,
    DeactivatedUser,
    KeyNotValid,
    NotAMember,
    Rights,
    SuspendedMember,
    SuspendedTenant,
    rights,
)
from domain.api_key import ApiKeyCreated, ApiKeyRevoked
from domain.bearer_text import KEY as KEY_TEXT
from domain.bearer_text import SECRET_BYTES, BearerText, hash_secret, read, written
from domain.facts import Fact, NotFound, PermissionDenied
from domain.member import MemberAdded, MemberReactivated, MemberRemoved, MemberSuspended
from domain.permission import PERMISSIONS
from domain.role import RoleCreated, RoleDeleted
from domain.tenant import TenantCreated, TenantSuspended
from domain.user import UserChanged, UserRegistered
from tests.given import MOMENT, TENANT_ID, FactsView

KEY, ADA, BOB, CLERK, BOSS, MAKER = (UUID(int=number) for number in range(1, 7))
ROLES = (
    Fact(CLERK, RoleCreated("clerk", "Clerk", ("executions:read", "executions:start"))),
    Fact(BOSS, RoleCreated("boss", "Boss", ("approvals:decide",))),
)
ACME = Fact(TENANT_ID, TenantCreated("acme", "Acme", {}))
MEMBERS = (Fact(ADA, MemberAdded(ADA, (CLERK, BOSS), 1)), Fact(BOB, MemberAdded(BOB, (BOSS,), 1)))


def key(*permissions: str, user_id: UUID | None = None, expires_at: datetime | None = None) -> Fact:
    return Fact(KEY, ApiKeyCreated("key", "hash", permissions, False, False, user_id, expires_at))


def view(*facts: Fact) -> FactsView:
    return FactsView((*ROLES, *MEMBERS, *facts))


def may(view: FactsView, caller: Caller) -> Rights:
    return rights(view, caller, FactsView((ACME,)))


def test_a_service_key_has_just_its_own_permissions() -> None:
    found = may(view(key("executions:read")), Caller(KEY))
    assert found.permissions == {"executions:read"}
    assert found.user_id is None


def test_a_persons_key_is_cut_to_what_the_roles_allow() -> None:
    found = may(view(key("executions:read", "approvals:decide", "audit:read", user_id=ADA)), Caller(KEY))
    assert found.permissions == {"executions:read", "approvals:decide"}
    assert found.roles == {"clerk", "boss"}
    assert found.user_id == ADA


def test_a_right_that_is_missing_is_named() -> None:
    with pytest.raises(PermissionDenied, match="audit:read"):
        may(view(key("executions:read")), Caller(KEY)).require("audit:read")


def test_a_deleted_role_gives_nothing() -> None:
    found = may(view(key("approvals:decide", user_id=BOB), Fact(BOSS, RoleDeleted("boss"))), Caller(KEY))
    assert (found.permissions, found.roles) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    "facts",
    [
        (),
        (key("audit:read"), Fact(KEY, ApiKeyRevoked(False))),
        (key("audit:read", expires_at=MOMENT),),
    ],
    ids=["unknown", "revoked", "expired"],
)
def test_a_key_that_is_not_valid_opens_nothing(facts: tuple[Fact, ...]) -> None:
    with pytest.raises(KeyNotValid):
        may(view(*facts), Caller(KEY))


def test_a_key_works_until_the_moment_it_expires() -> None:
    until = replace(view(key("audit:read", expires_at=MOMENT)), now=MOMENT - timedelta(microseconds=1))
    assert may(until, Caller(KEY)).allows("audit:read")


def test_a_backdated_command_needs_a_key_that_is_valid_today() -> None:
    past = replace(view(key("audit:read", expires_at=MOMENT)), now=MOMENT - timedelta(days=30))
    with pytest.raises(KeyNotValid):
        may(past, Caller(KEY, asked_at=MOMENT))
    assert may(past, Caller(KEY, asked_at=MOMENT - timedelta(seconds=1))).allows("audit:read")


def test_the_key_of_a_person_who_left_opens_nothing() -> None:
    with pytest.raises(NotAMember):
        may(view(key("audit:read", user_id=ADA), Fact(ADA, MemberRemoved(ADA))), Caller(KEY))


def test_the_platform_may_do_everything() -> None:
    assert may(view(), Caller(None, platform=True)).allows("tenants:manage")


def test_acting_for_another_needs_the_permission_and_gives_what_both_may() -> None:
    found = may(view(key("users:act_as", "approvals:decide", "audit:read")), Caller(KEY, on_behalf_of=BOB))
    assert (found.user_id, found.permissions, found.roles) == (BOB, frozenset({"approvals:decide"}), frozenset({"boss"}))
    assert may(view(key("users:act_as")), Caller(KEY, on_behalf_of=BOB)).permissions == frozenset()
    with pytest.raises(PermissionDenied, match="users:act_as"):
        may(view(key("audit:read")), Caller(KEY, on_behalf_of=BOB))
    with pytest.raises(NotAMember):
        may(view(key("users:act_as")), Caller(KEY, on_behalf_of=UUID(int=99)))


def test_a_key_that_always_acts_for_another_acts_for_nobody_else() -> None:
    acting = Fact(KEY, ApiKeyCreated("key", "hash", ("users:act_as", "approvals:decide"), False, False, on_behalf_of=BOB))
    for caller in (Caller(KEY), Caller(KEY, on_behalf_of=BOB)):
        assert may(view(acting), caller).user_id == BOB
    with pytest.raises(PermissionDenied):
        may(view(acting), Caller(KEY, on_behalf_of=ADA))


def test_a_suspended_member_has_no_rights_in_any_way() -> None:
    own = key("executions:read", user_id=ADA)
    serving = Fact(KEY, ApiKeyCreated("key", "hash", ("executions:read",), False, False, owner_id=ADA, term=1))
    suspended, back = Fact(ADA, MemberSuspended(ADA)), Fact(ADA, MemberReactivated(ADA))
    for made in (own, serving):
        with pytest.raises(SuspendedMember):
            may(view(made, suspended), Caller(KEY))
        assert may(view(made, suspended, back), Caller(KEY)).allows("executions:read")
    with pytest.raises(SuspendedMember):
        may(view(key("users:act_as"), suspended), Caller(KEY, on_behalf_of=ADA))


def test_a_key_is_of_one_membership() -> None:
    again = (Fact(ADA, MemberRemoved(ADA)), Fact(ADA, MemberAdded(ADA, (CLERK,), 1)))
    own = ApiKeyCreated("key", "hash", ("executions:read",), False, False, ADA, term=1)
    serving = ApiKeyCreated("key", "hash", ("executions:read",), False, False, owner_id=ADA, term=1)
    for made in (Fact(KEY, own), Fact(KEY, serving)):
        assert may(view(made), Caller(KEY)).allows("executions:read")
        with pytest.raises(KeyNotValid):
            may(view(made, *again), Caller(KEY))


def test_a_services_key_may_do_what_its_owner_may() -> None:
    made = Fact(KEY, ApiKeyCreated("key", "hash", ("executions:read", "audit:read"), False, False, owner_id=ADA, term=1))
    found = may(view(made), Caller(KEY))
    assert (found.user_id, found.permissions) == (None, frozenset({"executions:read"}))


def test_a_key_ends_with_the_one_that_made_it_unless_it_is_kept() -> None:
    made = Fact(KEY, ApiKeyCreated("key", "hash", ("audit:read",), False, False, made_by=MAKER))
    maker = Fact(MAKER, ApiKeyCreated("maker", "hash", ("audit:read",), False, False, made_by=BOSS))
    makers_maker = Fact(BOSS, ApiKeyCreated("first", "hash", ("audit:read",), False, False))
    facts = (ROLES[0], *MEMBERS, made, maker, makers_maker)

    def now(*more: Fact) -> Rights:
        return may(FactsView((*facts, *more)), Caller(KEY))

    assert now().allows("audit:read")
    for gone in (MAKER, BOSS):
        with pytest.raises(KeyNotValid):
            now(Fact(gone, ApiKeyRevoked(False)))
        assert now(Fact(gone, ApiKeyRevoked(True))).allows("audit:read")
    assert now(Fact(MAKER, ApiKeyRevoked(True)), Fact(BOSS, ApiKeyRevoked(False))).allows("audit:read"), "it was let go"


def test_a_key_that_was_given_everything_has_what_comes_later() -> None:
    made = Fact(KEY, ApiKeyCreated("key", "hash", ("audit:read",), True, True))
    assert may(view(made), Caller(KEY)).permissions == PERMISSIONS.keys()


def test_a_platform_key_may_do_what_it_was_made_with() -> None:
    platform = FactsView((ACME, key("audit:read")))
    found = rights(view(), Caller(KEY, platform=True), platform)
    assert (found.permissions, found.granted) == (frozenset({"audit:read"}), frozenset({"audit:read"}))
    assert found.platform
    revoked = FactsView((ACME, key("audit:read"), Fact(KEY, ApiKeyRevoked(False))))
    with pytest.raises(KeyNotValid):
        rights(view(), Caller(KEY, platform=True), revoked)


def test_a_suspended_tenant_is_closed_but_for_what_the_platform_puts_in_order() -> None:
    closed = FactsView((ACME, Fact(TENANT_ID, TenantSuspended())))
    with pytest.raises(SuspendedTenant):
        rights(view(key("audit:read")), Caller(KEY), closed)
    everything = Fact(KEY, ApiKeyCreated("key", "hash", (), True, True))
    platform = FactsView((*closed.facts, everything))
    found = rights(view(), Caller(KEY, platform=True), platform)
    found.require_command("members:manage")
    with pytest.raises(SuspendedTenant):
        found.require_command("executions:start")
    with pytest.raises(NotFound):
        rights(view(key("audit:read")), Caller(KEY), FactsView(()))


def test_a_deactivated_user_acts_in_no_tenant() -> None:
    user = (Fact(ADA, UserRegistered("a@acme.example", "Ada")), Fact(ADA, UserChanged({"is_active": False})))
    for caller, made in (
        (Caller(KEY), key("executions:read", user_id=ADA)),
        (Caller(KEY, on_behalf_of=ADA), key("users:act_as")),
        (Caller(KEY), Fact(KEY, ApiKeyCreated("key", "hash", (), False, False, owner_id=ADA, term=1))),
    ):
        with pytest.raises(DeactivatedUser):
            rights(view(made), caller, FactsView((ACME, *user)))
        rights(view(made), caller, FactsView((ACME, user[0])))


@for_all(st.uuids(), st.uuids(), st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_a_token_says_what_was_put_in(tenant_id: UUID, key_id: UUID, secret: bytes) -> None:
    text = written(KEY_TEXT, BearerText(tenant_id, key_id, secret))
    assert read(KEY_TEXT, text) == (tenant_id, key_id, secret)
    assert read(KEY_TEXT, text[:-1]) is None
    assert read(KEY_TEXT, text + "A") is None


@for_all(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    assert read(KEY_TEXT, text) is None
    assert read(KEY_TEXT, "gk_" + text) is None


def test_a_hash_does_not_show_the_secret() -> None:
    assert hash_secret(b"a") != hash_secret(b"b")
    assert len(hash_secret(b"a")) == 64
