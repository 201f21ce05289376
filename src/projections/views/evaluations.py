"""Evaluations, their variants side by side."""

from projections.table import Column
from projections.view import View

EVALUATION_VARIANTS = View(
    name="evaluation_variants",
    meaning="The variants of each evaluation side by side: how many runs passed, what they cost, and how long they took.",
    columns={
        "evaluation_id": Column("uuid", "The evaluation."),
        "evaluation": Column("text", "Its name."),
        "variant": Column("text", "The variant."),
        "runs": Column("bigint", "How many of its runs are recorded."),
        "passed": Column("bigint", "How many of these passed every check."),
        "failed": Column("bigint", "How many did not."),
        "unjudged": Column("bigint", "Of how many a judge gave no verdict."),
        "pass_rate": Column("numeric", "The share that passed."),
        "currency": Column("text", "Of the costs; null where they are in several, and then they are not added up."),
        "cost": Column("numeric", "What the runs cost as far as that is known, without the judges."),
        "mean_cost": Column("numeric", "The same for each run."),
        "unpriced": Column("bigint", "Calls of models whose cost is not in it."),
        "judge_cost": Column("numeric", "What the judges cost, as far as that is known, in currency."),
        "input_tokens": Column("bigint", "Tokens that models were given."),
        "output_tokens": Column("bigint", "Tokens that they answered with."),
        "median_latency_ms": Column("bigint", "How long the models of a run took: half of the runs took no longer."),
        "p95_latency_ms": Column("bigint", "95 of a hundred runs took no longer."),
    },
)

VIEWS = (EVALUATION_VARIANTS,)
