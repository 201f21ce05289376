"""The node types. To add one: a file that fills in a `NodeType`, and its line here."""

from engine.nodes.ai_agent import AI_AGENT
from engine.nodes.approval import APPROVAL
from engine.nodes.condition import CONDITION
from engine.nodes.emit import EMIT
from engine.nodes.end import END
from engine.nodes.fail import FAIL
from engine.nodes.foreach import FOREACH
from engine.nodes.http import HTTP
from engine.nodes.join import JOIN
from engine.nodes.kind import NodeType
from engine.nodes.set import SET
from engine.nodes.start import START
from engine.nodes.task import TASK
from engine.nodes.wait import WAIT
from engine.nodes.wait_event import WAIT_EVENT
from engine.nodes.workflow import WORKFLOW

NODE_TYPES: tuple[NodeType, ...] = (
    START,
    END,
    FAIL,
    SET,
    CONDITION,
    APPROVAL,
    TASK,
    AI_AGENT,
    JOIN,
    WAIT,
    WAIT_EVENT,
    EMIT,
    WORKFLOW,
    HTTP,
    FOREACH,
)

BY_NAME: dict[str, NodeType] = {node_type.name: node_type for node_type in NODE_TYPES}
