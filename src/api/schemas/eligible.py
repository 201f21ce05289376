"""Who may decide approval requests, and who would be asked."""

from typing import get_args

from api.schemas.columns import fields
from api.schemas.json_columns import ASSIGNED
from api.schemas.schema import (
    BIG,
    BOOLEAN,
    INTEGER,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    UUID,
    UUIDS,
    ObjectSchema,
    many,
    one_of,
    or_null,
    ref,
    said,
)
from domain.approval import OutcomeKind, Visibility
from engine.eligible import Through

WHY_NOT = ObjectSchema("WhyNot", "What refuses it.", {"code": TEXT, "message": TEXT})
WAY = ObjectSchema(
    "EligibleWay",
    "An outcome that a member may choose.",
    {
        "step": said(INTEGER, "The step that offers it; 1 of a request without steps."),
        "outcome": TEXT,
        "through": said(one_of(*get_args(Through)), "By what they are asked, or who they stand in for."),
        "role": said(or_null(TEXT), "The role in which they would decide, by key."),
        "on_behalf_of": said(or_null(UUID), "For whom they stand in; null: for themselves."),
        "passed_on_by": said(UUIDS, "Who passed that delegation on."),
    },
)
ELIGIBLE_MEMBER = ObjectSchema(
    "EligibleMember",
    "Whether a member may decide an approval request.",
    {
        "user_id": UUID,
        "may": BOOLEAN,
        "ways": many(WAY),
        "why_not": said(or_null(ref(WHY_NOT)), "Null where they may."),
        "may_override": said(BOOLEAN, "Whether they may decide it whomever it asks (`POST /v1/approvals/{id}/override`)."),
    },
)
ELIGIBLE = ObjectSchema(
    "Eligible",
    "Who may decide an approval request, or might have at an earlier time: all who ever were members, a part of them at a time.",
    {
        "id": UUID,
        "as_of": TIME,
        "position": said(BIG, "Up to where the ledger was read."),
        **fields("approval_requests", "status"),
        "closed_by": said(
            or_null(ref(WHY_NOT)), "What refuses it to everybody, such as that it is resolved, or its execution paused."
        ),
        "items": many(ELIGIBLE_MEMBER),
        "next_cursor": said(or_null(TEXT), "For the next page, as `cursor`; null: this is the last one."),
    },
)

SUBSTITUTE = ObjectSchema(
    "PreviewSubstitute",
    "Who may decide in somebody's place.",
    {"user_id": UUID, "kind": one_of("delegation", "absence"), "delegation_id": UUID, "ends_at": or_null(TIME)},
)
PREVIEW_PERSON = ObjectSchema(
    "PreviewPerson",
    "Somebody whom a step would ask.",
    {
        "user_id": UUID,
        "through": said(TEXTS, "By what: user, role, manager_of, or escalation (as the requester's manager, in their place)."),
        "roles": said(TEXTS, "Of the roles that are asked, those that they have."),
        "outcomes": said(TEXTS, "What they could choose."),
        "refused": {
            "type": "object",
            "additionalProperties": TEXT,
            "description": "What they could not, and why: by outcome, a code.",
        },
        "active": said(BOOLEAN, "Whether they are an active member."),
        "may_decide": said(BOOLEAN, "Whether they are, with approvals:decide, and could choose something."),
        "substitutes": said(many(SUBSTITUTE), "Who stands in for them on this now."),
    },
)
PREVIEW_OUTCOME = ObjectSchema(
    "PreviewOutcome",
    "An outcome, and whom it would be for.",
    {
        "name": TEXT,
        "kind": one_of(*get_args(OutcomeKind)),
        "by": ref(ASSIGNED),
        "exclude": UUIDS,
        "fallback": said(BOOLEAN, "Whether those are asked who are where nobody else is there."),
    },
)
PREVIEW_STEP = ObjectSchema(
    "PreviewStep",
    "A step that would be asked, or skipped; or the request itself, where it has none.",
    {
        "step": INTEGER,
        "name": or_null(TEXT),
        "stage": said(INTEGER, "Steps of one stage are asked at the same time, stages one after another."),
        "status": said(one_of("asked", "later", "skipped"), "asked: at once. later: once those before are approved."),
        "why_skipped": said(
            or_null(one_of("skip_when", "requester")), "Its expression held, or it would ask the requester alone."
        ),
        "requester": said(or_null(one_of("forbid", "skip", "escalate")), "What becomes of the requester, as a policy."),
        "rule": or_null(OBJECT),
        "members": said(or_null(one_of("at_start", "at_decision")), "When it is fixed whose decisions count."),
        "required_approvals": or_null(INTEGER),
        "outcomes": many(PREVIEW_OUTCOME),
        "anyone": said(BOOLEAN, "Whether every member who may decide approvals may choose something."),
        "answerable": said(BOOLEAN, "Whether there is somebody now who could decide."),
        "people": said(many(PREVIEW_PERSON), "The first 200."),
        "people_total": INTEGER,
        "supposed": said(UUIDS, "Who is supposed to have approved it, where a step comes after it."),
    },
)
PREVIEW_PROBLEM = ObjectSchema("PreviewProblem", "Where asking would fail, and why.", {"code": TEXT, "message": TEXT})
APPROVAL_PREVIEW = ObjectSchema(
    "ApprovalPreview",
    "Who would be asked, in which order, by which rule.",
    {
        "requested_by": or_null(UUID),
        "visibility": one_of(*get_args(Visibility)),
        "steps": many(PREVIEW_STEP),
        "problem": or_null(ref(PREVIEW_PROBLEM)),
    },
)
PAST_STEP = ObjectSchema(
    "ComparedStep",
    "Whom a step asks.",
    {
        "step": INTEGER,
        "name": or_null(TEXT),
        "skipped": BOOLEAN,
        "rule": or_null(OBJECT),
        "users": UUIDS,
        "roles": TEXTS,
        "anyone": BOOLEAN,
        "people": said(UUIDS, "Of the first 200, those who could decide."),
        "people_total": INTEGER,
    },
)
PAST_SIDE = ObjectSchema(
    "ComparedSide", "By one of the two rules.", {"steps": many(PAST_STEP), "problem": or_null(ref(PREVIEW_PROBLEM))}
)
PAST_PREVIEW = ObjectSchema(
    "ComparedApproval",
    "A request: who was asked, and who would have been. With a `problem` of its own, nothing else.",
    {
        "id": UUID,
        "then": ref(PAST_SIDE),
        "now": ref(PAST_SIDE),
        "added": said(UUIDS, "People who would have been asked, and were not."),
        "dropped": said(UUIDS, "People who were asked, and would not have been."),
        "same": BOOLEAN,
        "problem": ref(PREVIEW_PROBLEM),
    },
    optional=frozenset({"then", "now", "added", "dropped", "same", "problem"}),
)
PAST_PREVIEWS = ObjectSchema(
    "ComparedApprovals",
    "Requests of the past under another rule.",
    {"items": many(PAST_PREVIEW), "left": said(UUIDS, "Those that there was no time for: ask for them again, as `ids`.")},
)
