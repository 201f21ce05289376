"""Fresh proof of who decides, where an outcome asks for it, and what the signature then means."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from domain.approval.events import Outcome
from domain.facts import PermissionDenied

HEADER = "Gesta-Proof"
ASKED = {"key": "the secret of your own API key", "totp": "a one-time password of yours"}


class ProofRequired(PermissionDenied):
    """This outcome needs fresh proof of who decides."""

    code = "proof_required"


class ProofFailed(PermissionDenied):
    """The proof is not valid."""

    code = "proof_failed"


@dataclass(frozen=True)
class Proof:
    """That who decides is who they say was shown just now. `id`: the key's, or the secret's of the one-time passwords."""

    kind: Literal["key", "totp"]
    id: UUID


def require_proof(outcome: Outcome, proof: Proof | None) -> None:
    """The one place that lets nobody by: whatever leads here shows what the outcome asks for, or is refused."""
    if outcome.proof is not None and (proof is None or proof.kind != outcome.proof):
        raise ProofRequired(f"{outcome.name} needs {ASKED[outcome.proof]}, in {HEADER}: {outcome.proof} …", HEADER)
