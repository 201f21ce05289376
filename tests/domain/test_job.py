"""Jobs of their own: enqueued, attempted, ended once, and retried by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from domain import job
from domain.facts import Concurrency, Decided, Due, Fact, Job, JobLimits, Timer, View
from domain.job import (
    FENCES_OF_A_ROUND,
    JobAttemptFailed,
    JobCancelled,
    JobCompleted,
    JobEnqueued,
    JobFailed,
    JobRetried,
    key_scope,
    timeout_of,
)
from domain.retry import Failure, RetryPolicy
from tests.given import MOMENT, given

ONE, OTHER, ANN = UUID(int=1), UUID(int=2), UUID(int=9)
TWICE = RetryPolicy(max_attempts=2, initial_interval=timedelta(seconds=10), jitter=0)
WANTED = JobEnqueued("mail", {"to": "ann"}, TWICE)
NAMED = replace(WANTED, unique_key="welcome", timeout=timedelta(hours=1))
BROKEN = Failure("broken", "It broke.")
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def enqueue(wanted: JobEnqueued = WANTED, id: UUID = ONE, on_conflict: job.OnConflict = "return"):  # type: ignore[no-untyped-def]
    return lambda view: job.enqueue(view, id, wanted, on_conflict)


def fail(error: Failure = BROKEN, id: UUID = ONE):  # type: ignore[no-untyped-def]
    return lambda view: job.fail_attempt(view, id, error, jitter=0.5)


def done(view: View) -> Decided:
    return replace(job.complete(view, ONE, "sent"), dropped_jobs=(ONE,))  # as the fence of a report does


def test_a_job_is_handed_out_with_what_its_node_would_say() -> None:
    wanted = replace(WANTED, priority=3, concurrency=Concurrency(2, "smtp"), run_at=Due(after=timedelta(minutes=5)))
    story = given().when(enqueue(wanted)).then(wanted)
    limits = JobLimits(None, None, Concurrency(2, "smtp"))
    assert story.jobs == {
        ONE: Job(
            ONE,
            "mail",
            {"to": "ann"},
            task_id=ONE,
            max_attempts=2,
            delay=timedelta(minutes=5),
            priority=3,
            limits=limits,
        )
    }
    assert story.result == {"id": str(ONE), "status": "pending", "version": 1}


def test_its_time_counts_from_when_it_is_due() -> None:
    hour = timedelta(hours=1)
    at_once = given().when(enqueue(replace(WANTED, timeout=hour))).timers
    assert at_once == {timeout_of(ONE, 0): Timer(timeout_of(ONE, 0), Due(after=hour), "timeout", "job", ONE)}
    delayed = given().when(enqueue(replace(WANTED, timeout=hour, run_at=Due(after=hour)))).timers
    assert [timer.due for timer in delayed.values()] == [Due(after=2 * hour)]
    (named,) = given().when(enqueue(replace(WANTED, timeout=hour, run_at=Due(at=LATER)))).timers.values()
    assert named.due.moment(MOMENT) == LATER + hour
    assert named.due.moment(LATER + hour) == LATER + 2 * hour


def test_attempts_fail_until_the_last_and_then_the_job() -> None:
    again = Due(after=timedelta(seconds=10))
    story = given().when(enqueue()).when(fail()).then(JobAttemptFailed(1, BROKEN, again))
    story = story.when(fail()).then(JobAttemptFailed(2, BROKEN), JobFailed(BROKEN, 2))
    story.when(fail()).then_refused("job_closed")


def test_what_is_final_is_not_tried_again() -> None:
    final = replace(BROKEN, retryable=False)
    given().when(enqueue()).when(fail(final)).then(JobAttemptFailed(1, final), JobFailed(final, 1))
    named = replace(WANTED, retry=replace(TWICE, non_retryable=("broken",)))
    given().when(enqueue(named)).when(fail()).then(JobAttemptFailed(1, BROKEN), JobFailed(BROKEN, 1))


def test_its_end_takes_its_timer_and_its_key() -> None:
    story = given().when(enqueue(NAMED)).when(done).then(JobCompleted("sent", 1))
    assert (story.jobs, story.timers, story.view.claims) == ({}, {}, ())
    story.when(enqueue(NAMED, OTHER)).then(NAMED)


def test_a_key_is_one_pending_jobs_of_its_type() -> None:
    story = given().when(enqueue(NAMED))
    found = story.when(enqueue(NAMED, OTHER)).then()
    assert found.result == {"id": str(ONE), "status": "pending", "version": 1, "existing": True}
    story.when(enqueue(NAMED, OTHER, "reject")).then_refused("name_taken", "/unique_key")
    story.when(enqueue(replace(NAMED, type="letter"), OTHER)).then(replace(NAMED, type="letter"))


def test_the_one_that_has_the_key_is_replaced() -> None:
    wanted = replace(NAMED, created_by=ANN)
    story = given().when(enqueue(NAMED)).when(enqueue(wanted, OTHER, "replace"))
    story.then(JobCancelled(job.REPLACED, ANN), wanted)
    assert [*story.jobs] == [OTHER]
    assert [*story.timers] == [timeout_of(OTHER, 0)]
    assert [claim.owner for claim in story.view.claims] == [OTHER]


def test_a_cancelled_job_is_over() -> None:
    story = given().when(enqueue(NAMED)).when(lambda view: job.cancel(view, ONE, "no", ANN)).then(JobCancelled("no", ANN))
    assert (story.jobs, story.timers, story.view.claims) == ({}, {}, ())
    story.when(done).then_refused("job_closed")
    story.when(lambda view: job.retry(view, ONE)).then_refused("job_not_failed")
    story.when(lambda view: job.cancel(view, OTHER)).then_refused("not_found")


def test_a_job_whose_time_is_up_fails_whoever_has_it() -> None:
    story = given().when(enqueue(NAMED)).when(fail()).when(lambda view: job.time_out(view, ONE))
    (event,) = [fact.event for fact in story.decided.facts]
    assert isinstance(event, JobFailed)
    assert (event.error.type, event.attempts) == ("timeout", 1)
    assert (story.jobs, story.timers, story.view.claims) == ({}, {}, ())


def test_a_failed_job_is_retried_with_all_it_had() -> None:
    later = replace(NAMED, run_at=Due(at=LATER))
    story = given().when(enqueue(later)).when(lambda view: job.time_out(view, ONE))
    story = story.when(lambda view: job.retry(view, ONE, "mended")).then(JobRetried(1, "mended"))
    again = story.jobs[ONE]
    assert (again.fence, again.run_at, again.input) == (FENCES_OF_A_ROUND, None, {"to": "ann"})
    assert {id: timer.due for id, timer in story.timers.items()} == {timeout_of(ONE, 1): Due(after=timedelta(hours=1))}
    assert [(claim.scope, claim.name) for claim in story.view.claims] == [(key_scope("mail"), "welcome")]
    story.when(fail()).then(JobAttemptFailed(1, BROKEN, Due(after=timedelta(seconds=10))))


def test_a_retried_job_does_not_take_anothers_key() -> None:
    story = given().when(enqueue(NAMED)).when(lambda view: job.time_out(view, ONE)).when(enqueue(NAMED, OTHER))
    story.when(lambda view: job.retry(view, ONE)).then_refused("name_taken")


def test_a_job_is_enqueued_once() -> None:
    given([Fact(ONE, WANTED)]).when(enqueue()).then_refused("job_exists")
