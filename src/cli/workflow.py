"""``gesta workflow``: definitions kept in files. A client of the API, with GESTA_URL and GESTA_API_KEY."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.errors import OperatorError

if TYPE_CHECKING:
    import httpx2

app = typer.Typer(help="Workflows.", no_args_is_help=True)


@app.command(name="apply")
def apply_definition(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A definition, as JSON.", exists=True, dir_okay=False)],
    publish: Annotated[bool, typer.Option("--publish", help="Publish it, too.")] = False,
    note: Annotated[str | None, typer.Option(help="What is new in this version.")] = None,
    tenant: Annotated[str | None, typer.Option(metavar="SLUG", help="The tenant, for a platform key.")] = None,
) -> None:
    """Make the definition in FILE the workflow's draft; the workflow is created where there is none of its key."""
    import httpx2

    from runtime.settings import load_settings

    try:
        definition = json.loads(file.read_text())
    except ValueError as error:
        raise OperatorError(f"{file}: {error}") from None
    settings = load_settings()
    if settings.api_key is None:
        raise OperatorError("GESTA_API_KEY is not set: `gesta key create` makes a key.")
    headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} | ({"Gesta-Tenant": tenant} if tenant else {})
    try:
        with httpx2.Client(base_url=settings.base_url + "/v1", headers=headers, timeout=30) as client:
            key = str(definition.get("key")) if isinstance(definition, dict) else ""
            found = _answer(client.get("/workflows", params={"key": key}))["items"] if key else []
            if not found:
                workflow = _answer(client.post("/workflows", json={"definition": definition}))
            elif found[0]["definition"] == definition and found[0]["draft"] is None:
                print(f"{key} version {found[0]['published_version']} is just this")
                return
            else:
                workflow = _answer(client.put(f"/workflows/{found[0]['id']}/draft", json={"definition": definition}))
            print(f"{workflow['key']} is drafted ({workflow['id']})")
            if publish:
                published = _answer(client.post(f"/workflows/{workflow['id']}/publish", json={"note": note}))
                print(f"{published['key']} version {published['published_version']} is published")
    except httpx2.TransportError as error:
        raise OperatorError(f"{settings.base_url} does not answer: {error}") from None


def _answer(response: "httpx2.Response") -> Any:
    if response.status_code < 400:
        return response.json()
    problem = response.json()
    faults = [f"  {fault['path']}: {fault['message']}" for fault in problem.get("errors", [])]
    raise OperatorError("\n".join([f"{response.status_code} {problem.get('detail') or problem.get('title')}", *faults]))
