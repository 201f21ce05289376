"""``gesta prompt``: prompts kept in files. A client of the API, with GESTA_URL and GESTA_API_KEY."""

from pathlib import Path
from typing import Annotated

import typer

from cli.by_http import TenantOption, connected, object_in
from runtime.errors import WrongUsage

app = typer.Typer(help="Prompts.", no_args_is_help=True)


@app.callback()
def prompt() -> None:
    """Prompts, by way of the API."""


@app.command(name="apply")
def apply_prompt(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A prompt, as JSON.", exists=True, dir_okay=False)],
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as well.")] = False,
    note: Annotated[str | None, typer.Option(help="What is new in this version.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Make what is in FILE the prompt's draft; the prompt is created where there is none of its key."""
    given = object_in(file)
    if not isinstance(given.get("key"), str):
        raise WrongUsage(f"{file}: a prompt must be a JSON object with a key.")
    with connected(tenant) as client:
        applied = client.apply_prompt(given, publish=publish, note=note)
    current = applied["current_version"]
    print(f"{applied['key']} ({applied['id']}): {'no version' if current is None else f'version {current}'} is current")
    for warning in applied.get("warnings", ()):
        print(f"  warning: {warning['message']} ({warning['path']})")
