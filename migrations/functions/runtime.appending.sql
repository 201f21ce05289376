-- The login counts, not the role of the moment: for gesta_api no function of the owner's can be made to read, and whoever is
-- gesta_owner, or may become it, sees no more than before.
CREATE OR REPLACE FUNCTION runtime.appending() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN pg_has_role(session_user, 'gesta_system', 'MEMBER') AND NOT pg_has_role(session_user, 'gesta_owner', 'MEMBER');
COMMENT ON FUNCTION runtime.appending IS
    'Whether this session''s login may append: gesta_system or a member of it, and not the owner. Policies for append ask it.';
