"""``gesta prompt``: prompts kept in files. A client of the API, with GESTA_URL and GESTA_API_KEY."""

import json
from pathlib import Path
from typing import Annotated

import typer

from runtime.errors import OperatorError

app = typer.Typer(help="Prompts.", no_args_is_help=True)


@app.callback()
def prompt() -> None:
    """Prompts, by way of the API."""


@app.command(name="apply")
def apply_prompt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt, as JSON.", exists=True, dir_okay=False)],
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as well.")] = False,
    note: Annotated[str | None, typer.Option(help="What is new in this version.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="The tenant, for a platform key.")] = None,
) -> None:
    """Make what is in FILE the prompt's draft; the prompt is created where there is none of its key."""
    from client import Client, GestaError
    from runtime.settings import load_settings

    try:
        given = json.loads(file.read_text())
    except ValueError as error:
        raise OperatorError(f"{file}: {error}") from None
    if not isinstance(given, dict) or not isinstance(given.get("key"), str):
        raise OperatorError(f"{file}: a prompt must be a JSON object with a key.")
    settings = load_settings()
    if settings.api_key is None:
        raise OperatorError("GESTA_API_KEY is not set: `gesta key create` makes a key.")
    with Client(settings.base_url, settings.api_key.get_secret_value(), tenant) as client:
        try:
            applied = client.apply_prompt(given, publish=publish, note=note)
        except GestaError as error:
            raise OperatorError(str(error)) from None
    current = applied["current_version"]
    print(f"{applied['key']} ({applied['id']}): {'no version' if current is None else f'version {current}'} is current")
    for warning in applied.get("warnings", ()):
        print(f"  warning: {warning['message']} ({warning['path']})")
