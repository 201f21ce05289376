"""What a chat is posted: for Slack blocks of its Block Kit, for Teams an Adaptive Card, as its workflows take it from a webhook.

A channel is nobody in particular: a card has no link by which one decides, only one to the request, where whoever opens it is
asked who they are. Text of strangers is text: in Slack escaped, so that it neither mentions nor links; in Teams in runs that know
no Markdown. All sizes stay within what the services take.
"""

from collections.abc import Mapping

from domain.facts import Json
from domain.notification_endpoint import Format
from engine.notice_words import Words, cut, words

LONGEST_HEADER, LONGEST_SECTION, LONGEST_FIELD, MOST_FIELDS = 150, 3_000, 2_000, 10
"""Of Slack: https://docs.slack.dev/reference/block-kit/blocks"""
LARGEST_CARD = 28 * 1_024
"""Bytes, of Teams."""
SLACK_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
OPEN = "Open the request"


def request_page(public_url: str | None, request_id: str | None) -> str | None:
    """Where somebody sees a request; None where nobody said at which address the platform is."""
    return None if public_url is None or request_id is None else f"{public_url}/approvals/{request_id}"


def card(format: Format, message: Json, public_url: str | None) -> Json:
    """The body for a chat of this format."""
    said = words(message)
    page = request_page(public_url, said.request_id)
    return slack_message(said, page) if format == "slack" else teams_message(said, page)


def slack_message(said: Words, page: str | None) -> Json:
    """`text` is for notifications, and where blocks are not shown."""
    blocks: list[Mapping[str, Json]] = [
        {"type": "header", "text": {"type": "plain_text", "text": cut(said.headline, LONGEST_HEADER), "emoji": False}},
    ]
    text = f"*{_escaped(said.title, 1_000)}*" if said.title else ""
    if said.text:
        text += f"\n{_escaped(said.text, LONGEST_SECTION - len(text) - 1)}"
    if text.strip():
        blocks.append({"type": "section", "text": _mrkdwn(text)})
    if said.facts:
        blocks.append({"type": "section", "fields": [_field(*fact) for fact in said.facts[:MOST_FIELDS]]})
    if page is not None:
        blocks.append({"type": "section", "text": _mrkdwn(f"<{page}|{OPEN}>")})
    return {"text": _escaped(f"{said.headline}: {said.title}" if said.title else said.headline, 1_000), "blocks": blocks}


def _field(name: str, value: str) -> Json:
    return _mrkdwn(f"*{_escaped(name, 200)}*\n{_escaped(value, LONGEST_FIELD - 300)}")


def _mrkdwn(text: str) -> Json:
    """`verbatim`: Slack makes no links or mentions of what looks like some."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str, most: int) -> str:
    """So many characters at most, as they are when escaped; none of them is cut in two."""
    parts, length = list[str](), 0
    for number, character in enumerate(text):
        part = SLACK_ESCAPES.get(character, character)
        if length + len(part) > most - (number < len(text) - 1):
            return "".join(parts) + "…"
        parts.append(part)
        length += len(part)
    return "".join(parts)


def teams_message(said: Words, page: str | None) -> Json:
    body = [_run(said.headline, size="Medium", weight="Bolder")]
    if said.title:
        body.append(_run(said.title, weight="Bolder"))
    if said.text:
        body.append(_run(said.text))
    body += [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": f"{name}: ", "weight": "Bolder"}, _text(value)]}
        for name, value in said.facts[:MOST_FIELDS]
    ]
    content: dict[str, Json] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if page is not None:
        content["actions"] = [{"type": "Action.OpenUrl", "title": OPEN, "url": page}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def _run(text: str, **style: str) -> dict[str, Json]:
    return {"type": "RichTextBlock", "inlines": [{**_text(text), **style}]}


def _text(text: str) -> dict[str, Json]:
    return {"type": "TextRun", "text": text}
