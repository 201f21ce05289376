"""Who has a login to query the tables with SQL is on record."""

from datetime import timedelta

import pytest

from domain import analyst
from domain.analyst import AnalystCreated, AnalystDropped, AnalystLimits, AnalystRotated, analyst_id_of
from tests.given import MOMENT, TENANT_ID, given

ANN = analyst_id_of(TENANT_ID, "ann")
FIRST, SECOND = "gesta_analyst_1", "gesta_analyst_2"
UNTIL = MOMENT + timedelta(days=1)


def test_an_analyst_is_created_once_and_again_when_the_login_is_dropped() -> None:
    story = given().when(lambda view: analyst.create(view, ANN, "ann", FIRST)).then(AnalystCreated("ann", FIRST, 3, 60, 30, 300))
    story = story.when(lambda view: analyst.create(view, ANN, "ann", SECOND)).then_refused("name_taken", "/name")
    story = story.when(lambda view: analyst.drop(view, ANN)).then(AnalystDropped("ann", FIRST))
    story = story.when(lambda view: analyst.rotate(view, ANN)).then_refused("not_found")
    again = AnalystCreated("ann", SECOND, 3, 60, 30, 300, UNTIL)
    story.when(lambda view: analyst.create(view, ANN, "ann", SECOND, None, UNTIL)).then(again)


def test_passwords_are_counted_and_the_end_stays_unless_another_is_named() -> None:
    story = given().when(lambda view: analyst.create(view, ANN, "ann", FIRST))
    story = story.when(lambda view: analyst.rotate(view, ANN, UNTIL)).then(AnalystRotated("ann", FIRST, 2, UNTIL))
    story = story.when(lambda view: analyst.rotate(view, ANN)).then(AnalystRotated("ann", FIRST, 3, UNTIL))
    story.when(lambda view: analyst.rotate(view, ANN, MOMENT)).then_refused("invalid", "/expires_at")


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        (AnalystLimits(connections=0), "/connections"),
        (AnalystLimits(connections=21), "/connections"),
        (AnalystLimits(statement_seconds=3_601), "/statement_seconds"),
        (AnalystLimits(idle_seconds=601), "/idle_seconds"),
        (AnalystLimits(transaction_seconds=59), "/transaction_seconds"),
    ],
)
def test_limits_have_limits(limits: AnalystLimits, path: str) -> None:
    given().when(lambda view: analyst.create(view, ANN, "ann", FIRST, limits)).then_refused("invalid", path)
