"""``gesta workflow``: definitions kept in files. A client of the API, with GESTA_URL and GESTA_API_KEY."""

from pathlib import Path
from typing import Annotated

import typer

from cli.by_http import TenantOption, connected, object_in

app = typer.Typer(help="Workflows.", no_args_is_help=True)


@app.callback()
def workflow() -> None:
    """Workflows, by way of the API."""


@app.command(name="apply")
def apply_definition(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A definition, as JSON.", exists=True, dir_okay=False)],
    publish: Annotated[bool, typer.Option("--publish", help="Publish it as well.")] = False,
    note: Annotated[str | None, typer.Option(help="What is new in this version.")] = None,
    tenant: TenantOption = None,
) -> None:
    """Make the definition in FILE the workflow's draft; the workflow is created where there is none of its key."""
    definition = object_in(file)
    with connected(tenant) as client:
        applied = client.apply(definition, publish=publish, note=note)
    version = "no version" if applied.published_version is None else f"version {applied.published_version}"
    print(f"{applied.key} ({applied.id}): {version} is published")
    for warning in applied.data.get("warnings", ()):
        print(f"  warning: {warning['message']} ({warning['path']})")
