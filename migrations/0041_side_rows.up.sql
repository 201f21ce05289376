-- What a command brings beside its events goes to the ledger as rows: an array of one of these types for each kind (ledger.append_rows).
-- A type never changes: processes of the release before send it. A new field is a new type, and a new function that takes it.
CREATE TYPE ledger.claim_row AS (cmd int, scope text, name text, owner uuid);
COMMENT ON TYPE ledger.claim_row IS 'A name that a command claims or releases, and the stream that holds it.';
CREATE TYPE ledger.fence_row AS (cmd int, job uuid, token bigint, lapsed boolean, becomes text, delay bigint, error bytea);
COMMENT ON TYPE ledger.fence_row IS 'A lease that a command goes by, and what becomes of its job. The delay is microseconds.';
CREATE TYPE ledger.job_row AS (
    cmd int, id uuid, type text, execution uuid, activation uuid, task uuid, max_attempts int,
    delay bigint, held boolean, priority int, limits jsonb, input bytea
);
COMMENT ON TYPE ledger.job_row IS 'A job that a command makes. The delay is microseconds.';
CREATE TYPE ledger.timer_row AS (
    cmd int, id uuid, kind text, delay bigint, moment timestamptz, held boolean, execution uuid, activation uuid,
    owner_kind text, owner uuid
);
COMMENT ON TYPE ledger.timer_row IS 'A timer that a command sets: at a moment, or after a delay of microseconds.';
CREATE TYPE ledger.dropped_row AS (cmd int, id uuid);
COMMENT ON TYPE ledger.dropped_row IS 'A job or timer that a command drops.';
