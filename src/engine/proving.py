"""Fresh proof of who decides: judged inside the decision, so that a code counts once, and a key as it stands."""

import hmac
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias
from uuid import UUID

from domain import totp
from domain.api_key import API_KEY
from domain.approval import Decider, Outcome
from domain.approval.proof import HEADER, Proof, ProofFailed, ProofRequired
from domain.facts import Decided, Fact, View
from domain.totp import Code, TotpRefused, totp_of


@dataclass(frozen=True)
class KeyShown:
    """The key by which the request came, and the hash of the secret that was shown again."""

    key_id: UUID
    secret_hash: str


Presented: TypeAlias = KeyShown | Code | Proof
"""A Proof: where people are doubles, and their keys with them (`testkit`)."""


class Proven(NamedTuple):
    """`facts`: what the proof leaves in the ledger. `failed`: a wrong code: these are all that comes of the command."""

    proof: Proof | None = None
    facts: tuple[Fact, ...] = ()
    failed: bool = False


NOTHING = Proven()


def prove(view: View, outcome: Outcome, decider: Decider, presented: Presented | None, request_id: UUID) -> Proven:
    """What the outcome asks for. Of somebody who stands in for another it is their own; nobody proves for somebody else.

    Raises ProofRequired, ProofFailed, TooManyCodes.
    """
    match outcome.proof, presented:
        case None, _:
            return NOTHING
        case "key", KeyShown():
            return Proven(_by_key(view, decider.user_id, presented))
        case "totp", Code():
            event = totp.use(view, decider.user_id, presented, request_id)
            fact = Fact(totp_of(view.tenant_id, decider.user_id), event)
            return Proven(Proof("totp", totp.secret_of(view, decider.user_id)), (fact,), isinstance(event, TotpRefused))
        case asked, Proof():
            return Proven(replace(presented, kind=asked))
        case _:
            return NOTHING  # the decision refuses what it does not get


def _by_key(view: View, user_id: UUID, shown: KeyShown) -> Proof:
    """The key is theirs, and they know its secret: both as of now, not as of when the process last looked."""
    key = view.read(API_KEY, shown.key_id)
    if key.user_id != user_id or key.on_behalf_of is not None or key.revoked:
        raise ProofRequired("Only a key of your own proves who you are.", HEADER)
    if not hmac.compare_digest(key.secret_hash, shown.secret_hash):
        raise ProofFailed("This is not the secret of the key by which the request came.", HEADER)
    return Proof("key", shown.key_id)


def refused(proven: Proven) -> Decided:
    """What is left of a decision whose code was wrong."""
    return Decided(proven.facts, result={"failed": totp.WRONG})
