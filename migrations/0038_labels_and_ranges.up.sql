-- Executions have labels; search attributes are found by ranges of numbers and moments.
ALTER TABLE projections.workflow_executions ADD COLUMN labels jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN projections.workflow_executions.labels IS 'Texts by key, as its starter or others gave them.';

CREATE TABLE projections.execution_labels (
    tenant_id            uuid NOT NULL,
    execution_id         uuid NOT NULL,
    key                  text NOT NULL,
    value                text NOT NULL,
    execution_created_at timestamptz NOT NULL,
    version              bigint NOT NULL,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, execution_id, key, value),
    FOREIGN KEY (tenant_id, execution_id) REFERENCES projections.workflow_executions (tenant_id, id)
);
CREATE INDEX execution_labels_by_value
    ON projections.execution_labels (tenant_id, key, value, execution_created_at, execution_id);
COMMENT ON TABLE projections.execution_labels IS 'Labels of executions, one row each.';
COMMENT ON COLUMN projections.execution_labels.tenant_id IS 'The tenant it belongs to.';
COMMENT ON COLUMN projections.execution_labels.execution_id IS 'The execution.';
COMMENT ON COLUMN projections.execution_labels.key IS 'The label''s key.';
COMMENT ON COLUMN projections.execution_labels.value IS 'Its value.';
COMMENT ON COLUMN projections.execution_labels.execution_created_at IS 'When the execution was started.';
COMMENT ON COLUMN projections.execution_labels.version IS 'Version of the stream whose event touched this row last.';
COMMENT ON COLUMN projections.execution_labels.created_at IS 'When the row''s first event was recorded.';
COMMENT ON COLUMN projections.execution_labels.updated_at IS 'When the row''s last event was recorded.';
ALTER TABLE projections.execution_labels ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY execution_labels_system ON projections.execution_labels TO gesta_system USING (true) WITH CHECK (true);
CREATE POLICY execution_labels_api ON projections.execution_labels FOR SELECT TO gesta_api
    USING (tenant_id = (SELECT runtime.current_tenant()));
CREATE POLICY backup ON projections.execution_labels FOR SELECT TO gesta_owner USING ((SELECT runtime.backing_up()));
GRANT SELECT, INSERT, UPDATE, DELETE ON projections.execution_labels TO gesta_system;
GRANT SELECT ON projections.execution_labels TO gesta_api;

-- Comparisons of numeric are not leakproof, so under row-level security no index serves them; those of double precision are.
ALTER TABLE projections.execution_attributes ADD COLUMN number_order double precision, ADD COLUMN value_moment timestamptz;
COMMENT ON COLUMN projections.execution_attributes.number_order IS
    'About the same, which an index can order: ranges of numbers begin with it.';
COMMENT ON COLUMN projections.execution_attributes.value_moment IS
    'The moment that the value names, where it is RFC 3339, or a date.';

ALTER TABLE projections.execution_attributes NO FORCE ROW LEVEL SECURITY;
UPDATE projections.execution_attributes SET number_order = value_number::double precision WHERE kind = 'number';
DO $$
DECLARE
    one   record;
    parts text[];
BEGIN
    FOR one IN SELECT tenant_id, execution_id, name, value FROM projections.execution_attributes
                WHERE kind = 'text' AND value ~ '^[1-9][0-9]{3}-[01][0-9]-[0-3][0-9]' AND value COLLATE "C" < '9999' LOOP
        parts := regexp_match(one.value,
            '^([1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))(?:[Tt ]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])'
            '(\.[0-9]{1,6})?[0-9]*([Zz]|[+-](?:0[0-9]|1[0-4]):[0-5][0-9]))?$');
        CONTINUE WHEN parts IS NULL;
        BEGIN
            UPDATE projections.execution_attributes
               SET value_moment = (parts[1] || 'T' || coalesce(parts[2], '00:00:00') || coalesce(parts[3], '')
                                   || coalesce(upper(parts[4]), 'Z'))::timestamptz
             WHERE tenant_id = one.tenant_id AND execution_id = one.execution_id AND name = one.name;
        EXCEPTION WHEN datetime_field_overflow THEN
            NULL;  -- no such day
        END;
    END LOOP;
END
$$;
ALTER TABLE projections.execution_attributes FORCE ROW LEVEL SECURITY;
CREATE INDEX execution_attributes_by_number
    ON projections.execution_attributes (tenant_id, name, number_order, execution_id) WHERE number_order IS NOT NULL;
CREATE INDEX execution_attributes_by_moment
    ON projections.execution_attributes (tenant_id, name, value_moment, execution_id) WHERE value_moment IS NOT NULL;
