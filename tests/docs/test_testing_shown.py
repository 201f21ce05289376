"""The tests that the how-to shows, run as they stand there."""

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-a-workflow.md"
TEXT = PAGE.read_text("utf-8")
SOURCE = "\n".join(re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
NAMES = re.findall(r"^def (test_\w+)\(\)", SOURCE, re.MULTILINE)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (definition,) = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "refund.json").write_text(json.dumps(json.loads(definition)), "utf-8")
    monkeypatch.chdir(tmp_path)
    module: dict[str, object] = {}
    exec(compile(SOURCE, str(PAGE), "exec"), module)
    test = module[name]
    assert callable(test)
    test()


def test_there_are_tests_and_every_double_of_the_kit_is_told() -> None:
    assert len(NAMES) > 8
    for name in ("response", "fails", "in_turn", "takes", "NEVER", "lost"):
        assert re.search(rf"^\| `{name}", TEXT, re.MULTILINE), name
