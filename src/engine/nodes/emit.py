"""emit {event_type, data?}: an event of this tenant's, told to every visit that waits for one like it.

Its output is {id, source, type}.
"""

from domain.event import EventReceived
from domain.facts import Json
from engine.definition import Node
from engine.deliveries import coming_in
from engine.expressions import resolve
from engine.nodes.kind import Done, Handles, NodeType, RunResult, Visit, object_schema
from engine.nodes.wait_event import TEXT, event_type, lint


def run(visit: Visit) -> RunResult:
    config = resolve(visit.node.config, visit.evaluator, visit.variables)
    id, source = str(visit.activation_id), f"/v1/executions/{visit.execution_id}"
    emitter = visit.execution.started
    assert emitter is not None
    event = EventReceived(
        source,
        id,
        event_type(config["event_type"]),
        config.get("data"),
        emitted_by=visit.execution_id,
        depth=(emitter.event_depth or 0) + 1,
        sent_by=visit.requesters or None,
    )
    fact, job = coming_in(event)
    return Done({"id": id, "source": source, "type": event.type}, facts=(fact,), jobs=(job,))


def output(_node: Node) -> Json:
    text = {"type": "string"}
    return object_schema({"id": text, "source": text, "type": text})


EMIT = NodeType(
    "emit",
    object_schema({"event_type": TEXT, "data": True}, ("event_type",)),
    handles=lambda _node: Handles(("success",), ("error",)),
    run=run,
    output=output,
    lint=lint,
)
