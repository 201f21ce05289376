"""What happens to an approval request, and the words in which it is told."""

from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from domain.approval.content import Attachment, Change, Content
from domain.approval.times import Clock, Times
from domain.facts import Due, Event, Json

OutcomeKind = Literal["approve", "reject", "changes", "submit", "withdraw", "other"]
Visibility = Literal["names", "counts", "after_resolution"]
"""What those who see a request see of each other: who decided what, how many did, or who did once it is over."""
COUNTED: tuple[OutcomeKind, ...] = ("approve", "reject", "other")
"""Kinds that rules count. Each of the others ends the request, whatever the rule."""


@dataclass(frozen=True)
class Outcome:
    """One way to answer. With neither users nor roles, every member with `approvals:decide` may choose it.

    `exclude`: who may not in any case, whatever else they are. `comment`, `form`: whether they must come with it. `reasons`:
    codes of which it takes one; none: it takes none.
    """

    name: str
    kind: OutcomeKind
    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()
    exclude: tuple[UUID, ...] = ()
    comment: Literal["required"] | None = None
    reasons: tuple[str, ...] = ()
    form: Literal["required"] | None = None
    fallback: Literal[True] | None = None
    """Whether those are asked who were to be asked where nobody else is there."""
    proof: Literal["key", "totp"] | None = None
    """What who chooses it shows anew of who they are: the secret of their key, or a one-time password."""
    means: str | None = None
    """What it means to sign by it."""
    managers: tuple[UUID, ...] | None = None
    """Of the users: who is asked as somebody's manager."""
    instead: tuple[UUID, ...] | None = None
    """Of the users: whom an escalation has added, or who is asked as the manager of the requester who would be asked."""


def asks_voters(outcome: Outcome, outcomes: tuple[Outcome, ...]) -> bool:
    """Whether an outcome is for those whose decisions count, where these are fixed: it is counted, or it asks the same people."""
    counted = next((each for each in outcomes if each.kind in COUNTED), None)
    if counted is None or outcome.kind in COUNTED:
        return counted is not None
    return (outcome.users, outcome.roles, outcome.exclude) == (counted.users, counted.roles, counted.exclude)


@dataclass(frozen=True)
class Voter:
    """One of the people whose decisions count, where these are fixed when they are asked. `role`: as whose member, by its key.

    `weight`: what their decision counts. `veto`: whether their rejection alone is enough.
    """

    user_id: UUID
    role: str | None = None
    weight: int = 1
    veto: bool = False


@dataclass(frozen=True)
class StepPlan:
    """A step of a request that asks in steps. Those of one `stage` are asked at the same time, stages one after another.

    `distinct`: names of steps in none of which somebody decides who decides in this one, and the other way round. `ad_hoc`:
    whether somebody may be added to those who are asked.
    """

    name: str
    stage: int
    distinct: tuple[str, ...] = ()
    ad_hoc: bool = False
    depends_on: tuple[str, ...] | None = None
    """What of the request it looks at: it is asked again where that has changed. JSON pointers, and expressions with their `=`;
    None: at everything."""


@dataclass(frozen=True)
class ApprovalRequested(Event):
    """Opened by an approval node's activation, by an AI task, or by itself: then there is no execution, activation or node.

    `rule` is the node's rule as JSON; `form` a JSON Schema for form data. With `steps`, what is asked and whom is told by each
    step as it starts.
    """

    execution_id: UUID | None
    activation_id: UUID | None
    node_id: str | None
    title: str
    rule: Json
    outcomes: tuple[Outcome, ...]
    required_approvals: int = 1
    description: str | None = None
    form: Json = None
    context: Json = None
    priority: int = 0
    requested_by: UUID | None = None
    due: Due | None = None
    expires: Due | None = None
    """The node's timeout, as it stood when the request was opened; of one that was opened by itself, its own."""
    item_id: UUID | None = None
    """The stream of the foreach's item that asks, where one does."""
    item_index: int | None = None
    voters: tuple[Voter, ...] | None = None
    """Where they are fixed: whose decisions count."""
    ad_hoc: bool = False
    """Whether somebody may be added to those who are asked."""
    steps: tuple[StepPlan, ...] = ()
    definition: Json = None
    """Of one in steps that was opened by itself: what it was opened with, by which its steps go."""
    behind: tuple[UUID, ...] | None = None
    """Of one that was opened by itself: who did so on the requester's behalf."""
    callback: Json = None
    """Of one that was opened by itself: where its end is told, once (`domain.callbacks`)."""
    visibility: Visibility | None = None
    """None: everybody who sees it sees the names."""
    times: Times | None = None
    """Its moments; of one in steps, those of the whole. None where it has none, and of before there were any."""
    attachments: tuple[Attachment, ...] = ()
    ui_schema: Json = None
    """How the form is shown, as whoever shows it reads that; passed through."""
    depends_on: tuple[str, ...] | None = None
    """As of a step, where it does not ask in steps."""
    editable: tuple[str, ...] | None = None
    """JSON pointers to what may be changed when it is resubmitted. None: everything; where an execution asks (it was asked
    before this was recorded): nothing."""
    ai_task_id: UUID | None = None
    """The AI task that asks, where one does; then the execution, activation and node are those that it works for, if any."""
    call_id: UUID | None = None
    """Which of its calls of tools it is about."""
    purpose: Literal["tool", "review", "budget", "elicitation", "repetition"] | None = None
    """What an AI task asks for: `domain.ai_task.Purpose`."""

    @property
    def content(self) -> Content:
        return Content(self.title, self.description, self.context, self.attachments)


@dataclass(frozen=True)
class ApprovalStepStarted(Event):
    """A step is asked, by its number from 1; again, where the request was sent back to it or to one before."""

    step: int
    name: str
    rule: Json
    outcomes: tuple[Outcome, ...]
    required_approvals: int = 1
    voters: tuple[Voter, ...] | None = None
    form: Json = None
    due: Due | None = None
    times: Times | None = None
    ui_schema: Json = None


@dataclass(frozen=True)
class ApprovalStepSkipped(Event):
    """A step that is not asked. `why`: its `skip_when` held, or it would have asked the requester alone."""

    step: int
    name: str
    why: Literal["skip_when", "requester"] | None = None


@dataclass(frozen=True)
class ApprovalStepCompleted(Event):
    """What the decisions of a step come to. `decided_by` as of a request."""

    step: int
    name: str
    outcome: str
    kind: OutcomeKind
    decided_by: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class ApprovalReturned(Event):
    """Sent back to an earlier step. `steps`: the numbers of those that are to be asked again; their decisions count no longer."""

    step: int
    name: str
    user_id: UUID
    comment: str
    steps: tuple[int, ...]


@dataclass(frozen=True)
class ApproverAdded(Event):
    """Somebody was added to those whom a step asks."""

    user_id: UUID
    added_by: UUID | None
    step: int = 1
    comment: str | None = None


@dataclass(frozen=True)
class ApprovalClaimed(Event):
    """Somebody takes it on: until they release it, nobody else decides. `instead_of`: who had claimed it."""

    user_id: UUID
    step: int = 1
    instead_of: UUID | None = None


@dataclass(frozen=True)
class ApprovalReleased(Event):
    """It is everybody's again. `user_id`: who had claimed it."""

    user_id: UUID
    step: int = 1
    comment: str | None = None


@dataclass(frozen=True)
class ApprovalReassigned(Event):
    """Another one is asked in the place of somebody."""

    from_user_id: UUID
    to_user_id: UUID
    step: int = 1
    comment: str | None = None


@dataclass(frozen=True)
class ApprovalRevoked(Event):
    """Somebody took their decision back."""

    decision_id: UUID
    user_id: UUID
    kind: OutcomeKind
    step: int = 1
    comment: str | None = None


@dataclass(frozen=True)
class ApprovalReminded(Event):
    """A reminder, by its number from 1, of who is asked and has not answered: by name, or by role.

    With neither: every member who may decide approvals. `step`: 0 of the whole of a request in steps.
    """

    step: int
    number: int
    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApprovalEscalated(Event):
    """A level of the escalation was reached: others are asked in a step, or it comes to an outcome by default.

    `outcomes`: names of those that they may choose. `voters`: of these, where they are fixed. `replace`: instead of who has not
    answered. `passed_over`: levels before this one at which nobody was there. Nobody at all: this one included. `whole`: of the
    whole of a request in steps; then `step` is 0 where it is not about one.
    """

    step: int
    level: int
    users: tuple[UUID, ...] = ()
    roles: tuple[str, ...] = ()
    voters: tuple[Voter, ...] | None = None
    outcomes: tuple[str, ...] = ()
    replace: bool = False
    outcome: str | None = None
    passed_over: tuple[int, ...] = ()
    whole: bool = False
    problem: str | None = None
    """Why nobody was there, where an expression failed."""


@dataclass(frozen=True)
class ApprovalOverdue(Event):
    """No answer by when it was due, or nobody has taken it on by when that was to be."""

    step: int
    what: Literal["due", "start"]


@dataclass(frozen=True)
class ApprovalDecided(Event):
    """One person's decision. `role` is the key of the role in which they acted; `reason` one of the outcome's codes."""

    decision_id: UUID
    user_id: UUID
    outcome: str
    kind: OutcomeKind
    step: int = 1
    role: str | None = None
    on_behalf_of: UUID | None = None
    comment: str | None = None
    form: Json = None
    reason: str | None = None
    weight: int = 1
    """What it counts, by a rule of weights."""
    through: tuple[UUID, ...] | None = None
    """Of who stands in by a delegation that was passed on: by whom, in their order."""
    via: Literal["link"] | None = None
    """How, where it was not by the API."""
    link_id: UUID | None = None
    proof: Literal["key", "totp"] | None = None
    """What was shown of who decides, as the outcome asks; `proof_id`: by which key, or by one-time passwords of which secret."""
    proof_id: UUID | None = None
    means: str | None = None
    """What the signature means, as it was said when it was asked."""
    attachments: tuple[Attachment, ...] = ()
    request_version: int = 1
    """The number of the version of the request that they decided on."""
    acting: UUID | None = None
    """The person whose key decided on behalf of `user_id`, if it was that of a person and not of a service."""

    @property
    def voter(self) -> UUID:
        """Whose decision it is: that of the person who was stood in for, where somebody was."""
        return self.on_behalf_of or self.user_id

    @property
    def people(self) -> frozenset[UUID]:
        """Who has had their say by it."""
        return frozenset(one for one in (self.user_id, self.voter, self.acting) if one is not None)


@dataclass(frozen=True)
class ApprovalOverridden(Event):
    """Somebody who may decided the request whomever it asks, whatever its rule (break-glass). Its resolution follows at once.

    `steps`: the numbers of those that were open or waiting. `own`: they had asked for the decision themselves. `asked_users`,
    `asked_roles`: who was asked then, up to `MOST_TOLD` of each.
    """

    decision_id: UUID
    user_id: UUID
    outcome: str
    kind: OutcomeKind
    reason: str
    steps: tuple[int, ...] = (1,)
    form: Json = None
    own: Literal[True] | None = None
    asked_users: tuple[UUID, ...] = ()
    asked_roles: tuple[str, ...] = ()
    request_version: int = 1
    """The number of the version of the request that was decided."""
    proof: Literal["key", "totp"] | None = None
    """As of a decision: what was shown of who overrides, where the outcome asks for it."""
    proof_id: UUID | None = None
    means: str | None = None


@dataclass(frozen=True)
class ApprovalRecalled(Event):
    """Whoever asked took it back into their hands: until they resubmit or withdraw it, nobody decides.

    `user_id`: who did so; None: a service that manages approvals.
    """

    user_id: UUID | None = None
    comment: str | None = None


@dataclass(frozen=True)
class ApprovalSentToRequester(Event):
    """One of those who are asked gave it back to whoever asked, to be changed."""

    user_id: UUID
    comment: str


@dataclass(frozen=True)
class Asked:
    """What is asked, by which rule, and whom, where it is asked again; as of `ApprovalRequested`."""

    rule: Json
    outcomes: tuple[Outcome, ...]
    required_approvals: int = 1
    voters: tuple[Voter, ...] | None = None


@dataclass(frozen=True)
class ApprovalResubmitted(Event):
    """Asked again, under the next number, from 2. `changes`: in what it differs from the version before.

    `steps`: the numbers of those that are to be asked again; their decisions count no longer. All others stand. 1 of a request
    that does not ask in steps: `asked` then says what is asked, where that is known anew.
    """

    number: int
    content: Content
    changes: tuple[Change, ...] = ()
    steps: tuple[int, ...] = ()
    user_id: UUID | None = None
    comment: str | None = None
    asked: Asked | None = None
    due: Due | None = None
    """By when an answer is hoped for, reckoned anew; None: as before."""
    expires: Due | None = None
    """When it closes by itself, reckoned anew; None: by no timer of its own."""
    clocks: tuple[Clock, ...] = ()
    """The moments to come of what goes on, reckoned anew; steps that are asked again tell theirs as they start."""


@dataclass(frozen=True)
class ApprovalQuestionAsked(Event):
    """Somebody asks whoever asked for the decision, or another one. The request stays open meanwhile."""

    comment_id: UUID
    user_id: UUID
    to_user_id: UUID
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ApprovalQuestionAnswered(Event):
    comment_id: UUID
    question_id: UUID
    user_id: UUID
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ApprovalCommented(Event):
    comment_id: UUID
    user_id: UUID
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ApprovalCommentEdited(Event):
    """Of a comment, a question or an answer, by who wrote it: its words from then on."""

    comment_id: UUID
    user_id: UUID
    text: str
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True)
class ApprovalCommentDeleted(Event):
    """By who wrote it. What it said stays in the ledger, and is shown no longer."""

    comment_id: UUID
    user_id: UUID


@dataclass(frozen=True)
class ApprovalWatched(Event):
    """Somebody wants to know what becomes of it. `added_by`: who had them do so, where it was another one."""

    user_id: UUID
    added_by: UUID | None = None


@dataclass(frozen=True)
class ApprovalUnwatched(Event):
    user_id: UUID


MOST_TOLD = 200


@dataclass(frozen=True)
class ApprovalResolved(Event):
    """What the decisions come to by the request's rule. `decided_by`: whose decisions brought it about, in their order; the last
    one made it certain. Nobody, where a moment did, or what the others had decided."""

    outcome: str
    kind: OutcomeKind
    decided_by: tuple[UUID, ...] = ()
    form: Json = None


@dataclass(frozen=True)
class ApprovalCancelled(Event):
    reason: str | None = None


@dataclass(frozen=True)
class ApprovalExpired(Event):
    """Nobody decided before the node's timeout."""


ApprovalEvent: TypeAlias = (
    ApprovalRequested
    | ApprovalStepStarted
    | ApprovalStepSkipped
    | ApprovalDecided
    | ApprovalStepCompleted
    | ApprovalReturned
    | ApproverAdded
    | ApprovalClaimed
    | ApprovalReleased
    | ApprovalReassigned
    | ApprovalRevoked
    | ApprovalOverridden
    | ApprovalReminded
    | ApprovalEscalated
    | ApprovalOverdue
    | ApprovalRecalled
    | ApprovalSentToRequester
    | ApprovalResubmitted
    | ApprovalQuestionAsked
    | ApprovalQuestionAnswered
    | ApprovalCommented
    | ApprovalCommentEdited
    | ApprovalCommentDeleted
    | ApprovalWatched
    | ApprovalUnwatched
    | ApprovalResolved
    | ApprovalCancelled
    | ApprovalExpired
)
TALK = (
    ApprovalQuestionAsked,
    ApprovalQuestionAnswered,
    ApprovalCommented,
    ApprovalCommentEdited,
    ApprovalCommentDeleted,
    ApprovalWatched,
    ApprovalUnwatched,
)
"""What may also happen to a request that is closed."""
