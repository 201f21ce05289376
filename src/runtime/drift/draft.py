"""Drafting the way from one catalog to another as SQL. A person reads it before it becomes a migration."""

from dataclasses import dataclass

from runtime.drift.catalog import Catalog, CatalogFact, Key, ancestors
from runtime.drift.kinds import BY_NAME, OnChange

HEAD = "-- Drafted from a live database: read it, and say why, before it becomes a migration."
TO_OWNER = " to gesta_owner"
PARTS_OF_SCHEMA = ("grant", "comment")
LET_GO_FIRST = ("foreign key", "policy", "sequence owner", "trigger")
"""What ties its table to a second thing, which could go before the table does: taken away in so many words."""


@dataclass(frozen=True)
class Draft:
    """Statements in order, and the keys of those facts for which there is none."""

    statements: tuple[str, ...]
    undrafted: tuple[Key, ...]

    @property
    def text(self) -> str:
        """A migration's half. What could not be drafted stands at its head."""
        gaps = [f"-- Not drafted, write it yourself: {kind} {name}" for kind, name in self.undrafted]
        return "\n".join([HEAD, *gaps, "", *(f"{statement};" for statement in self.statements)]) + "\n"


def draft(old: Catalog, new: Catalog) -> Draft:
    """What to execute where ``old`` holds, so that ``new`` does. The way back is ``draft(new, old)``."""
    changed = {key for key in old.keys() & new.keys() if old[key].value != new[key].value}
    remade = {key for key in changed if _on_change(key) is OnChange.REMAKE}
    going, coming = (old.keys() - new.keys()) | remade, (new.keys() - old.keys()) | remade
    statements: list[str] = []
    undrafted: set[Key] = set()

    def add(key: Key, statement: str | None) -> None:
        if statement is None:
            undrafted.add(key)
        else:
            statements.append(statement)

    for fact in sorted((old[key] for key in going), key=lambda fact: fact.place, reverse=True):
        if not _goes_with_another(fact, old, going):
            add(fact.key, fact.undo)
    carried = {key for key in new.keys() - coming - changed if any(above in remade for above in ancestors(new, key))}
    for fact in sorted((new[key] for key in coming | carried | (changed - remade)), key=lambda fact: fact.place):
        if _comes_with_another(fact, new, coming):
            continue
        if fact.key in coming | carried or any(above in remade for above in ancestors(new, fact.key)):
            add(fact.key, fact.make)
        elif _on_change(fact.key) is OnChange.REPLACE:
            add(fact.key, fact.change or fact.make)
        else:
            add(fact.key, None)
    return Draft(tuple(statements), tuple(sorted(undrafted)))


def _on_change(key: Key) -> OnChange:
    return BY_NAME[key[0]].on_change


def _goes_with_another(fact: CatalogFact, old: Catalog, going: set[Key]) -> bool:
    """Whether the statement that takes its parent away takes it too. A schema is only dropped when it is empty."""
    if fact.kind in LET_GO_FIRST:
        return False
    alone = fact.kind not in PARTS_OF_SCHEMA
    return any(above in going and not (alone and above[0] == "schema") for above in ancestors(old, fact.key))


def _comes_with_another(fact: CatalogFact, new: Catalog, coming: set[Key]) -> bool:
    """Whether the statement that makes its parent makes it too; an owner has all rights to what he makes."""
    above = set(ancestors(new, fact.key))
    if fact.kind == "grant" and fact.name.endswith(TO_OWNER):
        return bool(above & coming)
    return BY_NAME[fact.kind].part_of_parent and fact.parent in coming
