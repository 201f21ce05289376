-- The login counts, not the role of the moment, so that no function of the owner's can be made to read for its caller.
CREATE OR REPLACE FUNCTION runtime.backing_up() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN coalesce(current_setting('gesta.backup', true), '') = 'on' AND pg_has_role(session_user, 'gesta_owner', 'MEMBER');
COMMENT ON FUNCTION runtime.backing_up IS
    'Whether this session is a backup (gesta.backup = on) by a login that is gesta_owner or may become it. Policies for backups ask it.';
