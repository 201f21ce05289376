DROP VIEW projections.ai_reviews;
DROP VIEW projections.ai_tool_use;
DROP VIEW projections.ai_outcomes;
DROP VIEW projections.ai_failures;
DROP VIEW projections.ai_spend;
DROP INDEX projections.ai_agent_tasks_by_workflow;
