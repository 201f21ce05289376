"""What people say about a request, who watches it, and what goes with an answer."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.approval import Attachment, Decider
from domain.approval.content import Content, at, attachments_of, differences
from domain.facts import Fact, Invalid, Json
from domain.role import RoleChanged
from engine import discussing
from engine.forms import with_defaults
from engine.schema import faults
from tests.engine.drawing import ANN, BEN, Play
from tests.engine.people import CAT, COMPANY, DAN, EVA, approval, asked, node, output, request_id, role_id
from tests.engine.test_approval_steps import decide


def seen(play: Play, *roles: str) -> Play:
    """These roles may see approvals too."""
    more = tuple(Fact(role_id(key), RoleChanged(key, ("approvals:decide", "approvals:read"))) for key in roles)
    play.story = replace(play.story, view=replace(play.view, facts=play.view.facts + more))
    return play


def say(play: Play, what: Any, who: UUID, *given: Any, **more: Any) -> Play:
    id = request_id(play)
    return play.step(lambda view: what(view, id, Decider(who, COMPANY[who]), *given, **more))


def last(play: Play) -> UUID:
    return approval(play).thread[-1].id


def test_a_question_is_answered_by_the_one_who_was_asked_once() -> None:
    play = seen(asked(node(), created_by=DAN), "clerk", "board")
    say(play, discussing.ask_question, EVA, "Why?").refused("not_concerned")
    say(play, discussing.ask_question, ANN, "Why?", ANN).refused("invalid", "/to_user_id")
    say(play, discussing.ask_question, ANN, "Why?", CAT).refused("may_not_see", "/to_user_id")
    say(play, discussing.ask_question, ANN, "Why?")
    question = last(play)
    assert approval(play).thread[0].to == DAN, "whoever asked for the decision"
    say(play, discussing.answer_question, BEN, question, "So.").refused("not_asked")
    say(play, discussing.answer_question, DAN, question, "So.")
    say(play, discussing.answer_question, DAN, question, "Again.").refused("already_answered")
    say(play, discussing.answer_question, DAN, last(play), "?").refused("not_found")
    say(play, discussing.delete_comment, DAN, last(play))
    say(play, discussing.answer_question, DAN, question, "Otherwise.")
    assert output(decide(play, ANN))["outcome"] == "approved"
    say(play, discussing.ask_question, ANN, "Why?").refused("approval_closed")
    say(play, discussing.comment_on, DAN, "Thank you.")


def test_who_was_asked_a_question_may_speak() -> None:
    play = seen(asked(node(), created_by=DAN), "board")
    say(play, discussing.comment_on, EVA, "I know.").refused("not_concerned")
    say(play, discussing.comment_on, EVA, "I manage this.", manages=True)
    say(play, discussing.ask_question, DAN, "Do you know?", EVA)
    say(play, discussing.comment_on, EVA, "I do.")
    say(play, discussing.ask_question, DAN, "What?", None).refused("invalid", "/to_user_id")
    say(asked(node()), discussing.ask_question, ANN, "Why?").refused("no_requester", "/to_user_id")


def test_words_are_changed_and_taken_back_by_who_said_them() -> None:
    play = say(asked(node(), created_by=DAN), discussing.comment_on, ANN, "So.")
    said = last(play)
    say(play, discussing.edit_comment, BEN, said, "Not so.").refused("not_yours")
    say(play, discussing.delete_comment, BEN, said).refused("not_yours")
    say(play, discussing.edit_comment, ANN, UUID(int=1), "?").refused("not_found")
    say(play, discussing.edit_comment, ANN, said, " ").refused("invalid", "/text")
    say(play, discussing.edit_comment, ANN, said, "Not so.")
    say(play, discussing.delete_comment, ANN, said)
    say(play, discussing.edit_comment, ANN, said, "Yet.").refused("comment_deleted")
    say(play, discussing.delete_comment, ANN, said).refused("comment_deleted")


def test_who_watches_is_known_once() -> None:
    play, id = seen(asked(node(), created_by=DAN), "board"), None
    id = request_id(play)
    for _ in range(2):
        play.step(lambda view: discussing.watch(view, id, EVA, DAN))
    assert approval(play).watchers == (EVA,)
    play.step(lambda view: discussing.watch(view, id, ANN)).refused("may_not_see", "/user_id")
    for _ in range(2):
        play.step(lambda view: discussing.unwatch(view, id, EVA))
    assert approval(play).watchers == ()


FILE = {"name": "a.pdf", "reference": "https://files.example/a.pdf", "sha256": "ab" * 32}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("no list", "/attachments"),
        ([FILE] * 51, "/attachments"),
        (["a.pdf"], "/attachments/0"),
        ([FILE, FILE | {"colour": "red"}], "/attachments/1/colour"),
        ([{**FILE, "reference": "javascript:alert(1)"}], "/attachments/0/reference"),
        ([{**FILE, "reference": "https://user:pw@files.example/a.pdf"}], "/attachments/0/reference"),
        ([{**FILE, "reference": "s3://key@bucket/a.pdf"}], "/attachments/0/reference"),
        ([{**FILE, "reference": "https:user:pw@files.example/a.pdf"}], "/attachments/0/reference"),
        ([{**FILE, "reference": "https:/\\user:pw@files.example/a.pdf"}], "/attachments/0/reference"),
        ([{**FILE, "sha256": "AB" * 32}], "/attachments/0/sha256"),
        ([{**FILE, "name": "a\nb"}], "/attachments/0/name"),
        ([{"name": "a.pdf", "sha256": "ab" * 32}], "/attachments/0/reference"),
        ([{**FILE, "size": -1}], "/attachments/0/size"),
        ([{**FILE, "media_type": "pdf"}], "/attachments/0/media_type"),
    ],
)
def test_an_attachment_says_where_it_is_and_what_it_must_be(given: Json, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        attachments_of(given)
    assert refused.value.path == path


@pytest.mark.parametrize(
    "reference", ["https://files.example/by@ann/a.pdf?to=b@c.example", "urn:mail:a@b.example", "s3://bucket/a@b"]
)
def test_an_at_sign_is_no_credential_by_itself(reference: str) -> None:
    assert attachments_of([{**FILE, "reference": reference}])[0].reference == reference


def test_what_a_node_attaches_may_come_from_its_input() -> None:
    play = asked(node(attachments="=input.files"), {"files": [{**FILE, "size": 7}]}, created_by=DAN)
    assert approval(play).content.attachments == (Attachment("a.pdf", FILE["reference"], FILE["sha256"], None, 7),)
    assert output(asked(node(attachments="=input.files"), {"files": [{}]}))["type"] == "invalid_value"


def test_two_versions_differ_where_they_do() -> None:
    before = Content("A", None, {"a~/b": [1, {"c": True}], "same": 1}).as_json
    after = Content("A", "B", {"a~/b": [1, {"c": 1}, 3], "same": 1.0}).as_json
    changes = [(each.path, each.how) for each in differences(before, after)]
    assert changes == [("/description", "changed"), ("/context/a~0~1b/1/c", "changed"), ("/context/a~0~1b/2", "added")]
    assert (at(before, "/context/a~0~1b/1/c"), at(after, "/context/a~0~1b/2")) == (True, 3)
    many = [(each.path, each.how) for each in differences({"x": [*range(600)]}, {"x": [*range(1, 601)]})]
    assert many == [("/x", "changed")], "named by what they are in"


FORM = {
    "type": "object",
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["car", "train"], "default": "train"},
        "class": {"type": "integer", "default": 2},
        "seat": {"type": "object", "properties": {"side": {"default": "window"}, "row": {"type": "integer"}}},
        "plate": {"type": "string"},
        "card": {"type": "string"},
        "address": {"type": "string"},
    },
    "if": {"properties": {"kind": {"const": "car"}}},
    "then": {"required": ["plate"]},
    "dependentRequired": {"card": ["address"]},
    "unevaluatedProperties": False,
}


def test_what_is_left_out_of_a_form_is_filled_in_and_kept() -> None:
    play = asked(node(form=FORM))
    decide(play, ANN, form={"seat": {"row": 7}})
    assert output(play)["form"] == {"kind": "train", "class": 2, "seat": {"row": 7, "side": "window"}}
    assert with_defaults(FORM, None) is None
    assert with_defaults({"$ref": "#/x"}, {"a": 1}) == {"a": 1}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"kind": "car"}, {("/form/plate", "required")}),
        ({"kind": "train", "card": "1"}, {("/form/address", "required")}),
        ({"kind": "car", "card": "1"}, {("/form/plate", "required"), ("/form/address", "required")}),
        ({"kind": "train", "colour": "red"}, {("/form/colour", "unknown_field")}),
    ],
)
def test_what_one_field_asks_of_another_is_said_of_the_field(data: Json, found: set[tuple[str, str]]) -> None:
    assert {(fault.path, fault.code) for fault in faults(FORM, data, "/form")} == found
