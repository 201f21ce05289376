"""When a call is tried again, and when it is not: without a server, a socket or a clock that matters."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from client import calls
from client.errors import (
    AnswerLost,
    ApiError,
    Conflict,
    Invalid,
    LeaseLost,
    NotFound,
    PermissionDenied,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    VersionMismatch,
    from_answer,
)
from client.models import Failure, Job, NextJobs, Report
from client.protocol import Flow, Lost, Pause, Reply, Request

STANDS = Reply(201, b'{"id": "e", "status": "running", "version": 1, "open": []}')
BUSY = Reply(503, b'{"code": "unavailable", "detail": "Later."}')
LOST = Lost(ConnectionResetError("reset"))
IN_FLIGHT = Reply(409, b'{"code": "in_flight", "detail": "Being worked on."}')


def play(flow: Flow[Any], answers: Sequence[Reply | Lost]) -> tuple[Any, list[Request], list[float]]:
    """What comes of a flow that is answered so; the requests that it made, and how long it would have waited."""
    requests: list[Request] = []
    pauses: list[float] = []
    left = list(answers)
    answer: Reply | Lost | None = None
    while True:
        try:
            step = flow.send(answer)
        except StopIteration as end:
            assert not left
            return end.value, requests, pauses
        if isinstance(step, Pause):
            pauses.append(step.seconds)
            answer = None
        else:
            requests.append(step)
            answer = left.pop(0)


def test_a_command_is_repeated_under_its_own_key() -> None:
    stands, requests, pauses = play(calls.start("buy", {"amount": 1}), [LOST, BUSY, IN_FLIGHT, STANDS])
    assert (stands.id, stands.open) == ("e", ())
    assert len({request.headers["Idempotency-Key"] for request in requests}) == 1
    assert len(pauses) == 3
    assert json.loads(requests[0].body or b"")["input"] == {"amount": 1}


def test_every_call_has_a_key_of_its_own_unless_it_is_given_one() -> None:
    keys = [play(calls.start("buy"), [STANDS])[1][0].headers["Idempotency-Key"] for _ in range(2)]
    assert keys[0] != keys[1]
    assert play(calls.start("buy", idempotency_key="mine"), [STANDS])[1][0].headers["Idempotency-Key"] == "mine"


def test_a_pause_is_at_least_as_long_as_the_server_asks() -> None:
    _, _, pauses = play(calls.start("buy"), [Reply(429, b"", 3.0), BUSY, STANDS])
    assert pauses[0] == 3.0
    assert 0.05 <= pauses[1] <= 0.2 + 0.2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_an_answer_that_stands_is_not_asked_for_again(status: int) -> None:
    with pytest.raises(ApiError) as refused:
        play(calls.start("buy"), [Reply(status, b'{"code": "in_flight"}')])
    assert refused.value.status == status


def test_what_may_only_not_be_there_yet_is_asked_for_again() -> None:
    _, _, pauses = play(calls.start("buy"), [Reply(404, b"", 1.0), STANDS])
    assert pauses == [1.0]


def test_patience_ends() -> None:
    with pytest.raises(Unavailable):
        play(calls.start("buy"), [Reply(503, b"", 31.0)])
    job = Job.of({"id": "j", "fence": 1, "type": "t", "input": None, "attempt": 1, "lease_until": "2026-01-01T00:00:00Z"})
    with pytest.raises(AnswerLost) as lost:
        play(calls.heartbeat(job), [LOST])
    assert isinstance(lost.value.__cause__, ConnectionResetError)


def test_patience_begins_with_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that waited for long before the connection broke is asked again all the same."""
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    flow = calls.start("buy")
    assert isinstance(next(flow), Request)
    now += 90
    assert isinstance(flow.send(BUSY), Pause)
    assert isinstance(flow.send(None), Request)
    now += 31
    with pytest.raises(Unavailable):
        flow.send(BUSY)


def test_if_match_is_the_version_as_a_tag() -> None:
    decided = {"approval": {"id": "a", "status": "resolved", "outcome": "approved"}, "execution": json.loads(STANDS.content)}
    _, (request,), _ = play(calls.decide("a/b", "approved", if_match=3), [Reply(200, json.dumps(decided).encode())])
    assert request.headers["If-Match"] == '"3"'
    assert request.path == "/approvals/a%2Fb/decide"


def test_parameters_that_are_not_given_are_not_sent() -> None:
    page = Reply(200, b'{"items": [], "next_cursor": null}')
    _, (request,), _ = play(calls.approvals(mine=True, limit=3), [page])
    assert request.params == {"mine": "true", "limit": "3"}
    _, (request,), _ = play(calls.executions(attributes={"region": "north"}), [page])
    assert request.params == {"attr.region": "north"}


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "unauthorized", Unauthorized),
        (403, "permission_denied", PermissionDenied),
        (404, "not_found", NotFound),
        (409, "rule_violation", Conflict),
        (409, "lease_lost", LeaseLost),
        (412, "version_mismatch", VersionMismatch),
        (413, "too_large", Invalid),
        (422, "invalid", Invalid),
        (429, "too_many", TooManyRequests),
        (503, "unavailable", Unavailable),
        (418, "teapot", ApiError),
    ],
)
def test_every_problem_has_its_exception(status: int, code: str, kind: type[ApiError]) -> None:
    problem = {
        "code": code,
        "detail": "So it is.",
        "errors": [{"path": "/a", "code": "x", "message": "Wrong."}],
        "request_id": "r",
    }
    error = from_answer(status, json.dumps(problem).encode())
    assert type(error) is kind
    assert (error.code, error.detail, error.request_id, error.errors[0].path) == (code, "So it is.", "r", "/a")
    assert "/a: Wrong." in str(error)


def test_an_answer_that_is_no_problem_document_is_an_error_all_the_same() -> None:
    assert type(from_answer(502, b"<html>Bad Gateway</html>")) is Unavailable
    assert from_answer(502, b"[]").code == "http_error"


JOB = Job.of(
    {
        "id": "0198c0de-0000-7000-8000-000000000001",
        "fence": 3,
        "type": "resize",
        "input": None,
        "attempt": 1,
        "lease_until": "2026-01-01T00:00:00Z",
    }
)
ITEM_DONE = {"status": 200, "job": {}, "execution": None}


def item(status: int, code: str) -> dict[str, Any]:
    return {"status": status, "problem": {"code": code, "detail": "No."}}


def results(*items: Any) -> Reply:
    return Reply(200, json.dumps({"items": items}).encode())


def test_reports_that_could_not_be_taken_just_then_are_sent_again_under_one_key() -> None:
    reports = [Report(JOB, {"n": 1}), Report(JOB, failure=Failure("Broken", "It broke.")), Report(JOB)]
    first = results(item(503, "unavailable"), ITEM_DONE, item(409, "lease_lost"))
    second = results(ITEM_DONE, ITEM_DONE, item(409, "lease_lost"))
    refused, requests, pauses = play(calls.report(reports), [LOST, first, results(*[item(409, "in_flight")] * 3), second])
    assert refused[:2] == (None, None)
    assert isinstance(refused[2], LeaseLost)
    assert len({(request.headers["Idempotency-Key"], request.body) for request in requests}) == 1
    assert len(pauses) == 3
    told = json.loads(requests[0].body or b"")["reports"]
    assert told[0] == {"id": JOB.id, "fence": JOB.fence, "output": {"n": 1}}
    assert told[1] == {"id": JOB.id, "fence": JOB.fence, "error": {"type": "Broken", "message": "It broke.", "retryable": True}}


def test_a_report_that_cannot_be_taken_for_long_is_refused_in_its_place() -> None:
    (refused,), _, _ = play(calls.report([Report(JOB)], patience=0.0), [results(item(503, "unavailable"))])
    assert isinstance(refused, Unavailable)


NEXT = NextJobs(("resize",), "w", 2, 30.0)
LEASED = {"id": "j2", "fence": 1, "type": "resize", "input": {}, "attempt": 1, "lease_until": "2026-01-01T00:00:00Z"}


def exchanged(*items: Any, jobs: Any) -> Reply:
    return Reply(200, json.dumps({"items": items, "jobs": jobs}).encode())


def test_the_answer_to_reports_brings_the_next_jobs() -> None:
    answers: list[Reply | Lost] = [LOST, exchanged(item(503, "unavailable"), jobs=[]), exchanged(ITEM_DONE, jobs=[LEASED])]
    came, requests, _ = play(calls.exchange([Report(JOB)], NEXT), answers)
    assert (came.refused, [job.id for job in came.jobs]) == ((None,), ["j2"])
    assert len({(request.headers["Idempotency-Key"], request.body) for request in requests}) == 1
    wanted = {"types": ["resize"], "worker_id": "w", "max": 2, "lease_seconds": 30.0}
    assert json.loads(requests[0].body or b"")["lease"] == wanted


def test_a_server_that_hands_out_none_with_its_answers_is_told_of_the_reports_alone() -> None:
    unknown = {"code": "invalid", "detail": "No.", "errors": [{"path": "/lease", "code": "unknown_field", "message": "No."}]}
    came, (first, second), _ = play(
        calls.exchange([Report(JOB)], NEXT), [Reply(422, json.dumps(unknown).encode()), results(ITEM_DONE)]
    )
    assert (came.refused, came.jobs) == ((None,), None)
    assert json.loads(second.body or b"") == {"reports": json.loads(first.body or b"")["reports"]}
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


def test_another_fault_of_a_report_is_nobody_elses() -> None:
    wrong = {"code": "invalid", "detail": "No.", "errors": [{"path": "/lease/max", "code": "range", "message": "No."}]}
    with pytest.raises(Invalid):
        play(calls.exchange([Report(JOB)], NEXT), [Reply(422, json.dumps(wrong).encode())])
