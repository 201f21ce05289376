"""The suite of docs/how-to/evaluate-a-prompt.md is one that is taken, and so are its doubles."""

import json
import re
from pathlib import Path
from typing import Any

from api.routes.evaluations import Suite
from domain.facts import Fact
from domain.prompt import PromptContent, PromptDrafted, PromptPublished, prompt_id_of
from engine.context import Engine
from engine.evaluations import start
from tests.engine.drawing import EVALUATOR
from tests.given import TENANT_ID, FactsView

PAGE = (Path(__file__).parents[2] / "docs/how-to/evaluate-a-prompt.md").read_text()


def test_the_suite_shown_is_taken() -> None:
    written, doubles = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    id, content = prompt_id_of(TENANT_ID, "classify-claim"), PromptContent("Classify.")
    published = [Fact(id, PromptPublished(number, content)) for number in range(1, 5)]
    view = FactsView((Fact(id, PromptDrafted("classify-claim", content)), *published))
    assert "from_task" in PAGE
    for given in (written, {**written, **doubles}):
        suite: Any = Suite.model_validate(given).suite
        assert [check["name"] for check in suite["checks"]] == ["schema", "right kind", "forbidden_tools", "judge"]
        assert start(view, Engine(EVALUATOR), "sorting", suite).result["planned"] == 12
