"""One-time passwords: codes as RFC 6238 has them, each once, and not many tries."""

from base64 import b32encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain import secret, totp
from domain.approval.proof import ProofFailed
from domain.secret import SECRET, SecretCreated, SecretRotated, secret_id_of
from domain.totp import (
    LOCKED_FOR,
    MOST_FAILURES,
    TOTP,
    Code,
    TotpConfirmed,
    TotpEnrolled,
    TotpRefused,
    TotpRemoved,
    TotpUsed,
    code_at,
    counter_of,
    secret_name,
    totp_of,
)
from tests.given import MOMENT, TENANT_ID, FactsView, Story, given

ANN, VALUE, OTHER, REQUEST = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
KEY = b"12345678901234567890"
COUNTER = int(MOMENT.timestamp()) // 30


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Its appendix B, of which ours are the last six digits."""
    assert code_at(KEY, seconds // 30) == code
    assert counter_of(KEY, code, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


def test_a_code_of_a_moment_before_or_after_is_taken_and_no_other() -> None:
    found = [counter_of(KEY, code_at(KEY, COUNTER + away), MOMENT) for away in (-2, -1, 0, 1, 2)]
    assert found == [None, COUNTER - 1, COUNTER, COUNTER + 1, None]
    assert counter_of(KEY, "٢٨٧٠٨٢", MOMENT) is None
    assert counter_of(KEY, "", MOMENT) is None


def test_an_authenticator_is_told_all_it_needs() -> None:
    uri = totp.uri_of(KEY, "ann@acme.example", "Acme & Co: East")
    assert uri == (
        "otpauth://totp/Acme%20%26%20Co%3A%20East:ann%40acme.example"
        f"?secret={b32encode(KEY).decode()}&issuer=Acme%20%26%20Co%3A%20East"
    )


def code(away: int | None = 0, value: UUID | None = VALUE, after: timedelta = timedelta(0)) -> Code:
    return Code(value, None if away is None else COUNTER + away, MOMENT + after)


def enrolled() -> Story:
    return given().when(lambda view: totp.enrol(view, ANN, 1, VALUE))


def confirmed() -> Story:
    return enrolled().when(lambda view: totp.confirm(view, ANN, code(-1)))


def used(story: Story, one: Code) -> TotpUsed | TotpRefused:
    return totp.use(replace(story.view), ANN, one, REQUEST)


def test_they_prove_nothing_until_a_code_has_confirmed_them() -> None:
    story = enrolled().then(TotpEnrolled(ANN, 1, VALUE), SecretCreated(secret_name(ANN, 1), VALUE, (), "Proves who a member is"))
    assert story.result["status"] == "pending"
    with pytest.raises(ProofFailed):
        used(story, code())
    wrong = story.when(lambda view: totp.confirm(view, ANN, code(None)))
    wrong.then(TotpRefused(ANN, 1))
    assert wrong.result["failed"]
    right = wrong.when(lambda view: totp.confirm(view, ANN, code())).then(TotpConfirmed(ANN, COUNTER))
    assert right.result["status"] == "enabled"
    right.when(lambda view: totp.confirm(view, ANN, code())).then_refused("not_enrolled")
    right.when(lambda view: totp.enrol(view, ANN, 2, OTHER)).then_refused("already_enrolled")


def test_who_begins_again_has_the_last_secret_only() -> None:
    again = enrolled().when(lambda view: totp.enrol(view, ANN, 2, OTHER))
    assert not again.view.read(SECRET, secret_id_of(TENANT_ID, secret_name(ANN, 1))).exists
    again.when(lambda view: totp.confirm(view, ANN, code())).then_refused("proof_failed")
    again.when(lambda view: totp.confirm(view, ANN, code(value=OTHER))).then(TotpConfirmed(ANN, COUNTER))
    again.when(lambda view: totp.enrol(view, ANN, 2, OTHER)).then_refused("enrolled_meanwhile")


def test_a_code_counts_once() -> None:
    story = confirmed()
    assert used(story, code()) == TotpUsed(ANN, COUNTER, REQUEST)
    assert used(story, code(-1)) == TotpRefused(ANN, 1), "by that one it was confirmed"
    assert used(story, code(None)) == TotpRefused(ANN, 1)


def test_after_some_wrong_codes_none_is_taken_for_a_while_and_a_right_one_forgives() -> None:
    story = confirmed()
    for count in range(1, MOST_FAILURES):
        story = story.when(lambda view: totp.remove(view, ANN, code(None))).then(TotpRefused(ANN, count))
    until = MOMENT + LOCKED_FOR
    locked = story.when(lambda view: totp.remove(view, ANN, code(None))).then(TotpRefused(ANN, MOST_FAILURES, until))
    with pytest.raises(totp.TooManyCodes):
        used(locked, code())
    again = locked.when(lambda view: totp.remove(view, ANN, code(None, after=LOCKED_FOR)))
    again.then(TotpRefused(ANN, MOST_FAILURES + 1, until + LOCKED_FOR))
    assert used(locked, code(after=LOCKED_FOR)) == TotpUsed(ANN, COUNTER, REQUEST)
    state = TOTP.evolve(locked.view.read(TOTP, totp_of(TENANT_ID, ANN)), TotpUsed(ANN, COUNTER))
    assert (state.failures, state.locked_until) == (0, None)


def test_whoever_may_give_secrets_other_values_proves_nothing_by_that() -> None:
    id = secret_id_of(TENANT_ID, secret_name(ANN, 1))
    rotated = confirmed().when(lambda view: secret.rotate(view, id, OTHER)).then(SecretRotated(secret_name(ANN, 1), OTHER, 2))
    for value in (VALUE, OTHER):
        with pytest.raises(ProofFailed):
            used(rotated, code(value=value))


def test_they_are_removed_by_a_code_or_reset_and_go_with_their_secret() -> None:
    def kept(view: FactsView) -> bool:
        return view.read(SECRET, secret_id_of(TENANT_ID, secret_name(ANN, 1))).exists

    given().when(lambda view: totp.remove(view, ANN, code())).then_refused("not_found")
    given().when(lambda view: totp.reset(view, ANN)).then_refused("not_found")
    removed = confirmed().when(lambda view: totp.remove(view, ANN, code()))
    assert removed.decided.facts[0].event == TotpRemoved(ANN, True)
    reset = confirmed().when(lambda view: totp.reset(view, ANN, "lost"))
    assert reset.decided.facts[0].event == TotpRemoved(ANN, False, "lost")
    assert not kept(removed.view)
    assert not kept(reset.view)
    assert reset.when(lambda view: totp.enrol(view, ANN, 2, OTHER)).result["status"] == "pending"
