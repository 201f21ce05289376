"""What AI tasks use, cost and come to."""

from projections.table import Column
from projections.view import WITHOUT_ARCHIVE, View

PROMPT_VERSION_OUTCOMES = View(
    name="prompt_version_outcomes",
    meaning="What became of the AI tasks of each version of a prompt, by the currency that they cost." + WITHOUT_ARCHIVE,
    columns={
        "prompt_id": Column("uuid", "The prompt."),
        "prompt_key": Column("text", "Its key."),
        "prompt_version": Column("integer", "The version."),
        "is_current": Column("boolean", "Whether it is the current one."),
        "published_at": Column("timestamptz", "When it was published."),
        "currency": Column("text", "Of the cost: a row for each; null of tasks of which no cost is known."),
        "tasks": Column("bigint", "How many tasks were given this version."),
        "completed": Column("bigint", "Of these, completed."),
        "failed": Column("bigint", "Of these, failed."),
        "cancelled": Column("bigint", "Of these, cancelled."),
        "rejected_in_review": Column("bigint", "Of these, those whose output people sent back at least once."),
        "attempts": Column("bigint", "Calls of models that ended."),
        "average_latency_ms": Column("bigint", "How long the last call of a task took, on average, in milliseconds."),
        "median_duration_ms": Column(
            "bigint", "From when a task was asked for to its end: half of them took no longer, in milliseconds."
        ),
        "input_tokens": Column("bigint", "Tokens sent, as far as known."),
        "output_tokens": Column("bigint", "Tokens received, as far as known."),
        "cost": Column("numeric", "What they cost, as far as known, in this currency."),
        "first_created_at": Column("timestamptz", "When the first of them was recorded."),
        "last_created_at": Column("timestamptz", "When the last of them was."),
    },
)

BUDGET_USE = View(
    name="budget_use",
    meaning="What AI tasks have used of their budgets, a row for each budget, subject and period.",
    columns={
        "budget": Column("text", "The budget's key."),
        "status": Column("text", "active or removed."),
        "scope": Column("text", "What the budget is of: tenant, workflow, prompt, execution or task."),
        "subject": Column(
            "text", "Whose use it is: a workflow's or prompt's key, an execution's or task's id; empty: the tenant's."
        ),
        "period": Column("text", "day, month or total."),
        "starts_at": Column("timestamptz", "When the period began; null: it counts for ever."),
        "ends_at": Column("timestamptz", "When it ends; null: never."),
        "running": Column("boolean", "Whether it runs still."),
        "currency": Column("text", "Of the costs."),
        "limit_cost": Column("numeric", "How much may be spent."),
        "used_cost": Column("numeric", "How much was spent."),
        "reserved_cost": Column("numeric", "How much is put aside for calls under way."),
        "left_cost": Column("numeric", "How much is left."),
        "limit_tokens": Column("bigint", "How many tokens may be used."),
        "used_tokens": Column("bigint", "How many were used."),
        "reserved_tokens": Column("bigint", "How many are put aside for calls under way."),
        "left_tokens": Column("bigint", "How many are left."),
        "limit_calls": Column("bigint", "How many calls of models may be made."),
        "used_calls": Column("bigint", "How many were made."),
        "reserved_calls": Column("bigint", "How many are under way."),
        "left_calls": Column("bigint", "How many are left."),
        "limit_tool_calls": Column("bigint", "How many calls of tools may be made."),
        "used_tool_calls": Column("bigint", "How many were made."),
        "reserved_tool_calls": Column("bigint", "How many are under way."),
        "left_tool_calls": Column("bigint", "How many are left."),
        "highest_share": Column("numeric", "Of its limits, the share that is used or put aside where that is highest: 1 is all."),
        "refuses": Column("boolean", "Whether calls beyond a limit are refused."),
        "warned_at": Column("timestamptz", "When it was warned of."),
        "exhausted_at": Column("timestamptz", "When a call first went beyond a limit, or was refused."),
    },
)

AI_SPEND = View(
    name="ai_spend",
    meaning="What calls of models used and cost: by day (UTC), workflow, node, prompt, provider, model and currency."
    + WITHOUT_ARCHIVE,
    columns={
        "day": Column("date", "The day on which the calls began, UTC."),
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "prompt_key": Column("text", "The prompt, where the tasks were pinned to one."),
        "prompt_version": Column("integer", "Its version."),
        "provider": Column("text", "Who was asked."),
        "model": Column("text", "The model, by its own name once it answered."),
        "currency": Column("text", "Of the cost: a row for each; null of calls of which no cost is known."),
        "calls": Column("bigint", "Calls of models, failed ones too."),
        "failed": Column("bigint", "Of these, failed."),
        "from_cache": Column("bigint", "Of these, answered from the cache, without a provider."),
        "input_tokens": Column("bigint", "Tokens sent, as far as known."),
        "output_tokens": Column("bigint", "Tokens received, as far as known."),
        "cost": Column("numeric", "What they cost, as far as known, in this currency."),
        "unpriced": Column("bigint", "Calls that ended of which no cost is known."),
        "average_latency_ms": Column("bigint", "How long a call took, on average, in milliseconds."),
    },
)

AI_FAILURES = View(
    name="ai_failures",
    meaning="Why AI tasks failed: by workflow, node, model and type of error." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "model": Column("text", "The model, as it was asked for."),
        "error_type": Column("text", "The type of the error: rate_limit, invalid_output, budget_exceeded, too_many_turns …"),
        "tasks": Column("bigint", "How many tasks failed so."),
        "first_at": Column("timestamptz", "When the first of them did."),
        "last_at": Column("timestamptz", "When the last of them did."),
        "last_message": Column("text", "What its error said."),
        "last_task_id": Column("uuid", "That task."),
    },
)

AI_OUTCOMES = View(
    name="ai_outcomes",
    meaning="What AI tasks came to, and what that took: by workflow, node, model, status and currency." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "model": Column("text", "The model, as it was asked for."),
        "status": Column("text", "pending, running, waiting, completed, failed or cancelled."),
        "currency": Column("text", "Of the cost: a row for each; null of tasks of which no cost is known."),
        "tasks": Column("bigint", "How many tasks there are."),
        "average_turns": Column("numeric(20,2)", "Answers of models for each of them."),
        "average_tool_calls": Column("numeric(20,2)", "Calls of tools for each of them."),
        "average_tokens": Column("numeric(20,2)", "Tokens sent and received for each of which they are known."),
        "tokens": Column("bigint", "Tokens sent and received, as far as known."),
        "cost": Column("numeric", "What they cost, as far as known, in this currency."),
        "average_cost": Column("numeric(20,10)", "For each of which it is known."),
        "median_duration_ms": Column(
            "bigint", "From when a task was asked for to its end: half of them took no longer, in milliseconds."
        ),
        "further_attempts": Column("bigint", "Calls of models beyond the first of each task."),
    },
)

AI_TOOL_USE = View(
    name="ai_tool_use",
    meaning="What became of the calls of tools that models asked for: by workflow, node and tool." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "tool": Column("text", "The tool's name, also where there is none of it."),
        "calls": Column("bigint", "Calls that models asked for."),
        "made": Column("bigint", "Of these, those that were made."),
        "succeeded": Column("bigint", "Of these, those that succeeded."),
        "failed": Column("bigint", "Of these, those that failed."),
        "denied": Column("bigint", "Calls that were denied."),
        "denied_by_rule": Column("bigint", "Of these, by the list of tools, a policy, a schema or a guard."),
        "denied_by_people": Column("bigint", "Of these, by people, or because nobody answered in time."),
        "asked": Column("bigint", "Calls of which people were asked."),
        "edited": Column("bigint", "Calls that were made with arguments that a person had edited."),
        "denial_rate": Column("numeric", "Denied of all, from 0 to 1."),
        "median_latency_ms": Column("bigint", "Half of the calls took no longer, in milliseconds."),
        "last_at": Column("timestamptz", "When anything happened to one last."),
    },
)

AI_REVIEWS = View(
    name="ai_reviews",
    meaning="What people said of the outputs of AI tasks: by workflow, node, model and prompt." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "model": Column("text", "The model, as it was asked for."),
        "prompt_key": Column("text", "The prompt, where the tasks were pinned to one."),
        "prompt_version": Column("integer", "Its version."),
        "tasks": Column("bigint", "Tasks that were completed or failed."),
        "reviewed": Column("bigint", "Of these, those whose output people looked at."),
        "approved": Column("bigint", "Of these, approved as they were in the end."),
        "edited": Column("bigint", "Of these, approved as a person had edited them."),
        "refused": Column("bigint", "Of these, never approved."),
        "sent_back": Column("bigint", "Tasks whose output was sent back at least once."),
        "times_sent_back": Column("bigint", "How often that was."),
        "right_at_once": Column("numeric", "Approved at once and unchanged of all that were looked at, from 0 to 1."),
    },
)

TOOL_DENIALS = View(
    name="tool_denials",
    meaning="Why calls of tools that models asked for were not made: by workflow, node, tool and reason." + WITHOUT_ARCHIVE,
    columns={
        "workflow_key": Column("text", "The workflow that asked; null: none did."),
        "node_id": Column("text", "Its node."),
        "tool": Column("text", "The tool's name, also where there is none of it."),
        "reason": Column(
            "text",
            "not_allowed, policy, malformed, guard, repetition, too_many, budget, rejected, expired or cancelled.",
        ),
        "denied_by": Column(
            "text", "rules, limits, or people: also where nobody answered in time, or it was not asked any more."
        ),
        "calls": Column("bigint", "How many calls."),
        "tasks": Column("bigint", "Of how many AI tasks."),
        "first_at": Column("timestamptz", "When the first was denied."),
        "last_at": Column("timestamptz", "When the last was."),
        "last_message": Column("text", "What the model was told then."),
        "last_task_id": Column("uuid", "That task."),
    },
)

VIEWS = (PROMPT_VERSION_OUTCOMES, BUDGET_USE, AI_SPEND, AI_FAILURES, AI_OUTCOMES, AI_TOOL_USE, AI_REVIEWS, TOOL_DENIALS)
