"""The addresses of the database, one for each role: our own server's, or those the environment names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from runtime import postgres
from runtime.errors import OperatorError
from runtime.postgres import EmbeddedServer
from runtime.settings import Settings


@dataclass(frozen=True, repr=False)
class Addresses:
    """Connection strings by role; reading one that nobody named raises OperatorError with the variable's name."""

    _owner: str | None
    _system: str | None
    _api: str | None
    _listen: str | None
    embedded: EmbeddedServer | None = None
    """Our own server, where it is one."""

    @property
    def has_owner(self) -> bool:
        """Whether this process may migrate."""
        return self._owner is not None

    @property
    def owner(self) -> str:
        """For migrations alone."""
        return _named(self._owner, "DATABASE_URL", "gesta_owner")

    @property
    def system(self) -> str:
        """For what appends, projects and works."""
        return _named(self._system, "GESTA_SYSTEM_DATABASE_URL", "gesta_system")

    @property
    def api(self) -> str:
        """For what reads on behalf of a tenant."""
        return _named(self._api, "GESTA_API_DATABASE_URL", "gesta_api")

    @property
    def listen(self) -> str:
        """For LISTEN: a direct connection, because a pooler would lose the notifications."""
        return self._listen or self.system


@contextmanager
def resolve(settings: Settings) -> Iterator[Addresses]:
    """The addresses to use. Where no server is named, the embedded one runs for as long as this is open."""
    if settings.is_embedded:
        with postgres.embedded(settings.data_dir / "postgres", bin_directory=settings.postgres_bin) as server:
            yield embedded_addresses(server)
    else:
        yield Addresses(
            _reveal(settings.database_url),
            _reveal(settings.system_database_url),
            _reveal(settings.api_database_url),
            _reveal(settings.listen_database_url),
        )


def embedded_addresses(server: EmbeddedServer) -> Addresses:
    system = server.url("gesta_system")
    return Addresses(server.url("gesta_owner"), system, server.url("gesta_api"), system, server)


def _reveal(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _named(url: str | None, variable: str, role: str) -> str:
    if url is None:
        raise OperatorError(f"{variable} is not set: it is the connection string of a login as {role}.")
    return url
