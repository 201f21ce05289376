"""No node type is half there."""

import pkgutil

import pytest

import engine.nodes
from engine.nodes import BY_NAME, NODE_TYPES
from engine.nodes.kind import NodeType
from engine.schema import check_schema

CONTRACT = ["start", "end", "fail", "set", "condition", "approval", "ai_agent", "task", "join"]
CONTRACT += ["http", "foreach", "workflow", "wait", "wait_event", "emit"]


def test_every_file_of_a_node_type_is_registered() -> None:
    files = {module.name for module in pkgutil.iter_modules(engine.nodes.__path__)} - {"kind"}
    assert files == {node_type.name for node_type in NODE_TYPES}


def test_every_node_type_is_supported() -> None:
    assert {*BY_NAME} == {*CONTRACT}
    assert len(BY_NAME) == len(NODE_TYPES)


@pytest.mark.parametrize("node_type", NODE_TYPES, ids=lambda node_type: node_type.name)
def test_every_configuration_has_a_schema_that_knows_its_fields(node_type: NodeType) -> None:
    check_schema(node_type.config)
    assert node_type.config["additionalProperties"] is False
    assert node_type.raw <= node_type.config["properties"].keys()
    assert node_type.later.isdisjoint(node_type.config["properties"])
