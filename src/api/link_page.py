"""The page behind a link: what is asked, what is about to be chosen, and a form to confirm it. No scripts, nothing loaded.

Every text in it comes from somebody else, and is escaped. A page is kept by nobody, and tells nobody where it was.
"""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from html import escape

from starlette.responses import Response

from api import link_form
from api.link_form import FORM, Field
from domain.approval.proof import HEADER
from domain.facts import FieldError, Json

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #f4f4f2; margin: 0; padding: 2rem 1rem; }
main { max-width: 40rem; margin: 0 auto; padding: 1.5rem 2rem 2rem; }
main { background: #fff; border: 1px solid #d8d8d4; border-radius: 8px; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem; overflow-wrap: anywhere; }
p { margin: .6rem 0; } .quiet { color: #5c5c58; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 1rem 0; }
dt { color: #5c5c58; } dd { margin: 0; overflow-wrap: anywhere; }
pre { background: #f4f4f2; border-radius: 6px; padding: .75rem; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
fieldset { border: 0; border-top: 1px solid #d8d8d4; margin: 1.25rem 0 0; padding: 1rem 0 0; }
label { display: block; margin: .9rem 0 .2rem; font-weight: 600; } .hint { font-weight: 400; color: #5c5c58; }
input, select, textarea { box-sizing: border-box; width: 100%; font: inherit; padding: .45rem .6rem; }
input, select, textarea { border: 1px solid #8a8a84; border-radius: 6px; }
.fault { color: #a11; margin: .2rem 0; } .notice { border-left: 4px solid #b37400; padding-left: .75rem; }
button { font: inherit; font-weight: 600; margin-top: 1.25rem; padding: .6rem 1.4rem; }
button { border: 0; border-radius: 6px; background: #1d4f91; color: #fff; }
:focus-visible { outline: 3px solid #79a7e3; outline-offset: 1px; }
"""
POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
LONGEST_SHOWN = 20_000
"""Characters of the context: what is longer is for other places."""
MOST_ROWS = 100

STANDING = {
    "pending": "The request is still open.",
    "with_requester": "The request is with whoever asked, until they submit it again.",
    "cancelled": "The request was cancelled.",
    "expired": "The request has expired: nobody decided in time.",
}
REASON, COMMENT, CODE, SEEN = "reason", "comment", "code", "seen"
PATHS = {f"/{COMMENT}": COMMENT, f"/{REASON}": REASON, HEADER: CODE}


def page(title: str, parts: Iterable[str], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{_e(title)}</title>'
    body = f"<main><h1>{_e(title)}</h1>{''.join(parts)}</main>"
    text = f'<!DOCTYPE html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head><body>{body}</body></html>\n'
    return Response(text, status, {**HEADERS, **(headers or {})}, "text/html")


def message(title: str, *sentences: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return page(title, (_p(each) for each in sentences), status, headers)


def confirmation(
    shown: Json,
    status: int = 200,
    *,
    faults: Iterable[FieldError] = (),
    sent: Mapping[str, str] | None = None,
    notice: str | None = None,
) -> Response:
    """What `engine.approval_links.page_of` found open. `faults`: of what was sent, which is shown again."""
    sent, by_field = sent or {}, _by_field(faults)
    general = [_fault(text) for text in by_field.get("", ())]
    button = f"<button>Confirm: {_e(shown['outcome'])}</button>"
    form = [
        f'<form method="post"><input type="hidden" name="{SEEN}" value="{_e(shown["seen"])}"><fieldset>',
        _p(f"You are about to choose “{shown['outcome']}” as {shown['person'] or 'the person whom this link is for'}."),
        _text(f"By this you say: {shown['means']}") if shown["means"] else "",
        *_inputs(shown, sent, by_field),
        button,
        "</fieldset></form>",
    ]
    told = [f'<p class="notice">{_e(notice)}</p>'] if notice else []
    return page(shown["title"], (*told, *_asked(shown), *general, *form, *_small_print(shown)), status)


def over(shown: Json, status: int) -> Response:
    """A link by which nothing is decided any more, and why."""
    said = [f"You chose “{shown['outcome']}” by this link."] if shown["chosen"] else [shown["message"]]
    return message(shown["title"] or "This link cannot be used", *said, _standing(shown), status=status)


def done(shown: Json, approval: Json) -> Response:
    standing = _standing({"status": approval["status"], "resolution": approval["outcome"]})
    return message(shown["title"], f"Thank you. You chose “{shown['outcome']}”.", standing, status=200)


def _standing(shown: Json) -> str:
    if shown["status"] == "resolved":
        return f"The request is resolved: “{shown['resolution']}”."
    return STANDING.get(shown["status"], f"The request is {shown['status']}.")


def _asked(shown: Json) -> Iterable[str]:
    if shown["asked_by"]:
        yield f'<p class="quiet">Asked by {_e(shown["asked_by"])}</p>'
    if shown["step_name"]:
        yield f'<p class="quiet">Step: {_e(shown["step_name"])}</p>'
    if shown["description"]:
        yield _text(shown["description"])
    yield from _context(shown["context"])
    for attached in shown["attachments"]:
        yield from _attachment(attached)


def _attachment(attached: Json) -> Iterable[str]:
    """Where it is, and what it must be to be that file. Only what a browser opens as a page of elsewhere is a link."""
    name, reference = _e(attached["name"]), _e(attached["reference"])
    is_link = attached["reference"].startswith(("https://", "http://"))
    led = f'<a href="{reference}" rel="noreferrer noopener" target="_blank">{name}</a>' if is_link else f"{name}: {reference}"
    yield f'<p>{led}<br><span class="quiet">SHA-256 {_e(attached["sha256"])}</span></p>'


def _context(context: Json) -> Iterable[str]:
    if context is None:
        return
    if isinstance(context, dict) and len(context) <= MOST_ROWS and not any(isinstance(v, dict | list) for v in context.values()):
        rows = (f"<dt>{_e(_cut(name))}</dt><dd>{_e(_cut(_plain(value)))}</dd>" for name, value in context.items())
        yield f"<dl>{''.join(rows)}</dl>"
    else:
        yield f"<pre>{_e(_cut(json.dumps(context, indent=2, ensure_ascii=False, default=str)))}</pre>"


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]} … (there is more, which is not shown here)"


def _inputs(shown: Json, sent: Mapping[str, str], faults: Mapping[str, list[str]]) -> Iterable[str]:
    for field in link_form.fields_of(shown["form"]):
        yield from _labelled(field.key, field.label, field.hint, field.required, faults)
        yield _control(field, sent.get(field.key, field.default))
    if shown["reasons"]:
        yield from _labelled(REASON, "Reason", None, True, faults)
        yield _select(REASON, [(code, code) for code in shown["reasons"]], sent.get(REASON, ""))
    yield from _labelled(COMMENT, "Comment", None, shown["comment"] == "required", faults)
    yield _area(COMMENT, sent.get(COMMENT, ""))
    if shown["proof"] == "totp":
        yield from _labelled(CODE, "One-time password", "Six digits, from your authenticator.", True, faults)
        yield f'<input id="{CODE}" name="{CODE}" inputmode="numeric" autocomplete="one-time-code" maxlength="16">'


def _labelled(key: str, label: str, hint: str | None, required: bool, faults: Mapping[str, list[str]]) -> Iterable[str]:
    needed = ' <span class="hint">(required)</span>' if required else ""
    also = f' <span class="hint">{_e(hint)}</span>' if hint else ""
    yield f'<label for="{_e(key)}">{_e(label)}{needed}{also}</label>'
    yield from (_fault(text) for text in faults.get(key, ()))


def _control(field: Field, value: str) -> str:
    key = _e(field.key)
    match field.kind:
        case "choice":
            return _select(field.key, [(str(number), _plain(each)) for number, each in enumerate(field.choices)], value)
        case "boolean":
            return _select(field.key, [("true", "Yes"), ("false", "No")], value)
        case "date":
            return f'<input id="{key}" name="{key}" type="date" value="{_e(value)}">'
        case "integer" | "number":
            return f'<input id="{key}" name="{key}" inputmode="decimal" value="{_e(value)}">'
        case "text":
            return f'<input id="{key}" name="{key}" value="{_e(value)}">'
        case _:
            return _area(field.key, value)


def _area(key: str, value: str) -> str:
    # A browser drops the first line's end of a textarea.
    return f'<textarea id="{_e(key)}" name="{_e(key)}" rows="4">\n{_e(value)}</textarea>'


def _select(key: str, choices: Iterable[tuple[str, str]], chosen: str) -> str:
    options = (
        f'<option value="{_e(value)}"{" selected" if value == chosen else ""}>{_e(label)}</option>' for value, label in choices
    )
    return f'<select id="{_e(key)}" name="{_e(key)}"><option value="">–</option>{"".join(options)}</select>'


def _by_field(faults: Iterable[FieldError]) -> dict[str, list[str]]:
    """By the name of the input beside which they are told; those of none at the head of the form."""
    found: dict[str, list[str]] = {}
    for fault in faults:
        key = PATHS.get(fault.path) or link_form.key_of(fault.path) or ""
        shown = fault.message if key else f"{fault.path}: {fault.message}" if fault.path.startswith(f"/{FORM}") else fault.message
        found.setdefault(key, []).append(shown)
    return found


def _small_print(shown: Json) -> Iterable[str]:
    moment = datetime.fromisoformat(shown["expires_at"])
    until = f"{moment.day} {moment:%B %Y, %H:%M} UTC"
    yield f'<p class="quiet">This link works once, until {_e(until)}. Nothing is decided until you confirm.</p>'


def _p(text: str) -> str:
    return f"<p>{_e(text)}</p>"


def _text(text: str) -> str:
    return f'<p class="text">{_e(text)}</p>'


def _fault(text: str) -> str:
    return f'<p class="fault">{_e(text)}</p>'


def _e(text: str) -> str:
    return escape(text, quote=True)
