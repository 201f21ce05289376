-- Search attributes are found by a key of their own, so that numbers are compared as numbers; values are no longer cut.
ALTER TABLE projections.execution_attributes ADD COLUMN search_key text NOT NULL DEFAULT '';
DROP INDEX projections.execution_attributes_by_value;
COMMENT ON COLUMN projections.execution_attributes.value IS 'The value: text as it is, everything else as JSON.';
COMMENT ON COLUMN projections.execution_attributes.search_key IS
    'What a search by `value` begins with: its first 400 characters; what reads as a number, without exponent and zeros.';

-- What was cut is in the events; the owner is bound by row-level security, too.
ALTER TABLE projections.execution_attributes NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.events NO FORCE ROW LEVEL SECURITY;
UPDATE projections.execution_attributes a
   SET value = convert_from(e.data, 'UTF8')::json -> 'attributes' ->> a.name
  FROM ledger.events e
 WHERE a.kind IN ('text', 'number') AND length(a.value) = 255 AND substr(e.data, 1, 1) = '{'
   AND e.tenant_id = a.tenant_id AND e.stream_id = a.execution_id AND e.version = 1;
ALTER TABLE ledger.events FORCE ROW LEVEL SECURITY;
UPDATE projections.execution_attributes
   SET search_key = left(CASE WHEN value ~ '^-?(0|[1-9][0-9]{0,63})(\.[0-9]{1,63})?([eE][+-]?[0-9]{1,3})?$'
                              THEN trim_scale(value::numeric)::text ELSE value END, 400);
ALTER TABLE projections.execution_attributes FORCE ROW LEVEL SECURITY;
-- The default stays: a projector of the release before goes on writing rows without the column.

CREATE INDEX execution_attributes_by_key
    ON projections.execution_attributes (tenant_id, name, search_key, created_at, execution_id);
