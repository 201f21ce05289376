-- Whoever has the API's login can work for any tenant, the platform among them: it sees what the API needs and nothing besides. Of the
-- ledger that is how far it reaches; what happened is read as gesta_system. Hashes of keys and the platform's own events are then
-- nowhere that it could look. Columns are granted one by one: new ones are hidden until somebody says otherwise.
REVOKE SELECT ON ledger.heads, ledger.events, runtime.jobs FROM gesta_api;
GRANT SELECT (tenant_id, epoch) ON ledger.heads TO gesta_api;
GRANT SELECT (tenant_id, position) ON ledger.events TO gesta_api;
GRANT SELECT (tenant_id, id, type, state, attempt, max_attempts, priority, execution_id, activation_id, task_id, input, error,
              created_at, updated_at) ON runtime.jobs TO gesta_api;
