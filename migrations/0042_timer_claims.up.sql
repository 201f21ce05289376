-- Who fires a timer claims it for some seconds, so that several processes take disjoint parts of what is due. Processes of the release
-- before claim nothing and pass over no claim: what they fire besides is done twice, and counts once, as before.
ALTER TABLE runtime.timers ADD COLUMN claimed_until timestamptz;
COMMENT ON COLUMN runtime.timers.claimed_until IS 'Until then it is left to the process that is firing it. Whoever fails gives it back, whoever dies loses it by then.';
-- A claim finds room on its page, and no index has to know of it.
ALTER TABLE runtime.timers SET (fillfactor = 85);
