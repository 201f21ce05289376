"""What is known of a member beside their rights: whom they report to, and attributes. Rules name people by both.

Lines of managers end: nobody is above themselves. Above a member stand those who are members and not suspended. Whoever is not is
passed over, so that the next one above takes their place: while a suspension lasts, and for good where they were removed. Who
comes back begins without a manager and without attributes, and those who still name them report to them again.
"""

from collections.abc import Iterator, Mapping
from math import isfinite
from uuid import UUID

from domain.facts import Decided, FieldError, Invalid, Json, RuleViolation, View
from domain.member import MEMBER, Member, MemberChanged, MemberEvent, answered, change_roles, existing
from domain.names import ROLE_KEY
from domain.storable import text_fault

MOST_ATTRIBUTES = 50
MOST_VALUES = 50
"""Of an attribute that is a list."""
LONGEST_VALUE = 255
LONGEST_LINE = 100
"""Managers above a member, whoever they are by now."""


class ManagerCycle(RuleViolation):
    """A member cannot report to themselves, nor to somebody who reports to them."""

    code = "manager_cycle"


class LineTooLong(RuleViolation):
    """There are too many managers above this one."""

    code = "line_too_long"


def change(
    view: View,
    user_id: UUID,
    changes: Mapping[str, Json],
    granted: frozenset[str] | None = None,
    owners: tuple[UUID, ...] = (),
) -> Decided:
    """Change what is named of a member: `role_ids`, `manager_id` (None: they report to nobody), `attributes`, each in whole."""
    state = existing(view, user_id)
    events: list[MemberEvent] = []
    if "role_ids" in changes:
        given = change_roles(view, user_id, tuple(changes["role_ids"]), granted, owners)
        events += [fact.event for fact in given.facts if isinstance(fact.event, MemberEvent)]
    manager_id, attributes = changes.get("manager_id", state.manager_id), changes.get("attributes", state.attributes)
    if attributes != state.attributes:
        require_attributes(attributes)
    if manager_id is not None and manager_id != state.manager_id:
        require_manager(view, user_id, manager_id)
    if (manager_id, attributes) != (state.manager_id, state.attributes):
        events.append(MemberChanged(user_id, manager_id, attributes))
    return answered(view, user_id, *events)


def manager_of(view: View, user_id: UUID, levels: int = 1) -> UUID | None:
    """Who stands so many levels above a member: 1 is their manager. None: nobody stands so high."""
    for manager_id, manager in line_above(view, user_id):
        levels -= manager.active
        if levels == 0:
            return manager_id
    return None


def line_above(view: View, user_id: UUID) -> Iterator[tuple[UUID, Member]]:
    """Everybody who is named above a member, from below, whether or not they still belong."""
    above = view.read(MEMBER, user_id).manager_id
    for _ in range(LONGEST_LINE):
        if above is None:
            return
        manager = view.read(MEMBER, above)
        yield above, manager
        above = manager.manager_id


def require_manager(view: View, user_id: UUID, manager_id: UUID) -> None:
    """Who is read on the way up is an expectation: two members are not put above each other at the same time either."""
    if manager_id == user_id:
        raise ManagerCycle(path="/manager_id")
    if not view.read(MEMBER, manager_id).belongs:
        raise Invalid(f"There is no member {manager_id} here.", "/manager_id")
    length = 1
    for above, _ in line_above(view, manager_id):
        length += 1
        if above == user_id:
            raise ManagerCycle(path="/manager_id")
        if length > LONGEST_LINE:
            raise LineTooLong(f"A line may have {LONGEST_LINE} managers at most.", "/manager_id")


def require_attributes(attributes: Mapping[str, Json]) -> None:
    """Raises Invalid, which names each attribute at fault."""
    if len(attributes) > MOST_ATTRIBUTES:
        raise Invalid(f"A member may have {MOST_ATTRIBUTES} attributes at most.", "/attributes")
    faults = [*(_name_fault(name) for name in attributes), *(_value_fault(*pair) for pair in attributes.items())]
    found = tuple(fault for fault in faults if fault is not None)
    if found:
        raise Invalid("These attributes cannot be kept.", found[0].path, found)


def _name_fault(name: str) -> FieldError | None:
    if ROLE_KEY.fullmatch(name):
        return None
    told = "An attribute's name starts with a lower-case letter; letters, digits, - and _ follow; at most 63 characters."
    return FieldError("/attributes", "invalid_name", told)


def _value_fault(name: str, value: Json) -> FieldError | None:
    path = f"/attributes/{name}"
    if isinstance(value, list):
        if len(value) > MOST_VALUES or not all(isinstance(each, str) and _is_word(each) for each in value):
            return FieldError(
                path, "invalid_value", f"A list has at most {MOST_VALUES} texts of 1 to {LONGEST_VALUE} characters."
            )
    elif not _is_word(value):
        told = f"A value is a text of 1 to {LONGEST_VALUE} characters, a number, true or false, or a list of such texts."
        return FieldError(path, "invalid_value", told)
    return None


def _is_word(value: Json) -> bool:
    match value:
        case bool():
            return True
        case str():
            return 0 < len(value) <= LONGEST_VALUE and text_fault(value) is None
        case int():
            return abs(value) < 2**63
        case float():
            return isfinite(value)
        case _:
            return False
