"""http: what it hands to a worker, and what becomes of an answer."""

from datetime import timedelta
from typing import Any

import pytest

from domain.facts import Json
from domain.retry import Failure
from engine.jobs import JobRef, NotATask, complete_job, complete_own, fail_own
from engine.validate import validate
from tests.engine.drawing import EVALUATOR, drawing
from tests.engine.working import Workplace, check_work

RETRY = {"max_attempts": 3, "initial_interval": "PT1S", "jitter": 0}


def definition(config: Json, **fields: Json) -> Json:
    end, late = ("end", {"output": "=nodes.h.output"}), ("end", {"output": "=nodes.h.error"})
    nodes = {"s": "start", "h": ("http", config, fields), "e": end, "f": late}
    return drawing(nodes, "s > h", "h > e", "h.error > f", "h.timeout > f")


def calling(config: Json, input: Json = None, **fields: Json) -> Workplace:
    place = Workplace(definition({"url": "https://api.example/", **config}, **fields))
    place.start(input)
    return place


def job(place: Workplace) -> Any:
    (found,) = place.story.jobs.values()
    return found


def held(place: Workplace) -> JobRef:
    one = job(place)
    return JobRef(one.id, 1, one.execution_id, one.activation_id)


def answered(
    place: Workplace, status: int, body: Json = None, retry_after: float | None = None, headers: Json = None
) -> Workplace:
    encoding = "none" if body is None else "text" if isinstance(body, str) else "json"
    response = {"status": status, "headers": headers or {}, "body": body, "encoding": encoding}
    exchange = {"response": response, "retry_after": retry_after, "jitter": 0.5}
    place.step(lambda view: complete_own(view, place.engine, held(place), exchange))
    return place


def failed(place: Workplace, failure: Failure) -> Workplace:
    place.step(lambda view: fail_own(view, place.engine, held(place), failure, jitter=0.5))
    return place


def output(place: Workplace) -> Any:
    return getattr(place.end, "output", None)


def delay(place: Workplace) -> timedelta | None:
    """Until the job is handed out again; None: it is done with."""
    (fence,) = place.story.decided.fences
    return fence.delay if fence.then == "retry" else None


def test_what_a_worker_is_handed() -> None:
    config = {
        "method": "=input.how",
        "url": "https://api.example/orders?a=1",
        "query": {"q": "=input.text", "tags": ["x", 2], "left_out": None, "on": True},
        "headers": {"X-Id": "=input.id", "Authorization": {"secret": "crm_token", "prefix": "Bearer "}, "Absent": None},
        "body": {"order": "=input.id"},
        "request_timeout": "PT5S",
        "response_as": "json",
    }
    place = calling(config, {"how": "post", "text": "a b&c/ü", "id": 7})
    assert job(place).type == "gesta.http"
    assert job(place).input == {
        "method": "POST",
        "url": "https://api.example/orders?a=1&q=a%20b%26c%2F%C3%BC&tags=x&tags=2&on=true",
        "headers": {"X-Id": "7", "Authorization": {"secret": "crm_token", "prefix": "Bearer "}},
        "body": {"json": {"order": 7}},
        "auth": None,
        "idempotent": False,
        "seconds": 5.0,
        "max_bytes": 1 << 20,
        "response_as": "json",
        "key": str(place.visit("h").id),
    }
    check_work(place)


def test_an_expression_cannot_name_a_secret() -> None:
    """Who starts an execution must not choose which credential is sent."""
    place = calling({"headers": {"X": "=input.x"}}, {"x": {"secret": "crm_token"}})
    assert output(place)["type"] == "invalid_value"
    place = calling({"body": "=input.x"}, {"x": {"secret": "crm_token"}})
    assert job(place).input["body"] == {"json": {"secret": "crm_token"}}, "as it is"


@pytest.mark.parametrize(
    "config",
    [
        {"url": "=input.bad"},
        {"url": "=input.text"},
        {"url": "https://api.example/#there"},
        {"method": "=input.text"},
        {"headers": {"X": "=input.lines"}},
        {"headers": {"X": "=input.bad"}},
        {"query": {"x": "=input.bad"}},
        {"body": "=input.bad", "body_as": "form", "method": "POST"},
        {"body": "=input.bad", "body_as": "text", "method": "POST"},
        {"request_timeout": "=input.text"},
        {"request_timeout": "PT11M"},
        {"auth": {"type": "basic", "username": "=input.lines", "secret": "x"}},
        {"auth": {"type": "basic", "username": "a:b", "secret": "x"}},
        {"auth": {"type": "header", "name": "Host", "secret": "x"}},
    ],
)
def test_a_value_of_no_use_is_the_node_s_error(config: Json) -> None:
    place = calling(config, {"bad": [{"x": 1}], "text": "hello", "lines": "a\r\nHost: b"})
    assert output(place)["type"] == "invalid_value"
    assert not place.story.jobs


def test_an_answer_is_the_output() -> None:
    place = answered(calling({}), 200, {"id": 7}, headers={"etag": '"1"'})
    assert output(place) == {"status": 200, "headers": {"etag": '"1"'}, "body": {"id": 7}, "encoding": "json"}
    check_work(place)


def test_the_output_is_what_the_definition_makes_of_the_answer() -> None:
    config = {"output": {"id": "=response.body.id", "tag": "=response.headers.etag", "of": "=input.who", "as": "=="}}
    place = answered(calling(config, {"who": "me"}), 201, {"id": 7}, headers={"etag": "1"})
    assert output(place) == {"id": 7, "tag": "1", "of": "me", "as": "="}
    lacking = answered(calling(config, {"who": "me"}), 200, {})
    assert output(lacking)["type"] == "expression_error"


def test_an_answer_that_cannot_be_stored_is_an_error() -> None:
    deep: Json = []
    for _ in range(100):
        deep = [deep]
    assert output(answered(calling({}), 200, deep))["type"] == "invalid_output"
    assert output(answered(calling({}), 200, "x" * 1_100_000))["type"] == "invalid_output"


def test_a_status_that_is_no_success_is_an_error_of_its_own() -> None:
    place = answered(calling({}, retry=RETRY), 404, {"reason": "no such order", "more": "x" * 1000})
    assert output(place)["type"] == "http_404"
    assert output(place)["message"].startswith('The service answered 404: {"reason": "no such order", "more": "xxx')
    assert len(output(place)["message"]) < 600
    assert output(answered(calling({"success": ["2xx", 404]}), 404))["status"] == 404
    assert output(answered(calling({"success": [200]}), 201))["type"] == "http_201"
    assert output(answered(calling({}), 302))["type"] == "http_302", "a redirect is followed by nobody"


@pytest.mark.parametrize(
    ("config", "status", "again"),
    [
        ({}, 503, True),
        ({}, 429, True),
        ({}, 400, False),
        ({"retry_on": [400]}, 400, True),
        ({"retry_on": []}, 503, False),
        ({"method": "PUT"}, 500, True),
        ({"method": "POST"}, 500, False),
        ({"method": "POST"}, 503, False),
        ({"method": "POST"}, 429, True),
        ({"method": "POST", "idempotent": True}, 500, True),
        ({"method": "PUT", "idempotent": False}, 500, False),
        ({"method": "=input.how"}, 500, False),
    ],
)
def test_what_may_have_been_done_is_not_done_again(config: Json, status: int, again: bool) -> None:
    place = answered(calling(config, {"how": "POST"}, retry=RETRY), status)
    assert (delay(place) == timedelta(seconds=1)) == again
    assert (output(place) is None) == again
    check_work(place)


def test_without_a_policy_nothing_is_tried_again_and_with_one_so_often() -> None:
    assert output(answered(calling({}), 503))["attempts"] == 1
    place = calling({}, retry={**RETRY, "max_attempts": 2})
    assert output(answered(answered(place, 503), 503)) == {
        "type": "http_503",
        "message": "The service answered 503.",
        "attempts": 2,
    }


def test_a_service_that_asks_for_a_pause_gets_it() -> None:
    assert delay(answered(calling({}, retry=RETRY), 429, retry_after=7.0)) == timedelta(seconds=7)
    assert delay(answered(calling({}, retry=RETRY), 429, retry_after=0.0)) == timedelta(seconds=1)
    capped = answered(calling({}, retry={**RETRY, "max_interval": "PT5S"}), 429, retry_after=3600.0)
    assert delay(capped) == timedelta(seconds=5)


@pytest.mark.parametrize(("method", "again"), [("GET", True), ("POST", False)])
def test_a_worker_that_is_lost_may_have_sent_it(method: str, again: bool) -> None:
    place = calling({"method": method}, retry=RETRY)
    place.lapse_held(held(place))
    assert (output(place) is None) == again
    if not again:
        assert output(place)["type"] == "lease_lost"
        assert "not idempotent" in output(place)["message"]
    check_work(place)


def test_no_answer_is_the_error_that_the_worker_tells() -> None:
    unreachable = Failure("unreachable", "There was no connection.")
    assert delay(failed(calling({}, retry=RETRY), unreachable)) == timedelta(seconds=1)
    final = failed(calling({}, retry=RETRY), Failure("forbidden", "Not there.", False))
    assert output(final) == {"type": "forbidden", "message": "Not there.", "attempts": 1}
    assert output(failed(calling({}, retry={**RETRY, "non_retryable": ["unreachable"]}), unreachable))["attempts"] == 1


def test_its_timeout_ends_it_over_all_attempts() -> None:
    place = answered(calling({}, retry=RETRY, timeout="PT1M"), 503)
    place.expire("h")
    assert output(place)["type"] == "timeout"
    check_work(place)


def test_no_worker_of_somebody_s_own_answers_for_it() -> None:
    place = calling({})
    with pytest.raises(NotATask):
        complete_job(place.view, place.engine, held(place), {"response": {"status": 200}})


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"method": "TRACE"}, "/method"),
        ({"url": "ftp://api.example/"}, "/url"),
        ({"headers": {"Host": "x"}}, "/headers/Host"),
        ({"headers": {"a b": "x"}}, "/headers/a b"),
        ({"headers": {"X": {"secret": "=input.which"}}}, "/headers/X"),
        ({"headers": {"X": "1", "x": "2"}}, "/headers"),
        ({"headers": {f"X-{number}": {"secret": "t"} for number in range(6)}}, "/headers"),
        ({"headers": {"Authorization": "x"}, "auth": {"type": "bearer", "secret": "t"}}, "/auth"),
        ({"auth": {"type": "basic", "secret": "t"}}, "/auth"),
        ({"auth": {"type": "digest", "secret": "t"}}, "/auth"),
        ({"body": "x"}, "/body"),
        ({"success": ["6xx"]}, "/success/0"),
        ({"max_bytes": 1 << 30}, "/max_bytes"),
        ({"request_timeout": "soon"}, "/request_timeout"),
        ({"output": "=response.boody"}, "/output"),
        ({"output": {"x": ["=respons.body"]}}, "/output/x/0"),
        ({"url": "=response.body"}, "/url"),
        ({"proxy": "http://x"}, "/proxy"),
    ],
)
def test_an_author_is_told_what_cannot_work(config: Json, path: str) -> None:
    found = validate(definition({"url": "https://api.example/", **config}), EVALUATOR)
    assert [one.path for one in found if one.severity == "error"] == [f"/nodes/1/config{path}"]


def test_an_author_is_warned_of_a_secret_that_others_could_read() -> None:
    config = {"url": "http://api.example/", "auth": {"type": "bearer", "secret": "t"}}
    (found,) = [one for one in validate(definition(config), EVALUATOR) if one.code == "insecure"]
    assert found.severity == "warning"


def test_what_an_answer_holds_is_known_to_the_nodes_behind_it() -> None:
    drawn = definition({"url": "https://api.example/"})
    drawn["nodes"][2]["config"] = {"output": "=nodes.h.output.statuss"}
    assert "unknown_field" in {one.code for one in validate(drawn, EVALUATOR)}
