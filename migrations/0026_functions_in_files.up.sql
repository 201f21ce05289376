-- Functions are written once, in migrations/functions, and applied after the numbered migrations when their text has changed. What was
-- applied is kept, each text of it: a rollback finds there what was before, a comparison what should be.
CREATE TABLE gesta_meta.functions (
    number     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text        NOT NULL,
    version    integer     NOT NULL,
    checksum   text,
    definition text,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE gesta_meta.functions IS 'The functions that this database was given, every text of each. The last one of a name is in force.';
COMMENT ON COLUMN gesta_meta.functions.number IS 'Counts them in the order in which they were applied.';
COMMENT ON COLUMN gesta_meta.functions.name IS 'schema.name, as the file in migrations/functions is called.';
COMMENT ON COLUMN gesta_meta.functions.version IS 'The last migration that was applied by then.';
COMMENT ON COLUMN gesta_meta.functions.checksum IS 'SHA-256 of the file, in hexadecimal; NULL: made by a numbered migration, or dropped.';
COMMENT ON COLUMN gesta_meta.functions.definition IS 'The SQL that makes it, with its comment and grants; NULL: a migration dropped it.';
COMMENT ON COLUMN gesta_meta.functions.applied_at IS 'When.';
GRANT SELECT ON gesta_meta.functions TO gesta_system;

-- Those that the migrations before this one have made, as they are.
INSERT INTO gesta_meta.functions (name, version, definition)
    SELECT p.pronamespace::regnamespace::text || '.' || p.proname,
           (SELECT max(version) FROM gesta_meta.migrations),
           pg_get_functiondef(p.oid) || E';\n'
               || coalesce(format(E'COMMENT ON FUNCTION %s IS %L;\n', p.oid::regprocedure, obj_description(p.oid, 'pg_proc')), '')
               || coalesce((SELECT string_agg(format(E'GRANT EXECUTE ON FUNCTION %s TO %I;\n', p.oid::regprocedure, a.grantee::regrole), '')
                              FROM aclexplode(p.proacl) a WHERE a.grantee NOT IN (0, p.proowner)), '')
      FROM pg_proc p
     WHERE p.pronamespace IN ('ledger'::regnamespace, 'runtime'::regnamespace)
     ORDER BY 1;
