"""Endpoints and deliveries: what is wished for, what is tried again and when, what signs."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.facts import Decided, Fact, Invalid, View
from domain.notices import TYPES, matches, require_wishes
from domain.notification_delivery import (
    DELAYS,
    LONGEST_DELAY,
    DeliveryAttemptFailed,
    DeliveryCancelled,
    DeliveryFailed,
    DeliveryRequested,
    DeliveryRetried,
    DeliverySucceeded,
    Exchange,
    cancelled,
    failed,
    job_of,
    replay,
    request,
    retry,
    send_test,
    succeeded,
)
from domain.notification_endpoint import (
    NOTIFICATION_ENDPOINT,
    NotificationEndpointCreated,
    NotificationEndpointDeleted,
    NotificationEndpointDisabled,
    NotificationEndpointEnabled,
    NotificationSecretRotated,
    change,
    create,
    delete,
    disable,
    enable,
    rotate,
    secret_name,
)
from domain.secret import SecretCreated, SecretDeleted
from tests.given import MOMENT, Story, given

ENDPOINT, DELIVERY, VALUE = (UUID(int=number) for number in (1, 2, 3))
ASKED = DeliveryRequested("execution.completed", "event", ENDPOINT, 7, UUID(int=4))
REFUSED, TAKEN = Exchange(12, 500, "status", "The receiver answered 500."), Exchange(12, 204)
JOB = job_of(DELIVERY, 0)


def created() -> Story:
    return given().when(lambda view: create(view, ENDPOINT, "https://a.example/", ("execution.*",), VALUE))


def asked() -> Story:
    return created().when(lambda view: request(view, DELIVERY, ASKED)).then(ASKED)


def fails(story: Story, *, again: bool = True, jitter: float = 0.5, after: timedelta = timedelta(0), job: UUID = JOB) -> Story:
    return story.when(lambda view: failed(view, DELIVERY, job, 1, REFUSED, again=again, jitter=jitter, retry_after=after))


def delay_of(story: Story) -> timedelta:
    ((event),) = [fact.event for fact in story.decided.facts]
    assert isinstance(event, DeliveryAttemptFailed)
    (fence,) = story.decided.fences
    assert (fence.then, fence.delay) == ("retry", timedelta(milliseconds=event.delay_ms))
    return fence.delay


@pytest.mark.parametrize(
    ("wishes", "type", "wanted"),
    [
        (("execution.completed",), "execution.completed", True),
        (("execution.completed",), "execution.failed", False),
        (("execution.*",), "execution.failed", True),
        (("execution.*",), "approval.decided", False),
        (("exec.*", "approval.decided"), "approval.decided", True),
        (("*",), "approval.decided", True),
        (("exec*",), "execution.failed", False),
    ],
)
def test_wishes_are_for_types_for_all_that_begin_so_or_for_all(wishes: tuple[str, ...], type: str, wanted: bool) -> None:
    assert matches(wishes, type) is wanted


def test_a_wish_for_what_there_is_not_is_refused() -> None:
    require_wishes(tuple(TYPES.values()), "/events")
    with pytest.raises(Invalid) as refused:
        require_wishes(("execution.*", "notification_delivery.*", "executio.*"), "/events")
    assert [error.path for error in refused.value.errors] == ["/events/1", "/events/2"]


def test_a_delivery_is_asked_for_once() -> None:
    asked().when(lambda view: request(view, DELIVERY, ASKED)).then()


def test_ten_attempts_take_three_days_and_then_it_is_given_up() -> None:
    story, total = asked(), timedelta(0)
    for _ in DELAYS:
        story = fails(story)
        total += delay_of(story)
    assert timedelta(days=3) <= total <= timedelta(days=3, hours=12)
    fails(story).then(DeliveryFailed(10, REFUSED))
    assert fails(story).jobs == {}


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 4.0), (0.5, 5.0), (1.0, 6.0)])
def test_a_delay_is_a_fifth_more_or_less(jitter: float, seconds: float) -> None:
    assert delay_of(fails(asked(), jitter=jitter)) == timedelta(seconds=seconds)


def test_the_receiver_may_ask_for_more_time_but_not_for_ever() -> None:
    assert delay_of(fails(asked(), after=timedelta(minutes=20))) == timedelta(minutes=20)
    assert delay_of(fails(asked(), after=timedelta(seconds=1))) == timedelta(seconds=5)
    assert delay_of(fails(asked(), after=timedelta(days=300))) == LONGEST_DELAY


def test_what_cannot_do_better_is_not_tried_again() -> None:
    fails(asked(), again=False).then(DeliveryFailed(1, REFUSED))


def test_an_endpoint_that_is_given_up_is_disabled_once() -> None:
    def gone(view: View) -> Decided:
        return failed(view, DELIVERY, JOB, 1, REFUSED, again=False, jitter=0, disable="gone")

    asked().when(gone).then(DeliveryFailed(1, REFUSED), NotificationEndpointDisabled("gone"))
    asked().when(lambda view: disable(view, ENDPOINT)).when(gone).then(DeliveryFailed(1, REFUSED))


def test_a_disabled_endpoint_is_sent_nothing() -> None:
    story = asked().when(lambda view: disable(view, ENDPOINT, "holidays"))
    late = story.when(lambda view: cancelled(view, DELIVERY, JOB, 1)).then(DeliveryCancelled("endpoint_disabled"))
    late.when(lambda view: retry(view, DELIVERY)).then_refused("endpoint_disabled")
    back = story.when(lambda view: enable(view, ENDPOINT)).then(NotificationEndpointEnabled())
    (fence,) = back.when(lambda view: cancelled(view, DELIVERY, JOB, 1)).then().decided.fences
    assert fence.then == "retry", "it was enabled meanwhile: it is sent after all"


def test_a_test_goes_to_a_disabled_endpoint_too_and_is_tried_once() -> None:
    story = created().when(lambda view: disable(view, ENDPOINT)).when(lambda view: send_test(view, ENDPOINT))
    id = UUID(story.result["id"])
    story.when(lambda view: failed(view, id, job_of(id, 0), 1, REFUSED, again=True, jitter=0)).then(DeliveryFailed(1, REFUSED))


def test_one_that_is_retried_begins_anew_and_what_was_under_way_does_not_count() -> None:
    story = fails(fails(asked())).when(lambda view: retry(view, DELIVERY)).then(DeliveryRetried(1))
    assert list(story.jobs) == [job_of(DELIVERY, 1)]
    again = fails(story, job=job_of(DELIVERY, 1))
    assert delay_of(again) == timedelta(seconds=5)
    assert isinstance(again.decided.facts[0].event, DeliveryAttemptFailed)
    assert again.decided.facts[0].event.attempt == 3, "attempts are counted on"
    story.when(lambda view: succeeded(view, DELIVERY, JOB, 1, TAKEN)).then_refused("lease_lost")


def test_a_replay_leaves_alone_what_was_delivered_or_is_under_way() -> None:
    assert asked().when(lambda view: replay(view, DELIVERY, ASKED)).then().result is False
    done = asked().when(lambda view: succeeded(view, DELIVERY, JOB, 1, TAKEN)).then(DeliverySucceeded(1, TAKEN))
    assert done.when(lambda view: replay(view, DELIVERY, ASKED)).then().result is False
    given_up = fails(asked(), again=False)
    assert given_up.when(lambda view: replay(view, DELIVERY, ASKED)).then(DeliveryRetried(1)).result is True
    assert created().when(lambda view: replay(view, DELIVERY, ASKED)).then(ASKED).result is True


def test_the_secret_before_signs_beside_the_new_one_for_a_while() -> None:
    overlap = timedelta(hours=1)
    story = created().when(lambda view: rotate(view, ENDPOINT, 2, VALUE, overlap))
    first, second = (secret_name(ENDPOINT, number) for number in (1, 2))
    assert story.decided.facts[-1] == Fact(ENDPOINT, NotificationSecretRotated(second, 2, first, MOMENT + overlap))

    def signing(at: datetime) -> tuple[str, ...]:
        return story.view.read(NOTIFICATION_ENDPOINT, ENDPOINT).secrets(at)

    assert signing(MOMENT) == (second, first)
    assert signing(MOMENT + overlap) == (second,)
    third = story.when(lambda view: rotate(view, ENDPOINT, 3, VALUE, timedelta(0)))
    events = [fact.event for fact in third.decided.facts]
    assert [event.name for event in events if isinstance(event, SecretDeleted)] == [first, second]
    story.when(lambda view: rotate(view, ENDPOINT, 2, VALUE, overlap)).then_refused("rotated_meanwhile")


def test_its_secrets_go_with_an_endpoint() -> None:
    story = created()
    assert [type(fact.event) for fact in story.decided.facts] == [SecretCreated, NotificationEndpointCreated]
    gone = story.when(lambda view: delete(view, ENDPOINT))
    assert [type(fact.event) for fact in gone.decided.facts] == [SecretDeleted, NotificationEndpointDeleted]
    gone.when(lambda view: delete(view, ENDPOINT)).then_refused("not_found")


def test_a_change_that_changes_nothing_is_none() -> None:
    created().when(lambda view: change(view, ENDPOINT, url="https://a.example/")).then()
    created().when(lambda view: change(view, ENDPOINT, url="https://a.example/#\x00")).then_refused("invalid", "/url")
