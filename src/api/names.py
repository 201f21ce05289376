"""What of an approval request is shown to whom, where it says that those who see it do not see each other's names.

The audit log names everybody: so who may read that sees the names here, too, and so does who reassigns what others are asked.
"""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from api.reads import Row
from domain.access import Rights
from domain.approval.visibility import names_shown
from domain.facts import Json, PermissionDenied

SEE_NAMES = ("approvals:manage", "audit:read")
IN_DATA = ("outcomes", "rule")
"""What of `request_data` names those who are asked."""


class NamesHidden(PermissionDenied):
    """Those who see this approval request do not see each other's names: this needs approvals:manage or audit:read."""

    code = "names_hidden"


def sees_names(who: Rights) -> bool:
    return any(who.allows(each) for each in SEE_NAMES)


def shows_names(who: Rights, visibility: str | None, status: str) -> bool:
    """Whether those see each other's names for whom a request so is shown to this caller."""
    return sees_names(who) or names_shown(visibility, status)


def require_names(who: Rights, visibility: str | None, status: str) -> None:
    """Raises NamesHidden."""
    if not shows_names(who, visibility, status):
        raise NamesHidden


def as_seen_by(who: Rights) -> Callable[[Row], Row]:
    """How a row of approval_requests is shown to somebody, with its decisions and steps where it has them."""
    if sees_names(who):
        return lambda row: row
    me = {*map(str, who.people)}
    return lambda row: row if names_shown(row["visibility"], row["status"]) else _without_names(row, me)


def _without_names(row: Row, me: set[str]) -> Row:
    """Who overrode it is seen: all are told of that."""
    hidden: dict[str, Any] = {**row, "assigned_to": without_others(row["assigned_to"], me)}
    for name in ("decided_by", "claimed_by", "taken_on_by"):
        hidden[name] = row[name] if str(row[name]) in me else None
    if "watchers" in row:
        hidden["watchers"] = [each for each in row["watchers"] if str(each) in me]
    if "escalation_rules" in row:
        hidden["escalation_rules"] = _scrubbed(row["escalation_rules"], me)
    if "request_data" in row:
        data = row["request_data"]
        hidden["request_data"] = {**data, **{name: _scrubbed(data[name], me) for name in IN_DATA}}
    if "decisions" in row:
        mine = [
            each for each in row["decisions"] if each["is_override"] or not {each["user_id"], each["on_behalf_of"]}.isdisjoint(me)
        ]
        hidden["decisions"] = mine
    if "steps" in row:
        hidden["steps"] = [
            {**step, **{name: step[name] if step[name] in me else None for name in ("decided_by", "taken_on_by")}}
            for step in row["steps"]
        ]
    return hidden


def comments_seen_by(who: Rights, request: Row) -> Callable[[Row], Row]:
    """How what was said about a request is shown: that its requester said something is no secret."""
    if shows_names(who, request["visibility"], request["status"]):
        return lambda row: row
    known = {*who.people, request["requested_by"]} - {None}
    return lambda row: {**row, **{name: row[name] if row[name] in known else None for name in ("user_id", "to_user_id")}}


def preview_seen_by(who: Rights, found: Json) -> Json:
    if shows_names(who, found["visibility"], "pending"):
        return found
    me = {*map(str, who.people)}
    steps = [
        {
            **step,
            "rule": _scrubbed(step["rule"], me),
            "outcomes": _scrubbed(step["outcomes"], me),
            "people": [{**one, "substitutes": []} for one in step["people"] if one["user_id"] in me],
            "supposed": [],
        }
        for step in found["steps"]
    ]
    return {**found, "steps": steps}


def without_others(named: Mapping[str, Json], me: set[str]) -> Json:
    """`hidden`: how many more there are."""
    users = [one for one in named["users"] if one in me]
    left = len(named["users"]) - len(users)
    return {**named, "users": users, **({"hidden": left} if left else {})}


def _scrubbed(value: Json, me: set[str]) -> Json:
    if isinstance(value, dict):
        if {*value} >= {"users", "roles"}:
            return without_others(value, me)
        return {key: _scrubbed(each, me) for key, each in value.items() if not _is_another(key, me)}
    if isinstance(value, list):
        return [_scrubbed(each, me) for each in value if not _is_another(each, me)]
    return value


def _is_another(value: Json, me: set[str]) -> bool:
    if not isinstance(value, str) or len(value) != 36 or value in me:
        return False
    try:
        UUID(value)
    except ValueError:
        return False
    return True
