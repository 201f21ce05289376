"""The kinds of facts that catalogs hold, in the order in which a draft makes them (and, backwards, takes them away)."""

from dataclasses import dataclass
from enum import Enum


class OnChange(Enum):
    """What a draft does where a fact is there on both sides, with other contents."""

    REPLACE = "replace"  # by the statement that changes it, or the one that makes it
    REMAKE = "remake"  # take it away and make it anew
    REFUSE = "refuse"  # name it: it would cost data, or there is more than one way


@dataclass(frozen=True)
class Kind:
    """``part_of_parent``: the statement that makes its parent says it already."""

    name: str
    on_change: OnChange
    part_of_parent: bool = False


KINDS = (
    Kind("schema", OnChange.REFUSE),
    Kind("type", OnChange.REFUSE),
    Kind("sequence", OnChange.REFUSE),
    Kind("table", OnChange.REFUSE),
    Kind("column", OnChange.REPLACE, part_of_parent=True),
    Kind("generated column", OnChange.REFUSE, part_of_parent=True),
    Kind("identity", OnChange.REMAKE, part_of_parent=True),
    Kind("default", OnChange.REPLACE, part_of_parent=True),
    Kind("not null", OnChange.REPLACE, part_of_parent=True),
    Kind("sequence owner", OnChange.REPLACE),
    Kind("storage parameters", OnChange.REMAKE),
    Kind("function", OnChange.REMAKE),
    Kind("function body", OnChange.REPLACE, part_of_parent=True),
    Kind("view", OnChange.REMAKE),
    Kind("constraint", OnChange.REMAKE),
    Kind("foreign key", OnChange.REMAKE),
    Kind("foreign key enforcement", OnChange.REFUSE),
    Kind("index", OnChange.REMAKE),
    Kind("statistics", OnChange.REMAKE),
    Kind("rule", OnChange.REMAKE),
    Kind("trigger", OnChange.REMAKE),
    Kind("trigger state", OnChange.REPLACE),
    Kind("policy", OnChange.REMAKE),
    Kind("row-level security", OnChange.REPLACE),
    Kind("forced row-level security", OnChange.REPLACE),
    Kind("grant", OnChange.REMAKE),
    Kind("default privilege", OnChange.REMAKE),
    Kind("comment", OnChange.REPLACE),
    Kind("owner other than gesta_owner", OnChange.REFUSE),
)
BY_NAME = {kind.name: kind for kind in KINDS}
RANK = {kind.name: rank for rank, kind in enumerate(KINDS)}
