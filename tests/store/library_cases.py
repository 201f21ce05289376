"""What tests of the library on our ledger share, and the test-cases that it publishes for those who write recorders.

The cases' module also imports the library's AES cipher, for cases about ciphers, and with it a package that nothing here needs.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from uuid import UUID, uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.conftest import Database

if find_spec("Crypto") is None and "eventsourcing.cipher" not in sys.modules:
    absent = ModuleType("eventsourcing.cipher")
    absent.AESCipher = None  # type: ignore[attr-defined]
    sys.modules["eventsourcing.cipher"] = absent

from eventsourcing.tests import persistence as cases

__all__ = ["cases", "library_environment", "open_ledger"]


def open_ledger(database: Database) -> UUID:
    """A new ledger's tenant id."""
    tenant_id = uuid4()
    with psycopg.connect(database.system_url, autocommit=True) as connection:
        connection.execute("SELECT ledger.open(%s)", (tenant_id,))
    return tenant_id


def library_environment(database: Database, tenant_id: UUID) -> dict[str, str]:
    """What a library application needs in order to stand on a ledger, as `gesta_system`."""
    info = conninfo_to_dict(database.system_url)
    return {
        "PERSISTENCE_MODULE": "store.recorder:LedgerFactory",
        "LEDGER_TENANT_ID": str(tenant_id),
        "POSTGRES_DBNAME": str(info["dbname"]),
        "POSTGRES_HOST": str(info["host"]),
        "POSTGRES_PORT": str(info["port"]),
        "POSTGRES_USER": str(info["user"]),
        "POSTGRES_PASSWORD": "",
    }
