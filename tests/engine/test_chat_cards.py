"""Cards for chats: what they say, that text of strangers stays text, and that the services take their sizes."""

import json
import re
from typing import Any

import pytest

from domain.notices import TYPES
from engine.chat_cards import LARGEST_CARD, card
from engine.notice_words import HEADLINES

PUBLIC = "https://gesta.example"
ID = "0195b1e7-0000-7000-8000-000000000001"
EVIL = "<!channel> <https://evil.example|click> & *bold* [x](https://evil.example)"


def about(type: str = "approval.requested", **data: Any) -> dict[str, Any]:
    approval = {"id": ID, "title": "A press?", "priority": 0, "status": "pending", "outcomes": ["yes", "no"], **data}
    return {"type": type, "timestamp": "2026-01-05T09:00:00Z", "position": 7, "data": approval}


def texts(value: Any) -> list[tuple[str, str]]:
    """(type, text) of all text objects."""
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    if not isinstance(value, dict):
        return []
    own = [(value["type"], value["text"])] if isinstance(value.get("text"), str) and "type" in value else []
    return own + [text for each in value.values() for text in texts(each)]


def test_slack_is_posted_blocks_with_a_link_to_the_request_and_none_by_which_one_decides() -> None:
    posted = card("slack", about(description="It is worn out.", due_at="2026-01-06T09:00:00Z"), PUBLIC)
    assert posted["text"] == "A decision is asked for: A press?"
    assert posted["blocks"] == [
        {"type": "header", "text": {"type": "plain_text", "text": "A decision is asked for", "emoji": False}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*A press?*\nIt is worn out.", "verbatim": True}},
        {
            "type": "section",
            "fields": [
                {"type": "mrkdwn", "text": "*Due*\n2026-01-06T09:00:00Z", "verbatim": True},
                {"type": "mrkdwn", "text": "*To choose*\nyes, no", "verbatim": True},
            ],
        },
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": f"<{PUBLIC}/approvals/{ID}|Open the request>", "verbatim": True},
        },
    ]
    assert "approvals" not in json.dumps(card("slack", about(), None)), "without an address there is no link"


def test_teams_is_posted_an_adaptive_card() -> None:
    posted = card("teams", about("approval.resolved", status="resolved", outcome="yes"), PUBLIC)
    (attachment,) = posted["attachments"]
    assert (posted["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    content = attachment["content"]
    assert (content["type"], content["version"]) == ("AdaptiveCard", "1.4")
    assert content["actions"] == [{"type": "Action.OpenUrl", "title": "Open the request", "url": f"{PUBLIC}/approvals/{ID}"}]
    assert [text for _, text in texts(content["body"])] == ["Decided", "A press?", "Outcome: ", "yes"]


def test_text_of_strangers_stays_text() -> None:
    message = about(title=EVIL, description=EVIL, outcomes=[EVIL], reason=EVIL)
    slack = json.dumps(card("slack", message, PUBLIC))
    assert "<!channel>" not in slack
    assert re.findall(r"<[^>]*>", slack) == [f"<{PUBLIC}/approvals/{ID}|Open the request>"]
    assert "&lt;!channel&gt;" in slack
    teams = card("teams", message, PUBLIC)["attachments"][0]["content"]
    assert {kind for kind, _ in texts(teams["body"])} == {"TextRun"}, "runs know no Markdown"
    assert [action["url"] for action in teams["actions"]] == [f"{PUBLIC}/approvals/{ID}"]


@pytest.mark.parametrize("text", ["x", "&", "\U0001f600", "\u0001", "\n", "<" * 3 + "y"])
def test_all_sizes_stay_within_what_the_services_take(text: str) -> None:
    long = text * 20_000
    message = about(title=long, description=long, reason=long, outcome=long, step=long, due_at=long, outcomes=[long] * 50)
    for block in card("slack", message, PUBLIC)["blocks"]:
        for kind, found in texts(block):
            most = 150 if block["type"] == "header" else 3_000 if "fields" not in block else 2_000
            assert len(found) <= most, kind
            assert not re.search(r"&(?!(amp|lt|gt);)", found) or kind == "plain_text", "no escape is cut in two"
        assert len(block.get("fields", ())) <= 10
    assert len(json.dumps(card("teams", message, PUBLIC), ensure_ascii=False).encode()) <= LARGEST_CARD


def test_what_an_execution_or_a_job_came_to_is_told_as_well() -> None:
    failed = {"id": ID, "workflow_key": "travel", "status": "failed", "error": "It broke.", "business_key": "T-1"}
    told = card("slack", {**about("execution.failed"), "data": failed}, PUBLIC)
    assert told["text"] == "Execution failed: travel"
    assert "It broke." in json.dumps(told)
    assert "approvals" not in json.dumps(told)
    job = {"id": ID, "type": "send-mail", "status": "failed", "error": {"type": "x", "message": "No."}, "attempts": 3}
    assert card("slack", {**about("job.failed"), "data": job}, None)["text"] == "Job failed: send-mail"
    test = {"type": "endpoint.test", "timestamp": "", "position": None, "data": {"message": "This is a test."}}
    assert card("teams", test, None)["attachments"][0]["content"]["body"]


def test_every_type_has_a_headline() -> None:
    assert set(TYPES.values()) <= HEADLINES.keys()
