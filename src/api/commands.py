"""All commands of the API: what each is called on record, and the permission that it needs."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class CommandSpec:
    """A command. Its name begins with the kind of resource that it is about, and goes on with what is done to it.

    `permission`: None where it needs none.
    """

    name: str
    permission: str | None

    @property
    def by_themselves(self) -> "CommandSpec":
        """The same, given by the person whom it is about: that needs no permission."""
        return replace(self, permission=None)

    def for_themselves(self, permission: str) -> "CommandSpec":
        """The same, where it is about the person themselves: another permission is enough."""
        return replace(self, permission=permission)

    @property
    def resource(self) -> str:
        return self.name.partition(".")[0]


TENANT_CREATE = CommandSpec("tenant.create", "tenants:manage")
TENANT_CHANGE = CommandSpec("tenant.change", "tenants:manage")
TENANT_SUSPEND = CommandSpec("tenant.suspend", "tenants:manage")
TENANT_REACTIVATE = CommandSpec("tenant.reactivate", "tenants:manage")

USER_REGISTER = CommandSpec("user.register", "users:manage")
USER_CHANGE = CommandSpec("user.change", "users:manage")

MEMBER_ADD = CommandSpec("member.add", "members:manage")
MEMBER_CHANGE = CommandSpec("member.change", "members:manage")
MEMBER_SUSPEND = CommandSpec("member.suspend", "members:manage")
MEMBER_REACTIVATE = CommandSpec("member.reactivate", "members:manage")
MEMBER_REMOVE = CommandSpec("member.remove", "members:manage")

INVITATION_MAKE = CommandSpec("invitation.make", "members:manage")
INVITATION_WITHDRAW = CommandSpec("invitation.withdraw", "members:manage")
INVITATION_ACCEPT = CommandSpec("invitation.accept", "members:manage")
INVITATION_DECLINE = CommandSpec("invitation.decline", "members:manage")

ROLE_CREATE = CommandSpec("role.create", "roles:manage")
ROLE_CHANGE = CommandSpec("role.change", "roles:manage")
ROLE_DELETE = CommandSpec("role.delete", "roles:manage")

API_KEY_CREATE = CommandSpec("api_key.create", "api_keys:manage")
API_KEY_REVOKE = CommandSpec("api_key.revoke", "api_keys:manage")
API_KEY_HAND_OVER = CommandSpec("api_key.hand_over", "api_keys:manage")

SECRET_CREATE = CommandSpec("secret.create", "secrets:manage")
SECRET_ROTATE = CommandSpec("secret.rotate", "secrets:manage")
SECRET_DELETE = CommandSpec("secret.delete", "secrets:manage")

WORKFLOW_VALIDATE = CommandSpec("workflow.validate", "workflows:read")
WORKFLOW_DRAFT = CommandSpec("workflow.draft", "workflows:write")
WORKFLOW_PUBLISH = CommandSpec("workflow.publish", "workflows:publish")
WORKFLOW_ARCHIVE = CommandSpec("workflow.archive", "workflows:publish")
WORKFLOW_RESTORE = CommandSpec("workflow.restore", "workflows:publish")

EXECUTION_START = CommandSpec("execution.start", "executions:start")
EXECUTION_CANCEL = CommandSpec("execution.cancel", "executions:control")
EXECUTION_TERMINATE = CommandSpec("execution.terminate", "executions:control")
EXECUTION_PAUSE = CommandSpec("execution.pause", "executions:control")
EXECUTION_RESUME = CommandSpec("execution.resume", "executions:control")
EXECUTION_CHANGE = CommandSpec("execution.change", "executions:control")
EXECUTION_FORK = CommandSpec("execution.fork", "executions:control")
EXECUTION_MIGRATE = CommandSpec("execution.migrate", "executions:control")
EXECUTION_SIGNAL = CommandSpec("execution.signal", "executions:control")

BULK_OPERATION_REQUEST = CommandSpec("bulk_operation.request", "executions:control")
BULK_OPERATION_START = CommandSpec("bulk_operation.start", "executions:start")
BULK_OPERATION_CANCEL = CommandSpec("bulk_operation.cancel", "executions:control")

TRIGGER_PAUSE = CommandSpec("trigger.pause", "workflows:publish")
TRIGGER_RESUME = CommandSpec("trigger.resume", "workflows:publish")
TRIGGER_RUN = CommandSpec("trigger.run", "workflows:publish")
TRIGGER_ROTATE = CommandSpec("trigger.rotate", "workflows:publish")
TRIGGER_BACKFILL = CommandSpec("trigger.backfill", "workflows:publish")

EVENT_RECEIVE = CommandSpec("event.receive", "executions:control")

APPROVAL_REQUEST = CommandSpec("approval.request", "approvals:request")
APPROVAL_DECIDE = CommandSpec("approval.decide", "approvals:decide")
APPROVAL_RETURN = CommandSpec("approval.return", "approvals:decide")
APPROVAL_CLAIM = CommandSpec("approval.claim", "approvals:decide")
APPROVAL_RELEASE = CommandSpec("approval.release", "approvals:decide")
APPROVAL_REVOKE = CommandSpec("approval.revoke", "approvals:decide")
APPROVAL_REASSIGN = CommandSpec("approval.reassign", "approvals:manage")
APPROVAL_WITHDRAW = CommandSpec("approval.withdraw", "executions:start")
APPROVAL_PREVIEW = CommandSpec("approval.preview", "approvals:read")
APPROVAL_OVERRIDE = CommandSpec("approval.override", "approvals:override")
APPROVAL_SAVE_FILTERS = CommandSpec("approval.save_filters", "approvals:decide")
APPROVAL_ADD_APPROVER = CommandSpec("approval.add_approver", "approvals:decide")
APPROVAL_RECALL = CommandSpec("approval.recall", "executions:start")
APPROVAL_RESUBMIT = CommandSpec("approval.resubmit", "executions:start")
APPROVAL_ASK = CommandSpec("approval.ask", "approvals:read")
APPROVAL_ANSWER = CommandSpec("approval.answer", "approvals:read")
APPROVAL_COMMENT = CommandSpec("approval.comment", "approvals:read")
APPROVAL_EDIT_COMMENT = CommandSpec("approval.edit_comment", "approvals:read")
APPROVAL_DELETE_COMMENT = CommandSpec("approval.delete_comment", "approvals:read")
APPROVAL_DRAFT = CommandSpec("approval.draft", "approvals:decide")
APPROVAL_WATCH = CommandSpec("approval.watch", "approvals:read")
APPROVAL_UNWATCH = CommandSpec("approval.unwatch", "approvals:read")

APPROVAL_LINK_MAKE = CommandSpec("approval_link.make", "approvals:decide")
APPROVAL_LINK_REVOKE = CommandSpec("approval_link.revoke", "approvals:manage")

TOTP_ENROL = CommandSpec("totp.enrol", "approvals:decide")
TOTP_CONFIRM = CommandSpec("totp.confirm", "approvals:decide")
TOTP_REMOVE = CommandSpec("totp.remove", "approvals:decide")
TOTP_RESET = CommandSpec("totp.reset", "totp:reset")

RETENTION_SET = CommandSpec("retention.set", "tenants:manage")
RETENTION_REMOVE = CommandSpec("retention.remove", "tenants:manage")

CALENDAR_CREATE = CommandSpec("calendar.create", "tenants:manage")
CALENDAR_CHANGE = CommandSpec("calendar.change", "tenants:manage")

DELEGATION_GIVE = CommandSpec("delegation.give", "approvals:manage")
DELEGATION_END = CommandSpec("delegation.end", "approvals:manage")

LIMIT_SET = CommandSpec("limit.set", "executions:control")
LIMIT_REMOVE = CommandSpec("limit.remove", "executions:control")

NOTIFICATION_ENDPOINT_CREATE = CommandSpec("notification_endpoint.create", "notifications:manage")
NOTIFICATION_ENDPOINT_CHANGE = CommandSpec("notification_endpoint.change", "notifications:manage")
NOTIFICATION_ENDPOINT_DISABLE = CommandSpec("notification_endpoint.disable", "notifications:manage")
NOTIFICATION_ENDPOINT_ENABLE = CommandSpec("notification_endpoint.enable", "notifications:manage")
NOTIFICATION_ENDPOINT_REWIND = CommandSpec("notification_endpoint.rewind", "notifications:manage")
NOTIFICATION_ENDPOINT_ROTATE = CommandSpec("notification_endpoint.rotate", "notifications:manage")
NOTIFICATION_ENDPOINT_DELETE = CommandSpec("notification_endpoint.delete", "notifications:manage")
NOTIFICATION_ENDPOINT_TEST = CommandSpec("notification_endpoint.test", "notifications:manage")
NOTIFICATION_ENDPOINT_REPLAY = CommandSpec("notification_endpoint.replay", "notifications:manage")
NOTIFICATION_PREFERENCES_CHANGE = CommandSpec("notification_preferences.change", "notifications:manage")
NOTIFICATION_DELIVERY_RETRY = CommandSpec("notification_delivery.retry", "notifications:manage")

AI_TASK_REQUEST = CommandSpec("ai_task.request", "ai_tasks:run")
AI_TASK_REPORT = CommandSpec("ai_task.report", "ai_tasks:run")
AI_TASK_CANCEL = CommandSpec("ai_task.cancel", "ai_tasks:control")
AI_TASK_RETRY = CommandSpec("ai_task.retry", "ai_tasks:control")

PROMPT_DRAFT = CommandSpec("prompt.draft", "prompts:write")
PROMPT_PUBLISH = CommandSpec("prompt.publish", "prompts:publish")
PROMPT_ROLL_BACK = CommandSpec("prompt.roll_back", "prompts:publish")
PROMPT_ARCHIVE = CommandSpec("prompt.archive", "prompts:publish")
PROMPT_RESTORE = CommandSpec("prompt.restore", "prompts:publish")
PROMPT_RENDER = CommandSpec("prompt.render", "prompts:read")

EVALUATION_START = CommandSpec("evaluation.start", "ai_tasks:run")
EVALUATION_RUN = CommandSpec("evaluation.run", "ai_tasks:run")
EVALUATION_CANCEL = CommandSpec("evaluation.cancel", "ai_tasks:run")
AI_PROVIDER_SET = CommandSpec("ai_provider.set", "ai_models:manage")
AI_PROVIDER_REMOVE = CommandSpec("ai_provider.remove", "ai_models:manage")
AI_MODEL_SET = CommandSpec("ai_model.set", "ai_models:manage")
AI_MODEL_REMOVE = CommandSpec("ai_model.remove", "ai_models:manage")

BUDGET_SET = CommandSpec("budget.set", "budgets:manage")
BUDGET_REMOVE = CommandSpec("budget.remove", "budgets:manage")

QUERY_RUN = CommandSpec("query.run", "query:run")

JOB_ENQUEUE = CommandSpec("job.enqueue", "jobs:enqueue")
JOB_CANCEL = CommandSpec("job.cancel", "jobs:control")
JOB_RETRY = CommandSpec("job.retry", "jobs:control")
JOB_LEASE = CommandSpec("job.lease", "jobs:work")
JOB_HEARTBEAT = CommandSpec("job.heartbeat", "jobs:work")
JOB_RELEASE = CommandSpec("job.release", "jobs:work")
JOB_COMPLETE = CommandSpec("job.complete", "jobs:work")
JOB_FAIL = CommandSpec("job.fail", "jobs:work")
JOB_REVIVE = CommandSpec("job.revive", "executions:control")

COMMANDS = tuple(each for each in vars().values() if isinstance(each, CommandSpec))
