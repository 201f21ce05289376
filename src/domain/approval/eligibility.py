"""Who may choose an outcome. Here and nowhere else it is said who is eligible."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from domain.approval.events import Outcome, Voter
from domain.facts import PermissionDenied


class NotEligible(PermissionDenied):
    """You may not choose this outcome."""

    code = "not_eligible"


class Excluded(NotEligible):
    """You are excluded from choosing this outcome."""

    code = "excluded"


class KeptApart(NotEligible):
    """You have decided in a step from which this one is kept apart."""

    code = "kept_apart"


@dataclass(frozen=True)
class Decider:
    """Who decides: the person, the keys of their roles, and for whom they stand in, if for anybody.

    Who stands in for another does so in that one's roles. `behind`: who acts in fact, where somebody acts on behalf of the
    person.
    """

    user_id: UUID
    roles: Collection[str] = field(default_factory=frozenset)
    on_behalf_of: UUID | None = None
    behind: Collection[UUID] = ()
    through: tuple[UUID, ...] = ()
    """Who passed on the delegation by which they stand in, from the person to the decider."""
    acting: UUID | None = None
    """The person, if it is one and no service, whose key acts on behalf of `user_id`."""

    @property
    def voter(self) -> UUID:
        """Whose decision it is."""
        return self.on_behalf_of or self.user_id

    @property
    def people(self) -> frozenset[UUID]:
        """Who has their say by it."""
        return frozenset(one for one in (self.user_id, self.voter, self.acting) if one is not None)


def acting_role(
    outcome: Outcome,
    decider: Decider,
    role: str | None,
    voters: Iterable[Voter] | None = None,
    apart: Collection[UUID] = (),
) -> str | None:
    """The role in which the decider may choose the outcome; None where they may as the person they are.

    The one place that says who is eligible. A role that is named must be one of theirs. Unnamed, it is the first of the outcome's
    roles that they have. `voters`: where these are fixed, the only people whom the outcome is for. `apart`: who has decided where
    the same person may not. Raises NotEligible.
    """
    everybody = {decider.user_id, decider.voter, *decider.behind, *decider.through}
    if not everybody.isdisjoint(outcome.exclude):
        raise Excluded(f"You may not choose {outcome.name}: you are excluded from it.")
    if not everybody.isdisjoint(apart):
        raise KeptApart
    if role is not None and role not in decider.roles:
        raise NotEligible(f"You do not have the role {role}.", "/role")
    if voters is not None:
        asked = _among(voters, outcome, decider)
        return role or asked.role
    if decider.voter in outcome.users or not (outcome.users or outcome.roles):
        return role
    roles = [key for key in outcome.roles if key in decider.roles and role in (None, key)]
    if not roles:
        raise NotEligible(f"You may not choose {outcome.name}.")
    return roles[0]


def _among(voters: Iterable[Voter], outcome: Outcome, decider: Decider) -> Voter:
    for voter in voters:
        if voter.user_id == decider.voter:
            return voter
    raise NotEligible(f"You may not choose {outcome.name}: you are not one of those who were asked.")
