REVOKE SELECT (tenant_id, epoch) ON ledger.heads FROM gesta_api;
REVOKE SELECT (tenant_id, position) ON ledger.events FROM gesta_api;
REVOKE SELECT (tenant_id, id, type, state, attempt, max_attempts, priority, execution_id, activation_id, task_id, input, error,
               created_at, updated_at) ON runtime.jobs FROM gesta_api;
GRANT SELECT ON ledger.heads, ledger.events, runtime.jobs TO gesta_api;
