"""By which permission each projected table is read over HTTP: that of the route that shows the same resource."""

from collections.abc import Mapping

_OF = {
    "ai_models:read": "ai_providers ai_models",
    "ai_tasks:read": "ai_agent_tasks ai_agent_attempts ai_agent_turns ai_agent_tool_calls evaluations evaluation_results",
    "api_keys:manage": "api_keys",
    "approvals:read": "approval_requests approval_steps approval_assignees approval_decisions approval_links approval_comments "
    "approval_watchers approval_versions delegations",
    "audit:read": "audit_logs analysts archived_rows",
    "budgets:read": "budgets budget_periods",
    "executions:read": "workflow_executions node_activations execution_attributes execution_labels execution_items "
    "execution_waits bulk_operations archived_executions",
    "jobs:read": "jobs",
    "notifications:read": "notification_endpoints notification_deliveries notification_attempts",
    "prompts:read": "prompts prompt_versions",
    "secrets:read": "secrets",
    "tenants:read": "tenants retention_policies",
    "users:read": "users permissions tenant_users tenant_user_roles roles role_permissions invitations",
    "workflows:read": "workflows workflow_versions workflow_triggers trigger_runs calendars",
}
PERMISSIONS: Mapping[str, str] = {table: permission for permission, tables in _OF.items() for table in tables.split()}
