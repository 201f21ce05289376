ALTER TABLE projections.execution_attributes DROP COLUMN search_key;
ALTER TABLE projections.execution_attributes NO FORCE ROW LEVEL SECURITY;
UPDATE projections.execution_attributes SET value = left(value, 255) WHERE length(value) > 255;
ALTER TABLE projections.execution_attributes FORCE ROW LEVEL SECURITY;
CREATE INDEX execution_attributes_by_value
    ON projections.execution_attributes (tenant_id, name, value, created_at, execution_id);
COMMENT ON COLUMN projections.execution_attributes.value IS
    'The value: text as it is, everything else as JSON; the first 255 characters.';
