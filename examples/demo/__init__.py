"""The whole in two minutes: people, a workflow, approvals, a crash, the tables, the audit trail and a replay that matches."""
