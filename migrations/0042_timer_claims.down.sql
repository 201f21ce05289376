DROP FUNCTION IF EXISTS runtime.claim_timers;
DROP FUNCTION IF EXISTS runtime.seconds_to_timer;
ALTER TABLE runtime.timers RESET (fillfactor);
ALTER TABLE runtime.timers DROP COLUMN claimed_until;
