from typing import Any
from uuid import UUID

import pytest

from domain import workflow
from domain.facts import Claim, Fact, FieldError, Json
from domain.workflow import WORKFLOW, Checked, WorkflowArchived, WorkflowDrafted, WorkflowPublished, WorkflowRestored
from tests.given import given

ID, ADA = UUID(int=3), UUID(int=1)
FIRST: dict[str, Any] = {"key": "leave", "name": "Leave", "nodes": [], "edges": []}
SECOND = {**FIRST, "name": "Leave of absence"}
DRAFTED = Fact(ID, WorkflowDrafted("leave", "Leave", FIRST))
PUBLISHED = Fact(ID, WorkflowPublished(1, FIRST))


def faultless(_definition: Json) -> Checked:
    return Checked()


def test_the_first_draft_creates_the_workflow_and_claims_its_key() -> None:
    story = given().when(lambda view: workflow.draft(view, ID, FIRST, ADA))
    story.then(WorkflowDrafted("leave", "Leave", FIRST, None, ADA))
    assert story.decided.claims == (Claim("workflow.key", "leave", ID),)
    assert story.result["status"] == "draft"
    story.when(lambda view: workflow.draft(view, ID, FIRST)).then_refused("workflow_exists")


@pytest.mark.parametrize(
    ("definition", "path"),
    [
        ([], "/definition"),
        ({"name": "x"}, "/definition/key"),
        ({"key": "Leave", "name": "x"}, "/definition/key"),
        ({"key": "leave"}, "/definition/name"),
        ({"key": "leave", "name": " "}, "/definition/name"),
        ({"key": "leave", "name": "x", "description": 3}, "/definition/description"),
    ],
)
def test_a_draft_has_a_key_and_a_name(definition: Json, path: str) -> None:
    given().when(lambda view: workflow.draft(view, ID, definition)).then_refused("invalid", path)


def test_versions_are_numbered_and_keep_their_definitions() -> None:
    story = given([DRAFTED]).when(lambda view: workflow.publish(view, ID, faultless, "go", ADA))
    story.then(WorkflowPublished(1, FIRST, "go", ADA))
    assert story.result["warnings"] == []
    story = story.when(lambda view: workflow.redraft(view, ID, SECOND))
    assert story.result["status"] == "active"
    story = story.when(lambda view: workflow.publish(view, ID, faultless)).then(WorkflowPublished(2, SECOND))
    state = story.view.read(WORKFLOW, ID)
    assert dict(state.versions.items()) == {1: FIRST, 2: SECOND}


def test_there_must_be_something_to_publish() -> None:
    given([DRAFTED, PUBLISHED]).when(lambda view: workflow.publish(view, ID, faultless)).then_refused("nothing_to_publish")


def test_a_definition_with_faults_is_not_published() -> None:
    fault = FieldError("/definition/nodes", "no_start", "There is no start node.")
    story = given([DRAFTED]).when(lambda view: workflow.publish(view, ID, lambda _: Checked((fault,))))
    story.then_refused("definition_rejected", "/definition/nodes")


def test_what_an_author_is_warned_of_is_told_with_the_version() -> None:
    many = tuple(FieldError(f"/definition/edges/{number}", "duplicate_edge", "It is there twice.") for number in range(101))
    story = given([DRAFTED]).when(lambda view: workflow.publish(view, ID, lambda _: Checked((), many)))
    story.then(WorkflowPublished(1, FIRST))
    told = story.result["warnings"]
    assert told[0] == {"path": "/definition/edges/0", "code": "duplicate_edge", "message": "It is there twice."}
    assert len(told) == 100


def test_a_workflow_keeps_its_key() -> None:
    other = {**FIRST, "key": "other"}
    given([DRAFTED]).when(lambda view: workflow.redraft(view, ID, other)).then_refused("key_is_fixed", "/definition/key")


def test_an_archived_workflow_stays_so() -> None:
    story = given([DRAFTED, PUBLISHED]).when(lambda view: workflow.archive(view, ID, "old")).then(WorkflowArchived("old"))
    story.when(lambda view: workflow.archive(view, ID)).then_refused("workflow_archived")
    story.when(lambda view: workflow.redraft(view, ID, SECOND)).then_refused("workflow_archived")
    story.when(lambda view: workflow.publish(view, ID, faultless)).then_refused("workflow_archived")


def test_a_workflow_that_is_not_there_is_not_found() -> None:
    given().when(lambda view: workflow.archive(view, ID)).then_refused("not_found")


def test_an_archived_workflow_is_restored_as_it_was() -> None:
    for before, status in (([DRAFTED], "draft"), ([DRAFTED, PUBLISHED], "active")):
        story = given(before).when(lambda view: workflow.archive(view, ID)).when(lambda view: workflow.restore(view, ID, "back"))
        story.then(WorkflowRestored("back"))
        assert story.result["status"] == status
        state = story.view.read(WORKFLOW, ID)
        assert (state.status, state.draft, state.versions) == (
            status,
            given(before).view.read(WORKFLOW, ID).draft,
            given(before).view.read(WORKFLOW, ID).versions,
        )
        story.when(lambda view: workflow.restore(view, ID)).then_refused("workflow_not_archived")
    given().when(lambda view: workflow.restore(view, ID)).then_refused("not_found")
