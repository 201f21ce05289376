"""What is around an item of a foreach: the execution that it is a part of, and what that has come to before.

Whatever an item does reads the streams around it: it runs for as long as they wait for it, and sees what they see.
"""

from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain.facts import Json
from engine.variables import Nodes

if TYPE_CHECKING:
    from engine.run import Run


def execution_of(run: "Run") -> "Run":
    """The execution itself, of which a run is an item, or which it is."""
    item = run.state.item
    return run if item is None else run.family.run(run, item.execution_id)


def is_wanted(run: "Run") -> bool:
    """Whether it lives and, of an item, the foreach around it still waits, and so on outwards."""
    item = run.state.item
    if not run.state.live or item is None:
        return run.state.live
    parent = run.family.run(run, item.parent_id)
    activation = parent.state.activations.get(item.activation_id)
    return activation is not None and item.foreach_id in activation.waits_for("foreach") and is_wanted(parent)


def variables_around(run: "Run", nodes: Mapping[str, Json]) -> dict[str, Json]:
    """What expressions see. `nodes`: what this run itself has come to; an item sees what came before its foreach as well."""
    item = run.state.item
    if item is None:
        return {**run.own_variables, "nodes": nodes}
    parent = run.family.run(run, item.parent_id)
    lineage = parent.state.activations[item.activation_id].lineage
    outer = variables_around(parent, Nodes(parent.state.results, lineage))
    # A ChainMap is typed for maps that can be written to; nobody writes to this one.
    return {**outer, "item": item.item, "index": item.index, "nodes": ChainMap(nodes, outer["nodes"])}  # type: ignore[arg-type]
