"""A person or a service that acts. Lives in the platform ledger: one user may be a member of many tenants."""

from dataclasses import dataclass, replace
from typing import assert_never

from domain.facts import Aggregate, Event, Json


@dataclass(frozen=True)
class UserRegistered(Event):
    email: str
    display_name: str
    avatar_url: str | None = None
    preferences: Json = None


@dataclass(frozen=True)
class UserChanged(Event):
    """`changes` holds new values by column name: display_name, avatar_url, preferences, is_active."""

    changes: dict[str, Json]


UserEvent = UserRegistered | UserChanged


@dataclass(frozen=True)
class User:
    exists: bool = False
    email: str = ""
    display_name: str = ""
    active: bool = False


def evolve(state: User, event: UserEvent) -> User:
    match event:
        case UserRegistered():
            return User(exists=True, email=event.email, display_name=event.display_name, active=True)
        case UserChanged():
            return replace(
                state,
                display_name=event.changes.get("display_name", state.display_name),
                active=event.changes.get("is_active", state.active),
            )
        case _:
            assert_never(event)


USER: Aggregate[User] = Aggregate("user", User(), evolve, (UserRegistered, UserChanged))
