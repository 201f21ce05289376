"""Files that are whole or not there: written aside, and given their name when all is in them."""

import gzip
import hashlib
import os
import secrets
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import RawIOBase
from pathlib import Path
from typing import IO, Any

from runtime.errors import OperatorError

STDOUT = Path("-")


class Counted(RawIOBase):
    """A file that is written from its beginning to its end, and knows what has gone into it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = bytes(data)
        self._file.write(written)
        self._digest.update(written)
        self.bytes += len(written)
        return len(written)

    def tell(self) -> int:
        return self.bytes

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()


@contextmanager
def new_file(path: Path, called: Path | None = None) -> Iterator[Counted]:
    """`-`: standard output. What ends in `.gz` is compressed. Raises OperatorError where there is such a file already, and where
    the disk does not take it. `called`: in what is said of it."""
    if path == STDOUT:
        yield Counted(sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    refuse_existing(path)
    aside = _aside(path)
    try:
        with writing(called or path), _opened(aside) as file:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as compressed:
                    yield Counted(compressed)  # type: ignore[arg-type]  # it is a binary file
            else:
                yield Counted(file)
            file.flush()
            os.fsync(file.fileno())
        refuse_existing(path)
        aside.rename(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What the disk refuses, as one that is full, is for whoever runs the command. Raises OperatorError."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise  # of what is written, not of the file
    except (OSError, sqlite3.OperationalError) as error:
        raise OperatorError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.") from error


@contextmanager
def new_directory(path: Path, *, kept: bool = True) -> Iterator[Path]:
    """Where to put what is to be in it. It has its own name when all is, unless it is not `kept`.

    Raises OperatorError where it is there, and not empty.
    """
    refuse_existing(path)
    aside = _aside(path)
    try:
        with writing(path):
            aside.mkdir(parents=True)
        yield aside
        if kept:
            refuse_existing(path)
            aside.rename(path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def refuse_existing(path: Path) -> None:
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists():
        raise OperatorError(f"{path} is there already. An export writes new files only: name another, or remove it.")


def is_one_file(path: Path) -> bool:
    """And no directory, by its name."""
    return path == STDOUT or bool(path.suffix and not path.is_dir())


def _aside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{secrets.token_hex(4)}.partial")


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("xb")
    except OSError as error:
        raise OperatorError(f"{path.parent} cannot be written: {error.strerror}.") from error
