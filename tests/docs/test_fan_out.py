"""The foreach that is shown does what is said of it."""

import json
import re
from pathlib import Path

from domain.approval import ApprovalRequested
from domain.execution import ExecutionCompleted
from engine.validate import errors, validate
from tests.engine.drawing import EVALUATOR
from tests.engine.items import Site

PAGE = Path(__file__).parents[2] / "docs/how-to/fan-out.md"


def test_the_definition_that_is_shown_is_accepted_and_comes_to_what_is_said() -> None:
    (shown,) = re.findall(r"```json\n(\{.*?\})\n```", PAGE.read_text("utf-8"), re.DOTALL)
    definition = json.loads(shown)
    assert errors(validate(definition, EVALUATOR)) == []
    site = Site(definition).start({"lines": [{"sku": "A", "pieces": 1}, {"sku": "B", "pieces": 9}]})
    site.complete(0, {"amount": 120.5}).complete(1, {"amount": 2000})
    [request] = [fact for fact in site.facts if isinstance(fact.event, ApprovalRequested)]
    assert isinstance(request.event, ApprovalRequested)
    assert request.event.title == "Line 2: B"
    site.decide(request.stream_id, "rejected").settled()
    (said,) = re.findall(r"`(\{\"amounts\".*?\})`\.", PAGE.read_text("utf-8"))
    assert site.end == ExecutionCompleted(json.loads(said))
