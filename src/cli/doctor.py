"""``gesta doctor``: what is in the way, on one page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cli.diagnostics.finding import CheckResult
    from runtime.settings import Settings


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look at everything that Gesta stands on, and say what to do. Exit code 0: nothing fails."""
    import json
    from dataclasses import asdict

    findings = []
    for finding in _examine():
        findings.append(finding)
        if not as_json:
            print(finding, flush=True)
    failed = sum(finding.state == "fail" for finding in findings)
    warned = sum(finding.state == "warn" for finding in findings)
    if as_json:
        print(json.dumps({"well": not failed, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(f"\n{failed} failed, {warned} warnings." if failed or warned else "\nAll is well.")
    raise typer.Exit(1 if failed else 0)


def _examine() -> "Iterator[CheckResult]":
    import psycopg

    from cli.diagnostics import environment
    from cli.diagnostics.finding import fail, ok
    from runtime.errors import OperatorError
    from runtime.settings import load_settings

    try:
        settings = load_settings()
    except OperatorError as error:
        yield fail("settings", str(error), "nothing starts before this is fixed; see docs/how-to/run.md")
        return
    yield from environment.examine(settings)
    if settings.is_embedded and not (settings.data_dir / "postgres" / "data").exists():
        yield ok("database", "none yet; gesta up makes it")
        return
    try:
        yield from _database(settings)
    except (OperatorError, psycopg.Error) as error:
        yield fail(
            "database", " ".join(str(error).split()), "see the message; the server's own words are in server.log beside its data"
        )


def _database(settings: "Settings") -> "Iterator[CheckResult]":
    import asyncio

    from cli.diagnostics import analysts, database, models, secrets, ways
    from runtime.addresses import Addresses, resolve

    async def collect(addresses: Addresses) -> "list[CheckResult]":
        findings = [finding async for finding in database.examine(addresses)]
        findings += [finding async for finding in ways.examine(addresses)]
        if any(finding.what == "migrations" and finding.state == "ok" for finding in findings):
            findings += [finding async for finding in secrets.examine(settings, addresses)]
            findings += [finding async for finding in models.examine(addresses)]
            findings += [finding async for finding in analysts.examine(addresses)]
        return findings

    with resolve(settings) as addresses:
        findings = asyncio.run(collect(addresses))
        yield from findings
        if any(finding.what == "migrations" and finding.state == "ok" for finding in findings):
            yield _drift(settings)


def _drift(settings: "Settings") -> "CheckResult":
    from cli.diagnostics.finding import fail, ok, warn
    from runtime import functions, migrations
    from runtime.drift import both_sides
    from runtime.errors import OperatorError

    try:
        drifts = both_sides(settings, migrations.load(), (), functions.load()).drifts()
    except OperatorError as error:
        return warn("drift", f"not checked: {error}", "gesta db check, with the owner's DATABASE_URL")
    if drifts:
        return fail("drift", f"{len(drifts)} differences from the migrations; the first: {drifts[0]}", "gesta db check")
    return ok("drift", "the schema is as the migrations say")
