"""What the commands share that are clients of the API: a file of JSON, and a client with GESTA_URL and GESTA_API_KEY."""

from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.errors import OperatorError, WrongUsage

if TYPE_CHECKING:
    from client import Client

TenantOption = Annotated[str | None, typer.Option("--tenant", metavar="SLUG", help="The tenant, for a platform key.")]


def object_in(file: Path) -> dict[str, Any]:
    """As strictly as the API reads a body: what it would refuse, or read in two ways, is not sent. Raises WrongUsage."""
    from api.strict_json import Unreadable, parse

    try:
        given = parse(file.read_bytes().removeprefix(BOM_UTF8))
    except Unreadable as refused:
        at = f"{refused.error.path}: " if refused.error.path else ""
        raise WrongUsage(f"{file}: {at}{refused.error.message}") from None
    except OSError as error:
        raise WrongUsage(f"{file} cannot be read: {error.strerror}.") from None
    if not isinstance(given, dict):
        raise WrongUsage(f"{file}: must be a JSON object.")
    return given


@contextmanager
def connected(tenant: str | None) -> Iterator["Client"]:
    """Raises OperatorError without a key, and for whatever the API refuses."""
    from client import Client, GestaError
    from runtime.settings import load_settings

    settings = load_settings()
    if settings.api_key is None:
        raise OperatorError("GESTA_API_KEY is not set: `gesta key create` makes a key.")
    with Client(settings.base_url, settings.api_key.get_secret_value(), tenant) as client:
        try:
            yield client
        except GestaError as error:
            raise OperatorError(str(error)) from None
