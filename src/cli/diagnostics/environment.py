"""Python, its libraries, PostgreSQL's programs, the data directory, the disk, the environment."""

import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from cli.diagnostics.finding import CheckResult, fail, ok, warn
from runtime import failpoints
from runtime.errors import OperatorError
from runtime.migrations import DIRECTORY
from runtime.parent import VARIABLE
from runtime.postgres.binaries import find_binaries
from runtime.settings import PREFIX, Settings

OLDEST_PYTHON = (3, 11)
LOCK = DIRECTORY.parent / "requirements.lock"
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
NAME = re.compile(r"[A-Za-z0-9._-]+")
SHOWN = 5
LITTLE_DISK, TOO_LITTLE_DISK = 2 << 30, 256 << 20  # bytes


def examine(settings: Settings) -> Iterator[CheckResult]:
    yield python(sys.version_info[:2])
    yield from libraries(LOCK.read_text("utf-8") if LOCK.exists() else None)
    yield programs(settings)
    if settings.is_embedded:
        yield data_directory(settings.data_dir / "postgres")
        yield disk(settings.data_dir)
    yield from variables(os.environ)
    yield from secrets(settings)


def python(version: tuple[int, int]) -> CheckResult:
    if version < OLDEST_PYTHON:
        return fail(
            "python", platform.python_version(), "Gesta needs Python 3.11 or later: make clean, make PYTHON=python3.12 run"
        )
    return ok("python", platform.python_version())


def libraries(lock: str | None) -> Iterator[CheckResult]:
    """What is installed against ``requirements.lock`` (its text; None where there is none, as in an installed wheel)."""
    missing = [name for name in _required() if _installed(name) is None]
    if missing:
        yield fail("libraries", f"not installed: {', '.join(missing)}", "pip install --require-hashes -r requirements.lock")
    if lock is None:
        yield ok("libraries", "no requirements.lock to compare with")
        return
    locked: dict[str, set[str]] = {}
    for name, version in LOCKED.findall(lock):
        locked.setdefault(name, set()).add(version)  # one for each platform, sometimes
    others = [
        f"{name} {there} instead of {' or '.join(sorted(versions))}"
        for name, versions in locked.items()
        if (there := _installed(name)) is not None and there not in versions
    ]
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        yield warn("libraries", "; ".join(others[:SHOWN]) + more, "pip install --require-hashes -r requirements.lock")
    elif not missing:
        yield ok("libraries", f"as in requirements.lock ({len(locked)} named there)")


def programs(settings: Settings) -> CheckResult:
    try:
        found = find_binaries(settings.postgres_bin)
    except OperatorError as error:
        if settings.is_embedded:
            return fail("postgresql programs", str(error), "nothing runs without them, as no server is named")
        return warn("postgresql programs", str(error), "only gesta db psql needs them here")
    return ok("postgresql programs", f"{found.major} in {found.path}")


def data_directory(home: Path) -> CheckResult:
    """``home``: the embedded server's."""
    if not home.exists():
        return ok("data directory", f"{home} is not there yet; gesta up makes it")
    found = home.stat()
    if not stat.S_ISDIR(found.st_mode):
        return fail("data directory", f"{home} is no directory", "choose another GESTA_DATA_DIR")
    if os.geteuid() not in (0, found.st_uid):
        return fail(
            "data directory", f"{home} belongs to user {found.st_uid}", "run as that user, or choose another GESTA_DATA_DIR"
        )
    if found.st_mode & 0o077:
        return warn("data directory", f"{home} can be entered by others ({stat.filemode(found.st_mode)})", f"chmod 700 {home}")
    if not os.access(home, os.W_OK | os.X_OK):
        return fail("data directory", f"{home} cannot be written", f"chmod 700 {home}")
    return ok("data directory", str(home))


def disk(directory: Path) -> CheckResult:
    there = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / 2**30:.1f} GiB free for {directory}"
    if free < TOO_LITTLE_DISK:
        return fail("disk", words, "make room: PostgreSQL stops when the disk is full (what was committed is safe)")
    if free < LITTLE_DISK:
        return warn("disk", words, "make room before it is full")
    return ok("disk", words)


def variables(environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """Names that look like settings and are none: a typing error is silent otherwise."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {VARIABLE, failpoints.VARIABLE}
    strange = sorted(name for name in environment if name.startswith(PREFIX) and name not in known)
    if environment.get(failpoints.VARIABLE):
        yield fail("settings", f"{failpoints.VARIABLE} is set: processes kill themselves", "unset it; it is for tests")
    if strange:
        yield warn(
            "settings", f"{', '.join(strange)}: no such setting", "see docs/how-to/run.md; a misspelt name counts as unset"
        )
    else:
        yield ok("settings", "every GESTA_ variable is known")


def secrets(settings: Settings) -> Iterator[CheckResult]:
    path = settings.master_key_file
    if path is None:
        return
    if not path.is_file() or not os.access(path, os.R_OK):
        yield fail("master key", f"{path} cannot be read", "GESTA_MASTER_KEY_FILE names a file that this user may read")
    elif path.stat().st_mode & 0o077:
        yield warn("master key", f"{path} can be read by others", f"chmod 600 {path}")
    else:
        yield ok("master key", str(path))


def _required() -> list[str]:
    """What this product cannot run without, by its own metadata."""
    requirements = metadata.requires("gesta") or []
    names = [match.group() for one in requirements if ";" not in one and (match := NAME.match(one))]
    return sorted(names)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
