"""Users, members and roles."""

from uuid import UUID

import pytest

from domain import member, role, user
from domain.facts import Claim, Fact
from domain.member import MEMBER, MemberAdded, MemberRemoved, MemberRolesChanged
from domain.permission import PERMISSIONS
from domain.role import ROLE, SEEDED_ROLES, RoleChanged, RoleCreated, RoleDeleted
from domain.user import USER, UserChanged, UserRegistered
from tests.given import given

ADA, CLERK, BOSS = UUID(int=1), UUID(int=11), UUID(int=12)
REGISTERED = Fact(ADA, UserRegistered("Ada@example.org", "Ada", None, {}))
CLERK_ROLE = Fact(CLERK, RoleCreated("clerk", "Clerk", ("executions:read",)))
BOSS_ROLE = Fact(BOSS, RoleCreated("boss", "Boss", tuple(PERMISSIONS), is_system=True))
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


def test_a_tenant_does_not_learn_whether_an_address_was_known() -> None:
    story = given().when(lambda view: user.register_or_find(view, ADA, "Ada@example.org", "Ada"))
    story.then(UserRegistered("Ada@example.org", "Ada", None, {}))
    again = story.when(lambda view: user.register_or_find(view, CLERK, "ada@example.org", "Somebody")).then()
    assert again.result == {"id": str(ADA), "email": "ada@example.org"}
    assert story.result.keys() == again.result.keys()


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
    gone = story.when(lambda view: member.remove(view, ADA, "left")).then(MemberRemoved(ADA, "left"))
    assert not gone.view.read(MEMBER, ADA).active
    gone.when(lambda view: member.change_roles(view, ADA, (BOSS,))).then_refused("not_found")
    gone.when(lambda view: member.remove(view, ADA)).then_refused("not_found")
    back = gone.when(lambda view: member.add(view, ADA, (CLERK,), 5))
    assert back.view.read(MEMBER, ADA).role_ids == (CLERK,)


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


def test_the_seeded_roles_name_permissions_that_exist_and_only_owners_may_impersonate() -> None:
    for _name, permissions in SEEDED_ROLES.values():
        assert set(permissions) <= set(PERMISSIONS)
    assert [key for key, (_name, permissions) in SEEDED_ROLES.items() if "users:act_as" in permissions] == ["owner"]
