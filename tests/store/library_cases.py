"""The recorder test-cases that the `eventsourcing` library publishes for those who write recorders.

Their module also holds cases about ciphers and imports the library's AES cipher, which wants a package that nothing here needs.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

if find_spec("Crypto") is None and "eventsourcing.cipher" not in sys.modules:
    absent = ModuleType("eventsourcing.cipher")
    absent.AESCipher = None  # type: ignore[attr-defined]
    sys.modules["eventsourcing.cipher"] = absent

from eventsourcing.tests import persistence as cases

__all__ = ["cases"]
