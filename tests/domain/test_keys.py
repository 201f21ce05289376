"""Who may make, hand over and revoke which key."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain import keys
from domain.access import Asking, Caller, rights
from domain.api_key import ApiKeyCreated, ApiKeyHandedOver, ApiKeyRevoked
from domain.envelope import PLATFORM
from domain.facts import Decided, Fact
from domain.keys import KeyRequest
from domain.member import MemberAdded, MemberRemoved
from domain.permission import PERMISSIONS
from domain.role import RoleCreated
from domain.tenant import TenantCreated
from tests.given import MOMENT, TENANT_ID, FactsView, Story, given

KEY, NEW, ADA, CFO, ADMIN, OWNER, ROOT = (UUID(int=number) for number in range(1, 8))
ADMINS = tuple(permission for permission in PERMISSIONS if permission != "users:act_as")
WORLD = (
    Fact(ADMIN, RoleCreated("admin", "Admin", ADMINS)),
    Fact(OWNER, RoleCreated("owner", "Owner", tuple(PERMISSIONS))),
    Fact(ADA, MemberAdded(ADA, (ADMIN,), 1)),
    Fact(CFO, MemberAdded(CFO, (OWNER,), 1)),
)
HERE = Fact(TENANT_ID, TenantCreated("acme", "Acme", {}))


def held(*permissions: str, **whose: Any) -> Fact:
    """The key of who asks."""
    return Fact(KEY, ApiKeyCreated("mine", "hash", permissions or tuple(PERMISSIONS), not permissions, False, **whose))


PLATFORM_KEY = Fact(ROOT, ApiKeyCreated("root", "hash", tuple(PERMISSIONS), True, True))
MINE = Caller(KEY)
OF_ADA, OF_CFO, OF_SERVICE = held(user_id=ADA, term=1), held(user_id=CFO, term=1), held(owner_id=CFO, term=1)


def asking(view: FactsView, caller: Caller) -> Asking:
    platform = FactsView((HERE, PLATFORM_KEY))
    return Asking(caller, rights(view, caller, platform), platform)


def make(
    mine: Fact, *permissions: str, user_id: UUID | None = None, expires_at: datetime | None = None, caller: Caller = MINE
) -> Story:
    wanted = KeyRequest("new", permissions, user_id, expires_at)

    def decide(view: FactsView) -> Decided:
        return keys.make(view, asking(view, caller), NEW, "secret", wanted)

    return given([*WORLD, mine]).when(decide)


def made(story: Story) -> ApiKeyCreated:
    (fact,) = story.decided.facts
    assert isinstance(fact.event, ApiKeyCreated)
    return fact.event


def test_a_person_makes_a_key_for_themselves_and_for_services_that_are_then_theirs() -> None:
    own = made(make(OF_ADA, "audit:read", user_id=ADA))
    assert (own.user_id, own.owner_id, own.term, own.made_by, own.by_platform) == (ADA, None, 1, KEY, False)
    service = made(make(OF_ADA, "audit:read"))
    assert (service.user_id, service.owner_id, service.term) == (None, ADA, 1)
    of_service = made(make(OF_SERVICE, "audit:read"))
    assert (of_service.user_id, of_service.owner_id, of_service.term) == (None, CFO, 1)


def test_a_key_for_another_person_is_theirs_to_make() -> None:
    make(OF_ADA, "approvals:decide", user_id=CFO).then_refused("anothers_key", "/user_id")
    make(OF_ADA, "approvals:decide", user_id=UUID(int=99)).then_refused("anothers_key", "/user_id")


def test_who_may_act_for_another_makes_a_key_that_always_says_so() -> None:
    acting = made(make(OF_CFO, "approvals:decide", user_id=ADA))
    assert (acting.user_id, acting.on_behalf_of, acting.permissions) == (CFO, ADA, ("approvals:decide", "users:act_as"))
    service = made(make(OF_SERVICE, "approvals:decide", user_id=ADA))
    assert (service.user_id, service.owner_id, service.on_behalf_of) == (None, CFO, ADA)
    make(OF_CFO, user_id=UUID(int=99)).then_refused("invalid", "/user_id")


@pytest.mark.parametrize("caller", [Caller(None, platform=True), Caller(ROOT, platform=True)], ids=["operator", "key"])
def test_the_platform_makes_keys_for_members_and_that_is_recorded(caller: Caller) -> None:
    own = made(make(OF_ADA, "approvals:decide", user_id=CFO, caller=caller))
    assert (own.user_id, own.on_behalf_of, own.by_platform, own.made_by) == (CFO, None, True, caller.key_id)
    service = made(make(OF_ADA, "approvals:decide", caller=caller))
    assert (service.user_id, service.owner_id) == (None, None)
    make(OF_ADA, user_id=UUID(int=99), caller=caller).then_refused("invalid", "/user_id")


def test_a_key_of_the_platform_belongs_to_nobody() -> None:
    ledger = FactsView((PLATFORM_KEY,), tenant_id=PLATFORM)
    caller = Caller(ROOT, platform=True)
    asks = Asking(caller, rights(ledger, caller, ledger), ledger)
    story = Story(ledger).when(lambda view: keys.make(view, asks, NEW, "secret", KeyRequest("new", ("audit:read",))))
    assert (made(story).made_by, made(story).by_platform) == (ROOT, True)
    refused = Story(ledger).when(lambda view: keys.make(view, asks, NEW, "secret", KeyRequest("new", (), ADA)))
    refused.then_refused("invalid", "/user_id")


def test_nobody_makes_keys_in_anothers_name() -> None:
    make(OF_CFO, user_id=ADA, caller=Caller(KEY, on_behalf_of=ADA)).then_refused("own_name_only")


def test_a_key_may_do_no_more_than_the_one_that_makes_it() -> None:
    mine = held("audit:read", "api_keys:manage", user_id=CFO, term=1)
    assert made(make(mine, "audit:read")).permissions == ("audit:read",)
    make(mine, "audit:read", "users:read").then_refused("invalid", "/permissions/1")
    make(OF_ADA, "users:act_as").then_refused("invalid", "/permissions/0")
    assert made(make(OF_CFO, *PERMISSIONS)).all_permissions
    assert not made(make(OF_ADA, *ADMINS)).all_permissions


def test_a_key_is_valid_for_no_longer_than_the_one_that_makes_it() -> None:
    soon, later = MOMENT + timedelta(days=1), MOMENT + timedelta(days=2)
    mine = held(user_id=CFO, term=1, expires_at=soon)
    assert made(make(mine)).expires_at == soon
    assert made(make(mine, expires_at=soon - timedelta(hours=1))).expires_at == soon - timedelta(hours=1)
    make(mine, expires_at=later).then_refused("invalid", "/expires_at")
    make(OF_CFO, expires_at=MOMENT).then_refused("invalid", "/expires_at")
    make(OF_CFO, expires_at=MOMENT, caller=Caller(KEY, asked_at=later)).then_refused("invalid", "/expires_at")


def on_key(mine: Fact, other: ApiKeyCreated, *more: Fact) -> Story:
    return given([*WORLD, mine, Fact(NEW, other), *more])


def revoke(story: Story, *, keep_made: bool = False) -> Story:
    return story.when(lambda view: keys.revoke(view, asking(view, Caller(KEY)), NEW, "lost", keep_made=keep_made))


def test_a_key_is_revoked_once_with_what_it_made_or_without() -> None:
    own = ApiKeyCreated("own", "hash", ("audit:read",), False, False, ADA, term=1)
    story = revoke(on_key(OF_ADA, own)).then(ApiKeyRevoked(False, "lost"))
    revoke(story).then_refused("key_revoked")
    revoke(on_key(OF_ADA, own), keep_made=True).then(ApiKeyRevoked(True, "lost"))
    revoke(given([*WORLD, OF_ADA])).then_refused("not_found")


def test_nobody_revokes_a_key_that_may_do_more_than_they_may() -> None:
    of_cfo = ApiKeyCreated("cfo", "hash", tuple(PERMISSIONS), True, False, CFO, term=1)
    revoke(on_key(OF_ADA, of_cfo)).then_refused("beyond_yours")
    narrow = ApiKeyCreated("cfo", "hash", ("audit:read",), False, False, CFO, term=1)
    revoke(on_key(OF_ADA, narrow)).then(ApiKeyRevoked(False, "lost"))
    gone = Fact(CFO, MemberRemoved(CFO))
    revoke(on_key(OF_ADA, of_cfo, gone)).then(ApiKeyRevoked(False, "lost"))
    of_ada = ApiKeyCreated("ada", "hash", tuple(PERMISSIONS), True, False, ADA, term=1)
    revoke(on_key(held("api_keys:manage", user_id=ADA, term=1), of_ada)).then(ApiKeyRevoked(False, "lost"))


def test_a_services_key_is_handed_over() -> None:
    service = ApiKeyCreated("importer", "hash", ("audit:read",), False, False, owner_id=CFO, term=1)

    def hand_over(mine: Fact, other: ApiKeyCreated, owner_id: UUID = ADA) -> Story:
        story = on_key(mine, other, Fact(ADA, MemberRemoved(ADA)), Fact(ADA, MemberAdded(ADA, (ADMIN,), 1)))
        return story.when(lambda view: keys.hand_over(view, asking(view, Caller(KEY)).who, NEW, owner_id))

    hand_over(OF_CFO, service).then(ApiKeyHandedOver(ADA, 2))
    hand_over(held("api_keys:manage", user_id=CFO, term=1), service).then_refused("beyond_yours")
    hand_over(OF_CFO, service, UUID(int=99)).then_refused("invalid", "/owner_id")
    hand_over(OF_CFO, ApiKeyCreated("cfo", "hash", (), False, False, CFO, term=1)).then_refused("not_a_service_key")
