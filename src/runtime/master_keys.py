"""The master keys, under which tenants' secrets are sealed. They come from the environment or a file, not from the database.

`GESTA_MASTER_KEY`, or the file that `GESTA_MASTER_KEY_FILE` names: 32 bytes in base64. Several, by blanks, commas or lines: the
first one seals, and the others open what was sealed under them before (`gesta secrets rekey` seals it anew).
"""

import hashlib
import hmac
import logging
import os
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runtime.errors import OperatorError
from runtime.settings import Settings

log = logging.getLogger(__name__)

KEY_BYTES, NONCE_BYTES = 32, 12
VARIABLE, FILE_VARIABLE = "GESTA_MASTER_KEY", "GESTA_MASTER_KEY_FILE"
OWN_FILE = "master.key"
"""In the data directory, where the platform runs its own database."""


class CannotOpen(Exception):
    """A sealed text that none of the keys at hand opens. What it says can be told: nothing that was sealed is in it."""


@dataclass(frozen=True)
class Sealed:
    """`master_key`: the id of the key that opens it."""

    master_key: str
    nonce: bytes
    ciphertext: bytes


class MasterKeys:
    """The first one seals; all of them open."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"master keys have {KEY_BYTES} bytes")
        self._by_id = {_id(key): AESGCM(key) for key in keys}
        self.id = _id(keys[0])
        self._fingerprints = hashlib.sha256(b"gesta fingerprints" + keys[0]).digest()

    def __repr__(self) -> str:
        return f"MasterKeys({self.id})"

    def has(self, id: str) -> bool:
        return id in self._by_id

    def seal(self, text: str, bound_to: bytes) -> Sealed:
        """`bound_to`: what it can be opened with and for only."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(self.id, nonce, self._by_id[self.id].encrypt(nonce, text.encode(), bound_to))

    def open(self, sealed: Sealed, bound_to: bytes) -> str:
        """Raises CannotOpen."""
        key = self._by_id.get(sealed.master_key)
        if key is None:
            raise CannotOpen(f"It was sealed under the master key {sealed.master_key}, which this process does not have.")
        try:
            return key.decrypt(sealed.nonce, sealed.ciphertext, bound_to).decode()
        except InvalidTag:
            raise CannotOpen("The sealed value was changed, or is another secret's.") from None

    def fingerprint(self, data: bytes) -> bytes:
        """A hash that who does not have the key cannot find the data by trying."""
        return hmac.digest(self._fingerprints, data, "sha256")


def tenant_digest(keys: MasterKeys, tenant_id: UUID, text: str) -> str:
    """The same for the same text of a tenant, and under the same master key: nobody can find the text by trying."""
    of_tenant = keys.fingerprint(b"gesta sensitive values" + tenant_id.bytes)
    return hmac.digest(of_tenant, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]


def _id(key: bytes) -> str:
    return hashlib.sha256(b"gesta master key" + key).hexdigest()[:16]


def load(settings: Settings) -> MasterKeys | None:
    """The keys that this process was given; None where it was given none. Raises OperatorError; it does not cite a key."""
    if settings.master_key is not None:
        return _parsed(settings.master_key.get_secret_value(), VARIABLE)
    if settings.master_key_file is not None:
        return _from_file(settings.master_key_file, FILE_VARIABLE)
    own = settings.data_dir / OWN_FILE
    return _from_file(own, str(own)) if settings.is_embedded and own.exists() else None


def make_own(settings: Settings) -> None:
    """Where the platform runs its own database and was given no key: a file with a new one, in the data directory.

    It is not part of a backup of the database, which without it holds no secret that anybody could read.
    """
    if not settings.is_embedded or settings.master_key is not None or settings.master_key_file is not None:
        return
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    text = b64encode(os.urandom(KEY_BYTES)) + b"\n"
    file = settings.data_dir / OWN_FILE
    draft = settings.data_dir / f"{OWN_FILE}.{os.getpid()}"
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        try:
            os.link(draft, file)  # all of it or nothing, and never over one that is there
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror}.") from error


def _from_file(file: Path, name: str) -> MasterKeys:
    try:
        mode = file.stat().st_mode
        if mode & 0o022:
            raise OperatorError(f"{name}: others than its owner may write to {file}. Make it theirs alone: chmod 600.")
        if mode & 0o044:  # as containers mount secrets
            log.warning("%s: others than its owner may read %s", name, file, extra={"action": "master_key"})
        return _parsed(file.read_text("ascii"), name)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise OperatorError(f"{name}: {file} cannot be read: {reason}.") from None


def _parsed(text: str, name: str) -> MasterKeys:
    try:
        return MasterKeys([b64decode(part, validate=True) for part in re.split(r"[\s,]+", text) if part])
    except (Base64Error, ValueError):
        raise OperatorError(f"{name} is no key of 32 bytes in base64, as `openssl rand -base64 32` makes one.") from None
