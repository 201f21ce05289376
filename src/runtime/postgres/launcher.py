"""Start the embedded server of a directory, or join the one that runs there."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from runtime.errors import OperatorError
from runtime.postgres.binaries import Binaries, find_binaries
from runtime.postgres.bootstrap import DATABASE, bootstrap
from runtime.postgres.data_directory import (
    Home,
    Running,
    forget_the_dead,
    locked,
    make_private,
    running_server,
    take_lock,
    try_lock,
)
from runtime.postgres.diagnosis import diagnose, trouble

SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
START_SECONDS = 300.0  # recovery after a crash may have gigabytes to read
DOWN_SECONDS = 20.0  # without a server process, while its supervisor goes on trying
STOP_SECONDS = 30.0
LEAST_FREE_BYTES = 256 * 1024 * 1024  # a new data directory with its first WAL segments takes a quarter of this
LARGEST_LOG_BYTES = 16 * 1024 * 1024

PARAMETERS = {
    "listen_addresses": "",  # reachable through the private socket alone
    "port": "5432",  # the socket's name; PGPORT must not change it
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",  # compiles for longer than our short queries run
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "cluster_name": "gesta",
}

NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}


@dataclass
class EmbeddedServer:
    """A running server that stays up while this object is open, and while anybody else's is."""

    home: Home
    socket_directory: Path
    binaries: Binaries
    _in_use: int = field(repr=False)
    _parameters: Mapping[str, str] = field(default_factory=dict, repr=False)
    _durable: bool = field(default=True, repr=False)

    def url(self, role: str = "gesta_owner", dbname: str = DATABASE) -> str:
        return socket_url(self.socket_directory, role, dbname)

    def trouble(self) -> str:
        """Why it does not serve now, in words for everybody to see."""
        return trouble(self.home)

    def is_kept(self) -> bool:
        """Whether a supervisor sees to it that it runs, or somebody is about to have one do so."""
        with suppress(OperatorError), locked(self.home.path / "launch.lock", fcntl.LOCK_EX, seconds=0):
            return _keeper_lives(self.home)
        return True

    def revive(self) -> None:
        """Start it again where its supervisor is gone as well. Raises OperatorError with what is in the way."""
        try:
            _running(self.home, self.binaries, self._parameters, durable=self._durable)
        except OSError as error:
            raise OperatorError(f"GESTA_DATA_DIR cannot be used: {error}") from error

    def close(self) -> None:
        """Let go. The last to do so waits until the server has shut down."""
        if self._in_use < 0:
            return
        os.close(self._in_use)
        self._in_use = -1
        self._await_end_unless_used()

    def _await_end_unless_used(self) -> None:
        deadline = time.monotonic() + STOP_SECONDS
        while running_server(self.home) is not None and time.monotonic() < deadline:
            probe = os.open(self.home.path / "in-use.lock", os.O_RDWR)
            try:
                # Exclusive refused and shared granted: other users hold it. Shared refused: the supervisor is stopping it.
                if not try_lock(probe, fcntl.LOCK_EX) and try_lock(probe, fcntl.LOCK_SH) and running_server(self.home):
                    return
            finally:
                os.close(probe)
            time.sleep(0.02)


def socket_url(socket_directory: Path, role: str, dbname: str) -> str:
    return f"postgresql://{quote(role, safe='')}@/{quote(dbname, safe='')}?host={quote(str(socket_directory), safe='')}&port=5432"


@contextmanager
def embedded(
    home: Path, *, bin_directory: Path | None = None, parameters: Mapping[str, str] | None = None, durable: bool = True
) -> Iterator[EmbeddedServer]:
    """``join_or_start``, closed at the end."""
    server = join_or_start(home, bin_directory=bin_directory, parameters=parameters, durable=durable)
    try:
        yield server
    finally:
        server.close()


def join_or_start(
    home: Path, *, bin_directory: Path | None = None, parameters: Mapping[str, str] | None = None, durable: bool = True
) -> EmbeddedServer:
    """The server whose files are in ``home``, with its roles and database made.

    ``parameters`` add to or replace PostgreSQL's configuration for a server started here; ``durable=False`` is for
    tests only: it does not survive a crash of the machine. Raises OperatorError with what is in the way.
    """
    place = Home(home.resolve())
    try:
        make_private(place.path, None if os.geteuid() == 0 else frozenset({os.geteuid()}))
        binaries = find_binaries(bin_directory)
        in_use = take_lock(place.path / "in-use.lock", fcntl.LOCK_SH, seconds=START_SECONDS)
        try:
            settings = PARAMETERS | ({} if durable else NOT_DURABLE) | dict(parameters or {})
            running = _running(place, binaries, settings, durable=durable)
        except BaseException:
            os.close(in_use)
            raise
    except OSError as error:
        raise OperatorError(f"GESTA_DATA_DIR cannot be used: {error}") from error
    return EmbeddedServer(place, running.socket_directory, binaries, in_use, settings, durable)


def _running(home: Home, binaries: Binaries, parameters: Mapping[str, str], *, durable: bool) -> Running:
    """The server, running and prepared. To be called by one who holds *in-use*, so that it stays."""
    with locked(home.path / "launch.lock", fcntl.LOCK_EX, seconds=START_SECONDS):
        _refuse_other_version(home, binaries)
        running = _join(home) or _start(home, binaries, parameters, durable=durable)
        superuser = [socket_url(running.socket_directory, "postgres", name) for name in ("postgres", DATABASE)]
        try:
            bootstrap(*superuser)
        except psycopg.Error as error:
            raise OperatorError(f"The new server's roles and database cannot be made: {' '.join(str(error).split())}") from error
    return running


def _refuse_other_version(home: Home, binaries: Binaries) -> None:
    made_by = home.major()
    if made_by is not None and made_by != binaries.major:
        raise OperatorError(
            f"{home.data} was made by PostgreSQL {made_by}, but the programs in {binaries.path} are PostgreSQL "
            f"{binaries.major}: point GESTA_POSTGRES_BIN at version {made_by}, or dump with it and restore into a new "
            "GESTA_DATA_DIR."
        )


def _join(home: Home) -> Running | None:
    """The server once it is ready; None when there is none and nobody is about to start one. Only under the launch lock."""
    deadline = time.monotonic() + START_SECONDS
    last_seen = time.monotonic()
    while (running := running_server(home)) is not None or _keeper_lives(home):
        if running is not None:
            last_seen = time.monotonic()
        elif time.monotonic() - last_seen > DOWN_SECONDS:
            raise OperatorError(f"The PostgreSQL of {home.data} is down: {trouble(home)}. See {home.log}.")
        if running is not None and running.ready and _answers(running):
            return running
        if time.monotonic() > deadline:
            raise OperatorError(
                f"The PostgreSQL of {home.data} did not become ready within {START_SECONDS:.0f} s: see {home.log}."
            )
        time.sleep(0.01)
    return None


def _start(home: Home, binaries: Binaries, parameters: Mapping[str, str], *, durable: bool) -> Running:
    """Have a supervisor start it, and wait until it answers. Only under the launch lock."""
    sockets = home.socket_directory()
    make_private(sockets, frozenset({os.geteuid(), home.path.stat().st_uid}))
    _refuse_full_disk(home)
    forget_the_dead(home, sockets)
    if home.log.exists() and home.log.stat().st_size > LARGEST_LOG_BYTES:
        home.log.replace(home.log.with_suffix(".log.old"))
    mark = home.log.stat().st_size if home.log.exists() else 0
    orders = {
        "home": str(home.path),
        "sockets": str(sockets),
        "initdb": _initdb_command(binaries, durable=durable),
        "postgres": [binaries.program("postgres"), "-k", str(sockets), *_options(parameters)],
    }
    # Held by the supervisor from now on, through the descriptor it inherits, until it ends.
    with locked(home.path / "keeper.lock", fcntl.LOCK_EX, seconds=START_SECONDS) as lock:
        subprocess.run(
            [sys.executable, "-I", "-S", SUPERVISOR, json.dumps(orders)],
            env=os.environ | {"LC_ALL": "C"},  # its words are read in diagnosis.py
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,  # a Ctrl-C at the terminal is the user's affair, not the server's
            check=True,
        )
    running = _join(home)
    if running is None:
        raise OperatorError(diagnose(home, mark))
    return running


def _keeper_lives(home: Home) -> bool:
    """Whether a supervisor runs: it may be about to start the server, or to start it again. Only under the launch lock."""
    descriptor = os.open(home.path / "keeper.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        return not try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _refuse_full_disk(home: Home) -> None:
    if home.major() is None and shutil.disk_usage(home.path).free < LEAST_FREE_BYTES:
        raise OperatorError(f"Less than {LEAST_FREE_BYTES >> 20} MiB are free for a new database in {home.path}.")


def _answers(running: Running) -> bool:
    url = socket_url(running.socket_directory, "postgres", "postgres")
    try:
        with psycopg.connect(url, connect_timeout=5):
            return True
    except psycopg.OperationalError:
        return False


def _options(parameters: Mapping[str, str]) -> list[str]:
    return [part for name, value in parameters.items() for part in ("-c", f"{name}={value}")]


def _initdb_command(binaries: Binaries, *, durable: bool) -> list[str]:
    if binaries.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-locale"]
    else:
        locale = ["--locale=C.UTF-8" if sys.platform.startswith("linux") else "--no-locale"]
    return [
        binaries.program("initdb"),
        "--username=postgres",
        "--encoding=UTF8",
        *locale,
        "--data-checksums",
        "--auth-local=trust",  # whoever can enter the private directory is the owner of the data
        "--auth-host=reject",
        *([] if durable else ["--no-sync"]),
    ]
