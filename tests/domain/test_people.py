"""Users, members and roles."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain import member, role, user
from domain.facts import Claim, Decided, Fact, View
from domain.member import MEMBER, MemberAdded, MemberReactivated, MemberRemoved, MemberRolesChanged, MemberSuspended
from domain.permission import PERMISSIONS
from domain.role import ROLE, SEEDED_ROLES, RoleChanged, RoleCreated, RoleDeleted, role_id_of
from domain.user import USER, UserChanged, UserRegistered
from tests.given import TENANT_ID, given

ADA, BOB, CLERK, BOSS = UUID(int=1), UUID(int=2), UUID(int=11), UUID(int=12)
REGISTERED = Fact(ADA, UserRegistered("Ada@example.org", "Ada", None, {}))
CLERK_ROLE = Fact(CLERK, RoleCreated("clerk", "Clerk", ("executions:read",)))
BOSS_ROLE = Fact(BOSS, RoleCreated("boss", "Boss", tuple(PERMISSIONS), is_system=True))
BOSS_OF_OWN = Fact(BOSS, RoleCreated("boss", "Boss", tuple(PERMISSIONS)))
ADDED = Fact(ADA, MemberAdded(ADA, (CLERK,), 5))


def test_a_user_claims_the_address_whatever_its_case() -> None:
    story = given().when(lambda view: user.register(view, ADA, "Ada@example.org", "Ada"))
    story.then(UserRegistered("Ada@example.org", "Ada", None, {}))
    assert story.decided.claims == (Claim("user.email", "ada@example.org", ADA),)


def test_a_user_is_not_registered_twice() -> None:
    given([REGISTERED]).when(lambda view: user.register(view, ADA, "a@example.org", "Ada")).then_refused("user_exists")


@pytest.mark.parametrize("email", ["", "ada", "ada@", "@example.org", "a da@example.org", "a@b@c"])
def test_an_address_of_the_wrong_form_is_refused(email: str) -> None:
    given().when(lambda view: user.register(view, ADA, email, "Ada")).then_refused("invalid", "/email")


def test_a_user_is_changed_but_never_the_address() -> None:
    story = given([REGISTERED]).when(lambda view: user.change(view, ADA, {"is_active": False, "email": "x@y"}))
    story.then(UserChanged({"is_active": False}))
    assert not story.view.read(USER, ADA).active
    given().when(lambda view: user.change(view, ADA, {})).then_refused("not_found")
    story.when(lambda view: user.change(view, ADA, {"display_name": " "})).then_refused("invalid", "/display_name")


def test_a_member_is_added_with_roles_that_exist() -> None:
    story = given([CLERK_ROLE]).when(lambda view: member.add(view, ADA, (CLERK, CLERK), 5, BOSS))
    story.then(MemberAdded(ADA, (CLERK,), 5, BOSS))
    given([CLERK_ROLE]).when(lambda view: member.add(view, ADA, (CLERK, BOSS), 5)).then_refused("invalid", "/role_ids/1")


def test_a_member_is_not_added_twice() -> None:
    given([CLERK_ROLE, ADDED]).when(lambda view: member.add(view, ADA, (), 5)).then_refused("already_a_member")


def test_a_member_changes_roles_leaves_and_may_come_back() -> None:
    story = given([CLERK_ROLE, BOSS_ROLE, ADDED]).when(lambda view: member.change_roles(view, ADA, (BOSS,)))
    story.then(MemberRolesChanged(ADA, (BOSS,)))
    paused = story.when(lambda view: member.suspend(view, ADA, "on leave")).then(MemberSuspended(ADA, "on leave"))
    assert paused.result["role_ids"] == [str(BOSS)]
    paused.when(lambda view: member.suspend(view, ADA)).then_refused("member_already")
    paused.when(lambda view: member.add(view, ADA, (), 5)).then_refused("already_a_member")
    story = paused.when(lambda view: member.reactivate(view, ADA)).then(MemberReactivated(ADA))
    story.when(lambda view: member.reactivate(view, ADA)).then_refused("member_already")
    gone = story.when(lambda view: member.remove(view, ADA, "left")).then(MemberRemoved(ADA, "left"))
    assert not gone.view.read(MEMBER, ADA).active
    gone.when(lambda view: member.change_roles(view, ADA, (BOSS,))).then_refused("not_found")
    gone.when(lambda view: member.remove(view, ADA)).then_refused("not_found")
    back = gone.when(lambda view: member.add(view, ADA, (CLERK,), 5))
    assert back.view.read(MEMBER, ADA).role_ids == (CLERK,)
    assert back.view.read(MEMBER, ADA).term == 2


OWNER = role_id_of(TENANT_ID, "owner")
OWNER_ROLE = Fact(OWNER, RoleCreated("owner", "Owner", tuple(PERMISSIONS), is_system=True))
OWNERS = (OWNER_ROLE, CLERK_ROLE, Fact(ADA, MemberAdded(ADA, (OWNER,), 5)), Fact(BOB, MemberAdded(BOB, (OWNER,), 5)))
LOSSES: dict[str, Callable[[View, tuple[UUID, ...]], Decided]] = {
    "remove": lambda view, owners: member.remove(view, ADA, owners=owners),
    "suspend": lambda view, owners: member.suspend(view, ADA, owners=owners),
    "strip": lambda view, owners: member.change_roles(view, ADA, (CLERK,), owners=owners),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_last_owner_stays(loss: Callable[[View, tuple[UUID, ...]], Decided]) -> None:
    given(OWNERS).when(lambda view: loss(view, ())).then_refused("last_owner")
    given(OWNERS).when(lambda view: loss(view, (ADA,))).then_refused("last_owner")
    assert given(OWNERS).when(lambda view: loss(view, (ADA, BOB))).decided.facts
    for left in (MemberRemoved(BOB), MemberSuspended(BOB), MemberRolesChanged(BOB, (CLERK,))):
        given([*OWNERS, Fact(BOB, left)]).when(lambda view: loss(view, (ADA, BOB))).then_refused("last_owner")


def test_an_owner_who_stays_one_may_lose_another_role() -> None:
    both = [*OWNERS, Fact(ADA, MemberRolesChanged(ADA, (OWNER, CLERK)))]
    given(both).when(lambda view: member.change_roles(view, ADA, (OWNER,))).then(MemberRolesChanged(ADA, (OWNER,)))


def test_nobody_takes_rights_from_somebody_who_has_more() -> None:
    mine = frozenset({"executions:read", "members:manage"})
    suspended = [*OWNERS, Fact(ADA, MemberSuspended(ADA))]
    stories: list[tuple[list[Fact] | tuple[Fact, ...], Callable[[View], Decided]]] = [
        (OWNERS, lambda view: member.remove(view, ADA, None, mine, (BOB,))),
        (OWNERS, lambda view: member.suspend(view, ADA, None, mine, (BOB,))),
        (OWNERS, lambda view: member.change_roles(view, ADA, (CLERK,), mine, (BOB,))),
        (suspended, lambda view: member.reactivate(view, ADA, None, mine)),
        ([BOSS_OF_OWN], lambda view: role.delete(view, BOSS, mine)),
        ([BOSS_OF_OWN], lambda view: role.change(view, BOSS, "Boss", ("executions:read",), None, mine)),
    ]
    for facts, decision in stories:
        given(facts).when(decision).then_refused("beyond_yours")
    clerk = [CLERK_ROLE, ADDED]
    given(clerk).when(lambda view: member.remove(view, ADA, None, mine)).then(MemberRemoved(ADA))


def test_a_role_has_permissions_that_exist() -> None:
    story = given().when(lambda view: role.create(view, CLERK, "clerk", "Clerk", ("executions:read", "executions:read")))
    story.then(RoleCreated("clerk", "Clerk", ("executions:read",)))
    assert story.decided.claims == (Claim("role.key", "clerk", CLERK),)
    given().when(lambda view: role.create(view, CLERK, "clerk", "Clerk", ("fly",))).then_refused("invalid", "/permissions/0")
    given().when(lambda view: role.create(view, CLERK, "Clerk", "Clerk", ())).then_refused("invalid", "/key")
    given([CLERK_ROLE]).when(lambda view: role.create(view, CLERK, "clerk", "Clerk", ())).then_refused("role_exists")


def test_a_role_is_changed_and_deleted_and_its_key_is_free_again() -> None:
    story = given([CLERK_ROLE]).when(lambda view: role.change(view, CLERK, "Clerks", ("audit:read",), None))
    story.then(RoleChanged("Clerks", ("audit:read",), None))
    gone = story.when(lambda view: role.delete(view, CLERK)).then(RoleDeleted("clerk"))
    assert gone.decided.releases == (Claim("role.key", "clerk", CLERK),)
    assert not gone.view.read(ROLE, CLERK).exists
    gone.when(lambda view: role.delete(view, CLERK)).then_refused("not_found")


def test_nobody_puts_more_into_a_role_than_they_may_give() -> None:
    mine = frozenset({"executions:read"})
    create = given().when(lambda view: role.create(view, CLERK, "c", "C", ("audit:read",), granted=mine))
    create.then_refused("invalid", "/permissions/0")
    change = given([CLERK_ROLE]).when(lambda view: role.change(view, CLERK, "C", ("executions:read", "audit:read"), None, mine))
    change.then_refused("invalid", "/permissions/1")
    rich = Fact(CLERK, RoleCreated("clerk", "Clerk", ("audit:read",)))
    kept = given([rich]).when(lambda view: role.change(view, CLERK, "Renamed", ("audit:read",), None, mine))
    kept.then(RoleChanged("Renamed", ("audit:read",), None))


def test_nobody_appoints_somebody_to_more_than_they_may_give() -> None:
    mine = frozenset({"executions:read"})
    given([BOSS_ROLE]).when(lambda view: member.add(view, ADA, (BOSS,), 5, None, mine)).then_refused("invalid", "/role_ids/0")
    given([CLERK_ROLE]).when(lambda view: member.add(view, ADA, (CLERK,), 5, None, mine)).then(MemberAdded(ADA, (CLERK,), 5))
    boss = given([CLERK_ROLE, BOSS_ROLE, Fact(ADA, MemberAdded(ADA, (BOSS,), 5))])
    boss.when(lambda view: member.change_roles(view, ADA, (BOSS, CLERK), mine)).then(MemberRolesChanged(ADA, (BOSS, CLERK)))


def test_a_role_that_comes_with_the_tenant_stays_as_it_is() -> None:
    given([BOSS_ROLE]).when(lambda view: role.delete(view, BOSS)).then_refused("system_role")
    given([BOSS_ROLE]).when(lambda view: role.change(view, BOSS, "x", (), None)).then_refused("system_role")


def test_seeded_roles_are_brought_up_to_date() -> None:
    seeded = given().when(role.bring_up_to_date)
    assert {fact.event.key for fact in seeded.decided.facts if isinstance(fact.event, RoleCreated)} == set(SEEDED_ROLES)
    seeded.when(role.bring_up_to_date).then()
    earlier = Fact(OWNER, RoleCreated("owner", "Owner", ("audit:read",), "They own it", is_system=True))
    brought = given([earlier]).when(role.bring_up_to_date)
    changed = [fact.event for fact in brought.decided.facts if fact.stream_id == OWNER]
    assert changed == [RoleChanged("Owner", SEEDED_ROLES["owner"][1], "They own it")]
    assert {*PERMISSIONS} - {*SEEDED_ROLES["owner"][1]} == {"approvals:override_own"}, "which is the platform's to give"


def test_a_role_of_the_tenants_own_that_has_a_seeded_name_stays() -> None:
    own = given().when(lambda view: role.create(view, CLERK, "viewer", "Viewer", ()))
    brought = own.when(role.bring_up_to_date)
    assert {fact.event.key for fact in brought.decided.facts if isinstance(fact.event, RoleCreated)} == set(SEEDED_ROLES) - {
        "viewer"
    }


def test_the_seeded_roles_name_permissions_that_exist_and_only_owners_may_impersonate() -> None:
    for _name, permissions in SEEDED_ROLES.values():
        assert set(permissions) <= set(PERMISSIONS)
    assert [key for key, (_name, permissions) in SEEDED_ROLES.items() if "users:act_as" in permissions] == ["owner"]
