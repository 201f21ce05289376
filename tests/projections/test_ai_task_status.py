"""The status of an AI task's row is that of the task's own state, however chance has the task go on. Folded in memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.envelope import RecordedEvent
from projections import ai_agent_tasks, ai_agent_tool_calls
from projections.registry import apply, concerned
from projections.rows import Rows
from store.topics import topic_of
from tests.domain.test_ai_task_loop import TASK, Course
from tests.projections.story import ACME, BY_ANN, START, an_id

TABLES = (ai_agent_tool_calls.TABLE, ai_agent_tasks.TABLE)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_row_says_of_its_task_what_the_task_needs(draw: st.DataObject) -> None:
    rows, known, told = Rows(TABLES), concerned(TABLES), 0
    for task in Course.of(draw):
        for number, event in enumerate(task.events[told:], told + 1):
            about = topic_of(type(event)), event, START, START, an_id(f"command {number}"), BY_ANN, b"{}"
            apply(rows, RecordedEvent(ACME, number, TASK, number, *about), known)
        told = len(task.events)
        row = rows.get(ai_agent_tasks.NAME, ACME, TASK)
        found = row["status"], row["open_questions"], row["turns"]
        assert found == (task.state.status, len(task.state.questions), len(task.state.turns))
    calls = [row["status"] for row in rows.of(ai_agent_tool_calls.NAME).each()]
    assert not {"ready", "asked"} & set(calls), "nothing is to come of a task that is over"
