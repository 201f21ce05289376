"""``gesta workflow``: definitions kept in files. A client of the API, with GESTA_URL and GESTA_API_KEY."""

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.errors import OperatorError

app = typer.Typer(help="Workflows.", no_args_is_help=True)


@app.callback()
def workflow() -> None:
    """Workflows, by way of the API."""


@app.command(name="apply")
def apply_definition(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A definition, as JSON.", exists=True, dir_okay=False)],
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as well.")] = False,
    note: Annotated[str | None, typer.Option(help="What is new in this version.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="The tenant, for a platform key.")] = None,
) -> None:
    """Make the definition in FILE the workflow's draft; the workflow is created where there is none of its key."""
    from client import Client, GestaError
    from runtime.settings import load_settings

    try:
        definition = json.loads(file.read_text())
    except ValueError as error:
        raise OperatorError(f"{file}: {error}") from None
    if not isinstance(definition, dict):
        raise OperatorError(f"{file}: a definition must be a JSON object.")
    settings = load_settings()
    if settings.api_key is None:
        raise OperatorError("GESTA_API_KEY is not set: `gesta key create` makes a key.")
    with Client(settings.base_url, settings.api_key.get_secret_value(), tenant) as client:
        try:
            applied = client.apply(definition, publish=publish, note=note)
        except GestaError as error:
            raise OperatorError(str(error)) from None
    version = "no version" if applied.published_version is None else f"version {applied.published_version}"
    print(f"{applied.key} ({applied.id}): {version} is published")
    for warning in applied.data.get("warnings", ()):
        print(f"  warning: {warning['message']} ({warning['path']})")
