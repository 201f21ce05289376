"""A foreach against a model of it that shares no code with the engine: a window that moves along a list.

Whoever does the tasks, in whatever order, with failures and pauses in between: which items run, and what all of it comes to.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine.fan_out
from domain.execution import ExecutionCompleted, ItemStarted
from domain.facts import Json
from engine.context import EngineLimits
from tests.engine.items import Site, body, each, one_foreach
from tests.engine.working import task


@dataclass
class Window:
    """What must hold. `tolerated`: how many may fail; None: all."""

    count: int
    most: int
    tolerated: int | None
    running: list[int] = field(default_factory=list)
    ended: dict[int, str | None] = field(default_factory=dict)
    begun: int = 0
    error: int | None = None
    """The failure that was one too many."""
    paused: bool = False

    def fill(self) -> None:
        while not self.over and not self.paused and len(self.running) < self.most and self.begun < self.count:
            self.running.append(self.begun)
            self.begun += 1

    def end(self, index: int, *, well: bool) -> None:
        self.running.remove(index)
        self.ended[index] = f"result {index}" if well else None
        failures = sum(result is None for result in self.ended.values())
        if not well and self.tolerated is not None and failures > self.tolerated:
            self.error = index
            self.running = []
        self.fill()

    @property
    def over(self) -> bool:
        return self.error is not None or len(self.ended) == self.count

    @property
    def output(self) -> Json:
        if self.error is not None:
            return {"type": f"broken {self.error}".replace(" ", "_"), "message": "It broke.", "attempts": 1, "index": self.error}
        failed = sorted(index for index, result in self.ended.items() if result is None)
        return {
            "results": [self.ended[index] for index in range(self.count)],
            "errors": [{"index": index, "type": f"broken_{index}", "message": "It broke."} for index in failed],
        }


@st.composite
def windows(draw: Any) -> tuple[Window, Json]:
    tolerated = draw(st.one_of(st.none(), st.integers(0, 4)))
    window = Window(draw(st.integers(0, 25)), draw(st.integers(1, 6)), tolerated)
    config: Json = {"max_concurrency": window.most, "on_item_error": "continue", "tolerated_failures": tolerated}
    if tolerated is None:
        del config["tolerated_failures"]
    elif tolerated == 0 and draw(st.booleans()):
        config = {"max_concurrency": window.most, "on_item_error": "fail"}
    return window, config


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.fan_out, "CHUNK_PER_SLOT", 1)


@settings(deadline=None)
@given(windows(), st.data(), st.integers(1, 7), st.sampled_from([3, 7, 1_000]))
def test_the_items_that_run_are_a_window_that_moves_along_the_list(
    drawn: tuple[Window, Json], data: st.DataObject, chunk: int, share: int
) -> None:
    window, config = drawn
    engine.fan_out.USUAL_CHUNK, usual = chunk, engine.fan_out.USUAL_CHUNK
    try:
        site = Site(one_foreach(each(body({"work": task("w")}), **config)), EngineLimits(steps_per_command=share))
        site.start({"items": list(range(window.count))})
        window.fill()
        while not window.over:
            assert sorted(site.running) == sorted(window.running)
            _step(site, window, data)
        if window.paused:
            site.resume()
        site.work_off().settled()
        assert site.end == ExecutionCompleted(window.output)
        assert site.running == []
        begun = [fact.event.index for fact in site.facts if isinstance(fact.event, ItemStarted)]
        assert begun == list(range(len(begun))), "each once, in order"
        assert len(begun) == window.begun
    finally:
        engine.fan_out.USUAL_CHUNK = usual


def _step(site: Site, window: Window, data: st.DataObject) -> None:
    if window.paused and (not window.running or data.draw(st.booleans(), "resume")):
        site.resume().work_off()
        window.paused = False
        window.fill()
        return
    if not window.paused and data.draw(st.integers(0, 5), "pause") == 0:
        site.pause()
        window.paused = True
        return
    index, well = data.draw(st.sampled_from(window.running), "item"), data.draw(st.integers(0, 4), "how") > 0
    if well:
        site.complete(index, f"result {index}")
    else:
        site.fail(index, f"broken_{index}")
    site.work_off()
    window.end(index, well=well)
