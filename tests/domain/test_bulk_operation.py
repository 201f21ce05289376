"""Bulk operations: what they act on is fixed, each step is counted once, and who is cancelled says what was done."""

from collections.abc import Callable
from uuid import UUID

import pytest

from domain.bulk_operation import (
    BULK_CHUNK,
    BULK_OPERATION,
    JOB,
    MOST_FAILURES,
    STEP,
    BulkChunkListed,
    BulkFailure,
    BulkOperationCancelled,
    BulkOperationCompleted,
    BulkOperationFailed,
    BulkOperationProgressed,
    Member,
    Requester,
    Tally,
    cancel,
    chunk_id,
    chunks_of_step,
    members_of_step,
    progress,
    request,
    step_job,
)
from domain.facts import Decided, PermissionDenied, View
from engine.jobs import JobRef
from tests.given import Story, given

ANN = Requester("user", UUID(int=7), user_id=UUID(int=8))
IDS = [str(UUID(int=0x1000 + number)) for number in range(250)]


def requested(*sizes: int) -> Story:
    """An operation on as many executions, in chunks of these sizes."""
    taken = iter(IDS)
    chunks = [[next(taken) for _ in range(size)] for size in sizes]
    return given().when(lambda view: request(view, "cancel", chunks, ANN, filter={"status": "running"}, reason="wrong price"))


def id_of(story: Story) -> UUID:
    return story.view.facts[0].stream_id


def step(story: Story, tally: Tally, stopped: PermissionDenied | None = None) -> Callable[[View], Decided]:
    id = id_of(story)
    number = story.view.read(BULK_OPERATION, id).step
    return lambda view: progress(view, JobRef(step_job(id, number), 1), id, tally, stopped)


def members(story: Story) -> tuple[Member, ...]:
    id = id_of(story)
    state = story.view.read(BULK_OPERATION, id)
    chunks = [(first, story.view.read(BULK_CHUNK, chunk_id(id, number)).members) for number, first in chunks_of_step(state)]
    return members_of_step(state, chunks)


def test_what_it_acts_on_is_kept_in_chunks_and_its_first_step_is_a_job() -> None:
    story = requested(100, 50)
    (_, one), (_, two) = [(fact.stream_id, fact.event) for fact in story.view.facts[1:]]
    assert isinstance(one, BulkChunkListed)
    assert isinstance(two, BulkChunkListed)
    assert (one.first, one.members, two.first, two.members) == (0, IDS[:100], 100, IDS[100:150])
    (job,) = story.jobs.values()
    assert (job.id, job.type, job.input) == (step_job(id_of(story), 1), JOB, {"operation": str(id_of(story))})
    counts = {"matched": 150, "done": 0, "failed": 0, "skipped": 0}
    assert story.result == {"id": str(id_of(story)), "action": "cancel", "status": "running", **counts, "version": 1}


def test_what_matches_nothing_is_completed_at_once() -> None:
    story = requested()
    assert (story.result["status"], story.result["version"], story.jobs) == ("completed", 2, {})


@pytest.mark.parametrize("sizes", [(250,), (100, 100, 50), (70, 70, 70, 40), (1, 99, 150)])
def test_steps_take_all_of_them_in_their_order_once(sizes: tuple[int, ...]) -> None:
    story, seen = requested(*sizes), list[str]()
    while story.jobs:
        some = members(story)
        assert 0 < len(some) <= STEP
        seen += [str(member.execution_id) for member in some]
        story = story.when(step(story, Tally(len(some))))
    assert seen == IDS[: sum(sizes)]
    assert isinstance(story.view.facts[-1].event, BulkOperationCompleted)


def test_a_step_is_counted_and_the_next_one_follows_until_all_are_handled() -> None:
    story = requested(150)
    failures = (BulkFailure(3, "unknown_node", "No."),)
    story = story.when(step(story, Tally(97, 2, failures))).then(BulkOperationProgressed(1, 97, 1, 2, failures))
    assert list(story.jobs) == [step_job(id_of(story), 2)]
    story = story.when(step(story, Tally(50))).then(BulkOperationProgressed(2, 50, 0, 0), BulkOperationCompleted())
    state = story.view.read(BULK_OPERATION, id_of(story))
    assert (state.status, state.done, state.failed, state.skipped, state.settled) == ("completed", 147, 1, 2, True)
    assert story.jobs == {}


def test_no_more_than_a_hundred_failures_are_told_one_by_one() -> None:
    story = requested(250)
    many = tuple(BulkFailure(number, "no", "No.") for number in range(60))
    story = story.when(step(story, Tally(40, 0, many)))
    story = story.when(step(story, Tally(40, 0, many)))
    state = story.view.read(BULK_OPERATION, id_of(story))
    assert (state.failed, state.told) == (120, MOST_FAILURES)


def test_after_it_was_cancelled_the_step_under_way_says_what_it_did_and_none_follows() -> None:
    story = requested(150)
    id = id_of(story)
    story = story.when(lambda view: cancel(view, id, "enough")).then(BulkOperationCancelled("enough"))
    assert (story.result["status"], list(story.jobs)) == ("cancelled", [step_job(id, 1)])
    story = story.when(step(story, Tally(17))).then(BulkOperationProgressed(1, 17, 0, 0))
    state = story.view.read(BULK_OPERATION, id)
    assert (state.status, state.done, state.settled, story.jobs) == ("cancelled", 17, True, {})
    story.when(lambda view: cancel(view, id)).then_refused("bulk_operation_over")


def test_it_stops_where_its_requester_may_not_do_this_any_more() -> None:
    story = requested(150)
    denied = PermissionDenied("This needs the permission executions:control.")
    story = story.when(step(story, Tally(5), denied))
    story = story.then(BulkOperationProgressed(1, 5, 0, 0), BulkOperationFailed("permission_denied", denied.message))
    assert story.jobs == {}


def test_who_reports_a_step_that_is_counted_already_changes_nothing() -> None:
    story = requested(150)
    id, first = id_of(story), JobRef(step_job(id_of(story), 1), 1)
    story = story.when(step(story, Tally(100)))
    assert progress(story.view, first, id, Tally(100)).facts == ()


def test_there_is_none_to_cancel() -> None:
    given().when(lambda view: cancel(view, UUID(int=1))).then_refused("not_found")


def test_ids_follow_from_the_operation_and_the_execution() -> None:
    one, other = Member(0, UUID(int=1)), Member(0, None, {"input": {}})
    ids = {member.command_id(UUID(int=op)) for member in (one, other) for op in (5, 6)}
    assert len(ids | {member.started_id(UUID(int=op)) for member in (one, other) for op in (5, 6)}) == 8
    assert one.command_id(UUID(int=5)) == Member(9, UUID(int=1)).command_id(UUID(int=5))
