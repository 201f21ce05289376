"""Whether tenants' secrets can be opened with the master keys that this environment gives."""

from collections.abc import AsyncIterator

from cli.diagnostics.finding import CheckResult, fail, ok, warn
from runtime import master_keys
from runtime.addresses import Addresses
from runtime.errors import OperatorError
from runtime.pools import connect
from runtime.settings import Settings
from store import secrets

MASTER_KEY = "give this process the key in GESTA_MASTER_KEY or GESTA_MASTER_KEY_FILE; see docs/how-to/run.md"


async def examine(settings: Settings, addresses: Addresses) -> AsyncIterator[CheckResult]:
    try:
        keys = master_keys.load(settings)
    except OperatorError as error:
        yield fail("master key", str(error), MASTER_KEY)
        return
    async with connect(addresses.system, name="gesta doctor") as connection:
        counted = await secrets.count_by_key(connection)
        lost = await secrets.count_without_value(connection)
    closed = sum(count for key, count in counted.items() if keys is None or not keys.has(key))
    if closed:
        yield fail("master key", f"{closed} secrets are sealed under a master key that is not given here", MASTER_KEY)
    elif keys is None:
        yield ok("master key", "none is given, and no secrets are kept")
    elif outdated := sum(count for key, count in counted.items() if key != keys.id):
        yield warn("master key", f"{outdated} secrets are sealed under a key of before", "gesta secrets rekey")
    else:
        yield ok("master key", f"it opens all {sum(counted.values())} secrets")
    if lost:
        yield fail("secrets", f"{lost} have no value, as after a restore of a part", "give each another value, or delete it")
