"""The values of secrets, at the moment at which they are used. Nothing keeps them: each use reads them, and lets them go."""

from dataclasses import dataclass, field
from uuid import UUID

from domain.secret import SECRET, secret_id_of
from runtime.master_keys import CannotOpen, MasterKeys
from runtime.pools import Pool
from store import secrets, sensitive
from store.handler import Handler
from store.secrets import Value


class SecretError(Exception):
    """A secret that cannot be used. The message can be recorded.

    `type`: secret_missing, secret_unreadable, secret_forbidden (not to this host), secret_unusable (not in this place).
    """

    def __init__(self, type: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.type = type
        self.retryable = retryable


class NotSetUp(Exception):
    """This process does not have the master key: another may, or its operator has to do something."""


@dataclass(frozen=True)
class Opened:
    """A secret's value. `hosts`: where it may be sent; none: nowhere, it signs only."""

    name: str
    text: str = field(repr=False)
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vault:
    """`keys`: None: this process was given no master key."""

    handler: Handler
    pool: Pool
    keys: MasterKeys | None

    async def open(self, tenant_id: UUID, name: str) -> Opened:
        """The value of now. Raises SecretError and NotSetUp; and what a database out of reach raises."""
        secret_id = secret_id_of(tenant_id, name)
        for _ in range(2):  # one that is rotated between the two looks is looked for again
            state, _ = await self.handler.read(tenant_id, SECRET, secret_id)
            if state.value_id is None:
                raise SecretError("secret_missing", f"There is no secret {name}.")
            value = Value(tenant_id, state.value_id, secret_id)
            async with self.pool.connection() as connection:
                sealed = await secrets.read(connection, value)
            if sealed is not None:
                break
        else:
            raise SecretError("secret_unreadable", f"The value of the secret {name} is gone: give it another.")
        if self.keys is None:
            raise NotSetUp("There is no master key: GESTA_MASTER_KEY is not set.")
        if not self.keys.has(sealed.master_key):
            raise NotSetUp(
                f"The secret {name} is sealed under the master key {sealed.master_key}, which is not among those given."
            )
        try:
            return Opened(name, self.keys.open(sealed, value.bound_to), state.hosts)
        except CannotOpen as error:
            raise SecretError("secret_unreadable", f"The secret {name} cannot be opened. {error}") from None

    async def of_task(self, tenant_id: UUID, task_id: UUID) -> dict[str, str]:
        """The values that the prompt of an AI task leaves out, by variable. Raises as `open`."""
        async with self.pool.connection() as connection:
            sealed = await sensitive.read(connection, tenant_id, task_id)
        if sealed is None:
            raise SecretError("secret_missing", "The sensitive values of the prompt are not there any more.")
        if self.keys is None:
            raise NotSetUp("There is no master key: GESTA_MASTER_KEY is not set.")
        if not self.keys.has(sealed.master_key):
            raise NotSetUp(
                f"A prompt's values are sealed under the master key {sealed.master_key}, which is not among those given."
            )
        try:
            return sensitive.opened(self.keys, sealed, tenant_id, task_id)
        except CannotOpen as error:
            raise SecretError("secret_unreadable", f"The sensitive values of the prompt cannot be opened. {error}") from None

    async def forget_task(self, tenant_id: UUID, task_id: UUID) -> None:
        """Its values, if there are any: it is over."""
        async with self.pool.connection() as connection:
            await sensitive.forget(connection, tenant_id, task_id)
