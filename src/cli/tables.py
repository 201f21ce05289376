"""``gesta db erd`` and ``dbt``: what can be queried, told, drawn and described from the catalogue. No database is needed."""

from pathlib import Path
from typing import Annotated

import typer

FILE = {"dir_okay": False, "metavar": "FILE"}


def erd(
    html: Annotated[Path | None, typer.Option("--html", help="Write a page of diagrams that opens in a browser.", **FILE)] = None,
    markdown: Annotated[Path | None, typer.Option("--markdown", help="Write the reference to a file.", **FILE)] = None,
) -> None:
    """Draw the tables and views that people query, with keys and what columns mean. Without a file: prints Markdown."""
    from cli.catalogs import erd, reference
    from projections.catalog import relations

    if html is not None:
        _write(html, erd.page(relations()))
    if markdown is not None:
        _write(markdown, reference.markdown(relations()))
    if html is None and markdown is None:
        print(reference.markdown(relations()), end="")


def dbt(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where sources.yml goes; it is made.", file_okay=False)],
    schema: Annotated[
        str, typer.Option("--schema", help="The schema that is meant: another one of a replay, say.")
    ] = "projections",
    name: Annotated[str, typer.Option("--name", help="What dbt's models call the source: letters, digits, _.")] = "gesta",
    warn_after_hours: Annotated[
        int, typer.Option("--warn-after-hours", help="dbt warns when nothing was projected for so long.", min=1)
    ] = 24,
) -> None:
    """Write sources.yml for dbt: tables and views with descriptions, tests and freshness. What it wrote before it writes anew."""
    import re

    from cli.catalogs import dbt
    from projections.catalog import relations
    from runtime.errors import OperatorError

    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None:
        raise typer.BadParameter("letters, digits and underscores", param_hint="--name")
    path = directory / "sources.yml"
    if path.exists() and not path.read_bytes().startswith(dbt.HEADER.encode()):
        raise OperatorError(f"{path} is not of gesta db dbt: it stays as it is. Name another directory.")
    _write(path, dbt.sources(relations(), name, schema, warn_after_hours))


def _write(path: Path, text: str) -> None:
    from runtime.errors import OperatorError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.") from error
    print(f"wrote        {path}")
