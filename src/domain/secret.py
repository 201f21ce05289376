"""A secret of a tenant's: a credential that nodes refer to by name. Its value is never in an event, only which sealed text it is.

The sealed text lies beside the ledger (`store.secrets`), under the id that the event tells. It is written before the event.
"""

from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID, uuid5

from domain.facts import Aggregate, Decided, Event, EventType, Fact, Invalid, NotFound, RuleViolation, View
from domain.hosts import require_hosts
from domain.names import require_role_key, require_text
from domain.wording import listed

LEAST, MOST = 8, 32_768
"""Characters of a value. A shorter one could not be told from other text, and so not be kept out of what an answer says."""
MOST_HOSTS = 50


@dataclass(frozen=True)
class SecretCreated(Event):
    """`value_id`: which sealed text it is. `hosts`: where it may be sent; none: nowhere, it signs only."""

    name: str
    value_id: UUID
    hosts: tuple[str, ...] = ()
    description: str | None = None


@dataclass(frozen=True)
class SecretRotated(Event):
    """Another value takes the place of the one before, from now on."""

    name: str
    value_id: UUID
    number: int
    """Of the value: 2, 3 … since the secret was created."""
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretDeleted(Event):
    name: str


SecretEvent = SecretCreated | SecretRotated | SecretDeleted


@dataclass(frozen=True)
class Secret:
    """`value_id`: of the value now; None where there is none."""

    name: str = ""
    value_id: UUID | None = None
    number: int = 0
    hosts: tuple[str, ...] = ()
    description: str | None = None

    @property
    def exists(self) -> bool:
        return self.value_id is not None


def evolve(state: Secret, event: SecretEvent) -> Secret:
    match event:
        case SecretCreated():
            return Secret(event.name, event.value_id, 1, event.hosts, event.description)
        case SecretRotated():
            return replace(state, value_id=event.value_id, number=event.number, hosts=event.hosts)
        case SecretDeleted():
            return Secret()
        case _:
            assert_never(event)


def _where(event: SecretCreated | SecretRotated) -> str:
    return f"it may be sent to {listed(event.hosts)}" if event.hosts else "it may be sent nowhere"


SECRET: Aggregate[Secret] = Aggregate(
    "secret",
    Secret(),
    evolve,
    (
        EventType(
            SecretCreated,
            "secret.created.v1",
            lambda e, _: f"The secret {e.name} was created; {_where(e)}.",
            note="Never its value: `value_id` names the sealed text. `hosts`: where it may be sent.",
        ),
        EventType(
            SecretRotated,
            "secret.rotated.v1",
            lambda e, _: f"The secret {e.name} was given its {e.number}. value; {_where(e)}.",
            note="`number`: of the value, from 1.",
        ),
        EventType(
            SecretDeleted,
            "secret.deleted.v1",
            lambda e, _: f"The secret {e.name} was deleted.",
            severity="warning",
            note="Its sealed text is deleted as well.",
        ),
    ),
    "access",
)


class SecretExists(RuleViolation):
    """There is a secret of this name."""

    code = "name_taken"


def secret_id_of(tenant_id: UUID, name: str) -> UUID:
    """The id of a secret follows from tenant and name, so that who uses it by name need not look it up."""
    return uuid5(tenant_id, f"secret:{name}")


def require_new(name: str, value: str, hosts: tuple[str, ...], description: str | None) -> None:
    """What is wrong with a new secret, before anything is sealed. Raises Invalid, which does not cite the value."""
    require_role_key(name, "/name", "A secret's name")
    require_value(value, hosts)
    if description is not None:
        require_text(description, "/description", 1_000)


def require_value(value: str, hosts: tuple[str, ...]) -> None:
    """Raises Invalid, which does not cite the value."""
    if not LEAST <= len(value) <= MOST:
        raise Invalid(f"The value must have {LEAST} to {MOST} characters.", "/value")
    require_hosts(hosts, "/hosts", MOST_HOSTS)


def create(
    view: View, secret_id: UUID, name: str, value_id: UUID, hosts: tuple[str, ...] = (), description: str | None = None
) -> Decided:
    """`value_id`: of the sealed text that was written."""
    if view.read(SECRET, secret_id).exists:
        raise SecretExists(path="/name")
    return _answer(view, secret_id, Secret(), SecretCreated(name, value_id, tuple(dict.fromkeys(hosts)), description))


def rotate(view: View, secret_id: UUID, value_id: UUID, hosts: tuple[str, ...] | None = None) -> Decided:
    """`hosts`: None: as they were. They change together with the value, so that nobody without one sends it elsewhere."""
    state = _existing(view, secret_id)
    hosts = state.hosts if hosts is None else tuple(dict.fromkeys(hosts))
    return _answer(view, secret_id, state, SecretRotated(state.name, value_id, state.number + 1, hosts))


def delete(view: View, secret_id: UUID) -> Decided:
    state = _existing(view, secret_id)
    return _answer(view, secret_id, state, SecretDeleted(state.name))


def _existing(view: View, secret_id: UUID) -> Secret:
    state = view.read(SECRET, secret_id)
    if not state.exists:
        raise NotFound
    return state


def _answer(view: View, secret_id: UUID, state: Secret, event: SecretEvent) -> Decided:
    after = evolve(state, event)
    told = after if after.exists else state
    result = {
        "id": str(secret_id),
        "name": told.name,
        "description": told.description,
        "hosts": list(told.hosts),
        "number": told.number,
        "version": view.version(secret_id) + 1,
    }
    return Decided((Fact(secret_id, event),), result=result)
