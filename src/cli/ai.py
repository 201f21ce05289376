"""``gesta ai``: what agents did, played again from the record."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

if TYPE_CHECKING:
    from domain.ai_task import AiTaskEvent
    from engine.ai_replay import Replayed

app = typer.Typer(help="AI tasks: playing them again from the record.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option("--tenant", metavar="SLUG", help="The tenant's slug or id.")]
PolicyOption = Annotated[
    Path | None,
    typer.Option("--policy", help="A JSON file {tool: policy}: what if the tools had had these policies?", dir_okay=False),
]


@app.callback()
def group() -> None:
    """AI tasks: playing them again from the record."""


@app.command()
def replay(
    task_id: Annotated[UUID, typer.Argument(metavar="TASK_ID", help="The id of the AI task.")],
    tenant: TenantOption,
    policy: PolicyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play a task again from its events, without calling a model or a tool, and compare.

    Answers of models, results of tools and what people said are taken from the record. Verdicts of policies and guards, bounds,
    repairs, other attempts and the end are decided anew. Exit code 0: the same, 1: something differs, 2: wrong usage.
    """
    from domain.ai_task.comparing import NotReplayable
    from engine import ai_replay
    from engine.cel import CelEvaluator
    from engine.context import Engine
    from runtime.addresses import resolve
    from runtime.settings import load_settings

    policies = None if policy is None else _policies(policy)
    with resolve(load_settings()) as addresses:
        events = asyncio.run(_events(addresses.system, tenant, task_id))
    try:
        played = events if policies is None else ai_replay.with_policies(events, policies)
        found = ai_replay.replay(task_id, played, Engine(CelEvaluator()))
    except NotReplayable as error:
        raise typer.BadParameter(str(error), param_hint="TASK_ID" if policies is None else "--policy") from None
    report = described(task_id, found, len(events))
    print(json.dumps(report, ensure_ascii=False) if as_json else "\n".join(lines(report)))
    raise typer.Exit(0 if found.same else 1)


async def _events(url: str, tenant: str, task_id: UUID) -> "list[AiTaskEvent]":
    from cli.ledgers import ledgers
    from domain.ai_task import AI_TASK
    from domain.envelope import Unread
    from runtime.errors import OperatorError
    from runtime.pools import connect
    from store.reading import read_stream

    async with connect(url, name="gesta ai replay") as conn:
        (ledger,) = await ledgers(conn, tenant)
        records = await read_stream(conn, ledger.tenant_id, task_id, also_unread=True)
    for record in records:
        if isinstance(record.event, Unread):
            raise OperatorError(f"Event {record.version} of the task cannot be read by this release: {record.event.why}")
    if not records or not isinstance(records[0].event, AI_TASK.events):
        raise typer.BadParameter(f"There is no AI task {task_id} in {ledger.name}.", param_hint="TASK_ID")
    return [record.event for record in records]  # type: ignore[misc]  # a stream has the events of one aggregate


def _policies(file: Path) -> dict[str, Any]:
    from cli.by_http import object_in
    from runtime.errors import OperatorError

    try:
        found = object_in(file)
    except OperatorError as error:
        raise typer.BadParameter(str(error), param_hint="--policy") from None
    if not all(isinstance(each, dict) for each in found.values()):
        raise typer.BadParameter(f"{file} holds no JSON object {{tool: policy}}.", param_hint="--policy")
    return found


def described(task_id: UUID, found: "Replayed", recorded: int) -> dict[str, Any]:
    """As JSON: {task_id, same, status, turns, attempts, tool_calls, denied, events, recorded, taken, difference}."""
    state, difference = found.state, found.difference
    return {
        "task_id": str(task_id),
        "same": found.same,
        "status": state.status,
        "turns": len(state.turns),
        "attempts": state.number,
        "tool_calls": state.totals.tool_calls or 0,
        "denied": sum(call.status == "denied" for turn in state.turns for call in turn.calls),
        "events": found.events,
        "recorded": recorded,
        "taken": list(found.taken),
        "difference": None
        if difference is None
        else {
            "event": difference.number,
            "why": difference.why,
            "recorded": _event(difference.recorded),
            "replayed": _event(difference.replayed),
        },
    }


def _event(event: "AiTaskEvent | None") -> Any:
    from store.codec import JSON
    from store.topics import topic_of

    return None if event is None else {"topic": topic_of(type(event)), "data": json.loads(JSON.encode(event))}


def lines(report: dict[str, Any]) -> list[str]:
    """The report, for people."""
    did = ", ".join(
        f"{report[name]} {word if report[name] == 1 else words}"
        for name, word, words in (
            ("turns", "turn", "turns"),
            ("attempts", "attempt", "attempts"),
            ("tool_calls", "call of a tool", "calls of tools"),
            ("denied", "denied call", "denied calls"),
        )
    )
    taken = [f"  {note}" for note in report["taken"]]
    difference = report["difference"]
    if difference is None:
        return [f"The same: {report['events']} events, {did}. The task is {report['status']}.", *taken]
    return [
        f"Event {difference['event']} of {report['recorded']} differs. {difference['why']}",
        f"  recorded: {_shown(difference['recorded'])}",
        f"  replayed: {_shown(difference['replayed'])}",
        f"The same until then: {report['events']} events, {did}.",
        *taken,
    ]


def _shown(event: Any) -> str:
    return "nothing" if event is None else f"{event['topic']} {json.dumps(event['data'], ensure_ascii=False)}"
