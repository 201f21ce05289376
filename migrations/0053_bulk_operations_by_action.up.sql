-- Bulk operations of one action are found without going through the others.
CREATE INDEX bulk_operations_by_action ON projections.bulk_operations (tenant_id, action, created_at, id);
