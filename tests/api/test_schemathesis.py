"""Made-up requests to every operation, good and bad: no error of the server's, and no answer that its document does not know."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig

from api import tries
from runtime.postgres import EmbeddedServer
from tests.api.fuzzing import ALL, Case, World, running
from tests.conftest import temporary_database

GROUPS = (
    "jobs",
    "executions",
    "bulk operations",
    "approvals",
    "delegations",
    "AI tasks",
    "workflows",
    "triggers",
    "events",
    "people",
    "calendars",
    "prompts",
    "AI models",
    "access",
    "secrets",
    "limits",
    "evaluations",
    "retention",
    "budgets",
    "notifications",
    "tenants",
    "operations",
    "tables",
)
"""The tags of the document: a test each, so that they can run side by side.

(/events is asked for JSON: its stream has no end, and tests of its own.)
"""

PARTS = {"approvals": 4, "notifications": 2}
"""Of those with much in them: in how many tests it is tried."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {
            "deterministic": True,
            "database": "none",
            "no-shrink": True,
            "max-examples": 3,
            "with-security-parameters": False,
        },
        # The document has no links to follow from one answer to the next request; `World.aim` knows what goes with what.
        "phases": {"coverage": {"unexpected-methods": ["delete", "trace"]}, "stateful": {"enabled": False}},
        "checks": {
            # Which of two well-formed requests is right is for the rules to say: 404, 409 and 422 are fine answers.
            "positive_data_acceptance": {"enabled": False},
            # What is answered to a key that is none, or none any more, test_rights.py tries on every route.
            "ignored_auth": {"enabled": ALL},
            "negative_data_rejection": {"expected-statuses": ["4xx"]},
        },
    }
)


@pytest.fixture(scope="module")
def world(postgres: EmbeddedServer, template: str) -> Iterator[World]:
    """Its checks present many keys that are not valid: that their number is limited, others test."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tries, "BURST", 1_000_000)
        with temporary_database(postgres, template) as database, running(database) as world:
            yield world


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    return dict(world.wait_for(world.gesta.http.get("/openapi.json")).json())


@pytest.fixture(params=[f"{tag} {part}" for tag in GROUPS for part in range(PARTS.get(tag, 1))])
def group(request: pytest.FixtureRequest, document: dict[str, Any], world: World) -> Iterator[schemathesis.BaseSchema]:
    """The operations of a tag; in the end, each must have done what it is for at least once."""
    request.node._nodeid = request.node.nodeid  # schemathesis 4.32 reads what pytest 9.2 has no more
    tag, _, part = request.param.rpartition(" ")
    paths = sorted(_tagged(document, tag))[int(part) :: PARTS.get(tag, 1)]
    schema = schemathesis.openapi.from_dict({**document, "paths": dict(paths)}, config=CONFIG)
    yield schema
    operations = {f"{method.upper()} {path}": schema[path][method] for path, item in paths for method in item}
    for label, operation in operations.items():
        if not world.succeeded(label):
            _ask_for_more(operation, world)
    missed = {label: world.answers[label] for label in operations if not world.succeeded(label)}
    assert not missed, "these were never answered with success"


def _ask_for_more(operation: Any, world: World) -> None:
    """Until one succeeds. Of a request with many fields, few of three are right in all of them; it may well be none."""

    @settings(
        max_examples=100,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Case) -> None:
        if not world.succeeded(operation.label):
            world.try_out(case)

    ask()


def _tagged(document: dict[str, Any], tag: str) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        wanted = {method: operation for method, operation in item.items() if tag in operation["tags"]}
        if wanted:
            yield path, wanted


pytestmark = pytest.mark.timeout(600)
operations = schemathesis.pytest.from_fixture("group")


@operations.parametrize()
def test_every_answer_is_as_documented(case: Case, world: World) -> None:
    world.try_out(case)


def test_every_operation_belongs_to_a_group(document: dict[str, Any]) -> None:
    tags = {tag for item in document["paths"].values() for operation in item.values() for tag in operation.get("tags", ["none"])}
    assert tags == set(GROUPS) == {tag["name"] for tag in document["tags"]}
