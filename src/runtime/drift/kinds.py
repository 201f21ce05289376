"""The kinds of facts that catalogs hold, in the order in which a draft makes them (and, backwards, takes them away)."""

from dataclasses import dataclass
from enum import Enum


class OnChange(Enum):
    """What a draft does where a fact is there on both sides, with other contents."""

    REPLACE = "replace"  # by the statement that changes it, or the one that makes it
    REMAKE = "remake"  # take it away and make it anew
    REFUSE = "refuse"  # name it: it would cost data, or there is more than one way


@dataclass(frozen=True)
class ObjectKind:
    """``part_of_parent``: the statement that makes its parent says it already."""

    name: str
    on_change: OnChange
    part_of_parent: bool = False


KINDS = (
    ObjectKind("schema", OnChange.REFUSE),
    ObjectKind("type", OnChange.REFUSE),
    ObjectKind("sequence", OnChange.REFUSE),
    ObjectKind("table", OnChange.REFUSE),
    ObjectKind("column", OnChange.REPLACE, part_of_parent=True),
    ObjectKind("generated column", OnChange.REFUSE, part_of_parent=True),
    ObjectKind("identity", OnChange.REMAKE, part_of_parent=True),
    ObjectKind("default", OnChange.REPLACE, part_of_parent=True),
    ObjectKind("not null", OnChange.REPLACE, part_of_parent=True),
    ObjectKind("sequence owner", OnChange.REPLACE),
    ObjectKind("storage parameters", OnChange.REMAKE),
    ObjectKind("function", OnChange.REMAKE),
    ObjectKind("function body", OnChange.REPLACE, part_of_parent=True),
    ObjectKind("view", OnChange.REMAKE),
    ObjectKind("constraint", OnChange.REMAKE),
    ObjectKind("foreign key", OnChange.REMAKE),
    ObjectKind("foreign key enforcement", OnChange.REFUSE),
    ObjectKind("index", OnChange.REMAKE),
    ObjectKind("statistics", OnChange.REMAKE),
    ObjectKind("rule", OnChange.REMAKE),
    ObjectKind("trigger", OnChange.REMAKE),
    ObjectKind("trigger state", OnChange.REPLACE),
    ObjectKind("policy", OnChange.REMAKE),
    ObjectKind("row-level security", OnChange.REPLACE),
    ObjectKind("forced row-level security", OnChange.REPLACE),
    ObjectKind("grant", OnChange.REMAKE),
    ObjectKind("default privilege", OnChange.REMAKE),
    ObjectKind("comment", OnChange.REPLACE),
    ObjectKind("owner other than gesta_owner", OnChange.REFUSE),
)
BY_NAME = {kind.name: kind for kind in KINDS}
RANK = {kind.name: rank for rank, kind in enumerate(KINDS)}
