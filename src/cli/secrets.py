"""``gesta secrets``: under which master key tenants' secrets are sealed, and sealing them under another."""

import asyncio
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from runtime.master_keys import MasterKeys

app = typer.Typer(help="Tenants' secrets: sealing them under another master key.", no_args_is_help=True)

PAGE = 200


@app.command()
def rekey() -> None:
    """Seal anew, under the first master key, what was sealed under another. May be stopped and begun again, while all goes on.

    Give every process both keys first, the new one in front; take the old one away when this has said that none is left.
    """
    from runtime import master_keys
    from runtime.addresses import resolve
    from runtime.errors import OperatorError
    from runtime.settings import load_settings

    settings = load_settings()
    keys = master_keys.load(settings)
    if keys is None:
        raise OperatorError("There is no master key: GESTA_MASTER_KEY is not set.")
    with resolve(settings) as addresses:
        asyncio.run(_rekey(addresses.system, keys))


async def _rekey(url: str, keys: "MasterKeys") -> None:
    from runtime.errors import OperatorError
    from runtime.master_keys import CannotOpen
    from runtime.pools import connect
    from store import secrets

    count, last, closed = 0, None, dict[str, int]()
    async with connect(url, name="gesta secrets") as connection:
        while page := await secrets.under_other_keys(connection, keys.id, last, PAGE):
            for value, sealed in page:
                last = value
                try:
                    count += await secrets.reseal(connection, keys, value, sealed)
                except CannotOpen:
                    closed[sealed.master_key] = closed.get(sealed.master_key, 0) + 1
    print(f"{count} sealed anew under the master key {keys.id}.")
    if closed:
        told = ", ".join(f"{many} under {key}" for key, many in sorted(closed.items()))
        raise OperatorError(f"Not opened by the keys at hand: {told}. Add those keys behind the first, and run it again.")
    print("None is left under another key.")
