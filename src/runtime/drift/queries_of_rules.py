# ruff: noqa: E501  a fact is a row of nine columns; broken into short lines, nobody would see which is which
"""The other half of ``queries``, in the same columns: what binds tables and functions. Constraints, triggers, policies, rights."""

FUNCTIONS = """
WITH f AS (
    SELECT p.oid, p.pronamespace, p.oid::regprocedure::text AS name, p.prokind,
           concat_ws(' returns ', format('(%%s)', pg_get_function_arguments(p.oid)), pg_get_function_result(p.oid)) AS signature,
           CASE WHEN p.prokind = 'a' THEN (SELECT to_jsonb(a) - 'aggfnoid' FROM pg_aggregate a WHERE a.aggfnoid = p.oid)::text
                ELSE pg_get_functiondef(p.oid) END AS body
      FROM pg_proc p WHERE p.pronamespace = ANY (%(scope)s) AND p.oid <> ALL (%(skipped)s)
)
SELECT 'function', name, signature, CASE WHEN prokind <> 'a' THEN rtrim(body, E' \n') END, NULL, format('DROP ROUTINE %%s', name),
       format('pg_proc/%%s/0', oid), format('pg_namespace/%%s/0', pronamespace), oid::int8 FROM f
UNION ALL
SELECT 'function body', name, body, CASE WHEN prokind <> 'a' THEN rtrim(body, E' \n') END, NULL, NULL, NULL, format('pg_proc/%%s/0', oid), oid::int8 FROM f
"""

# Not-null constraints, which newer servers list here as well, are facts of their columns.
CONSTRAINTS = """
SELECT CASE contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END, format('%%I on %%s', conname, conrelid::regclass), pg_get_constraintdef(oid),
       format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid)), NULL,
       format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
       format('pg_constraint/%%s/0', oid), format('pg_class/%%s/0', conrelid), oid::int8
  FROM pg_constraint
 WHERE connamespace = ANY (%(scope)s) AND conrelid <> 0 AND contype IN ('c', 'p', 'u', 'f', 'x') AND conrelid <> ALL (%(skipped)s)
"""

# DISABLE TRIGGER ALL stops the triggers that check foreign keys: then the constraint is words.
ENFORCEMENT = """
SELECT 'foreign key enforcement', format('%%I on %%s', c.conname, c.conrelid::regclass), 'disabled', NULL, NULL, NULL, NULL,
       format('pg_constraint/%%s/0', c.oid), c.oid::int8
  FROM pg_constraint c
 WHERE c.connamespace = ANY (%(scope)s) AND c.contype = 'f'
   AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgisinternal AND t.tgenabled <> 'O')
"""

INDEXES = """
SELECT 'index', i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END,
       pg_get_indexdef(i.indexrelid), NULL, format('DROP INDEX %%s', i.indexrelid::regclass),
       format('pg_class/%%s/0', i.indexrelid), format('pg_class/%%s/0', i.indrelid), i.indexrelid::int8
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = ANY (%(scope)s) AND i.indrelid <> ALL (%(skipped)s)
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
"""

STATISTICS = """
SELECT 'statistics', format('%%I.%%I', n.nspname, s.stxname), pg_get_statisticsobjdef(s.oid), pg_get_statisticsobjdef(s.oid), NULL,
       format('DROP STATISTICS %%I.%%I', n.nspname, s.stxname), format('pg_statistic_ext/%%s/0', s.oid), format('pg_class/%%s/0', s.stxrelid), s.oid::int8
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace WHERE n.oid = ANY (%(scope)s)
"""

RULES = """
SELECT 'rule', format('%%I on %%s', r.rulename, r.ev_class::regclass), pg_get_ruledef(r.oid), rtrim(pg_get_ruledef(r.oid), ';'), NULL,
       format('DROP RULE %%I ON %%s', r.rulename, r.ev_class::regclass), format('pg_rewrite/%%s/0', r.oid), format('pg_class/%%s/0', r.ev_class), r.oid::int8
  FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
 WHERE c.relnamespace = ANY (%(scope)s) AND r.rulename <> '_RETURN' AND c.oid <> ALL (%(skipped)s)
"""

TRIGGERS = """
WITH t AS (
    SELECT t.oid, t.tgname AS name, t.tgrelid AS rel, t.tgrelid::regclass AS tab, t.tgenabled, pg_get_triggerdef(t.oid) AS words
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
     WHERE c.relnamespace = ANY (%(scope)s) AND NOT t.tgisinternal AND c.oid <> ALL (%(skipped)s)
)
SELECT 'trigger', format('%%I on %%s', name, tab), words, words, NULL, format('DROP TRIGGER %%I ON %%s', name, tab),
       format('pg_trigger/%%s/0', oid), format('pg_class/%%s/0', rel), oid::int8 FROM t
UNION ALL
SELECT 'trigger state', format('%%I on %%s', name, tab), s.words, format('ALTER TABLE %%s %%s TRIGGER %%I', tab, s.verb, name), NULL,
       format('ALTER TABLE %%s ENABLE TRIGGER %%I', tab, name), NULL, format('pg_trigger/%%s/0', oid), oid::int8
  FROM t JOIN (VALUES ('D'::"char", 'disabled', 'DISABLE'), ('R', 'on replicas only', 'ENABLE REPLICA'), ('A', 'always', 'ENABLE ALWAYS'))
              AS s (state, words, verb) ON s.state = t.tgenabled
"""

POLICIES = """
WITH p AS (
    SELECT p.oid, p.polrelid, format('%%I', p.polname) AS name, p.polrelid::regclass AS tab,
           concat_ws(' ', CASE WHEN p.polpermissive THEN 'AS PERMISSIVE' ELSE 'AS RESTRICTIVE' END,
               'FOR ' || CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               'TO ' || (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ' ORDER BY pg_get_userbyid(r))
                           FROM unnest(p.polroles) r),
               'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
               'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') AS words
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE c.relnamespace = ANY (%(scope)s)
)
SELECT 'policy', format('%%s on %%s', name, tab), words, format('CREATE POLICY %%s ON %%s %%s', name, tab, words), NULL,
       format('DROP POLICY %%s ON %%s', name, tab), format('pg_policy/%%s/0', oid), format('pg_class/%%s/0', polrelid), oid::int8 FROM p
"""

ROW_LEVEL_SECURITY = """
SELECT 'row-level security', c.oid::regclass::text, 'on', format('ALTER TABLE %%s ENABLE ROW LEVEL SECURITY', c.oid::regclass), NULL,
       format('ALTER TABLE %%s DISABLE ROW LEVEL SECURITY', c.oid::regclass), NULL, format('pg_class/%%s/0', c.oid), c.oid::int8
  FROM pg_class c WHERE c.relnamespace = ANY (%(scope)s) AND c.relrowsecurity
UNION ALL
SELECT 'forced row-level security', c.oid::regclass::text, 'on', format('ALTER TABLE %%s FORCE ROW LEVEL SECURITY', c.oid::regclass), NULL,
       format('ALTER TABLE %%s NO FORCE ROW LEVEL SECURITY', c.oid::regclass), NULL, format('pg_class/%%s/0', c.oid), c.oid::int8
  FROM pg_class c WHERE c.relnamespace = ANY (%(scope)s) AND c.relforcerowsecurity
"""

# NULL stands for what an object of its kind is given at its making; so it is written out, and the two compare as they work.
GRANTS = """
WITH entry AS (
    SELECT format('pg_class/%%s/0', c.oid) AS address, format('%%s%%s', CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END, c.oid::regclass) AS target,
           '' AS col, aclexplode(coalesce(c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))) AS acl
      FROM pg_class c WHERE c.relnamespace = ANY (%(scope)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.oid <> ALL (%(skipped)s)
    UNION ALL
    SELECT format('pg_class/%%s/%%s', c.oid, a.attnum), c.oid::regclass::text, format(' (%%I)', a.attname), aclexplode(a.attacl)
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attacl IS NOT NULL AND NOT a.attisdropped
     WHERE c.relnamespace = ANY (%(scope)s)  AND c.oid <> ALL (%(skipped)s)
    UNION ALL
    SELECT format('pg_proc/%%s/0', p.oid), format('ROUTINE %%s', p.oid::regprocedure), '', aclexplode(coalesce(p.proacl, acldefault('f', p.proowner)))
      FROM pg_proc p WHERE p.pronamespace = ANY (%(scope)s) AND p.oid <> ALL (%(skipped)s)
    UNION ALL
    SELECT format('pg_namespace/%%s/0', n.oid), format('SCHEMA %%I', n.nspname), '', aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner)))
      FROM pg_namespace n WHERE n.oid = ANY (%(scope)s)
), summed AS (
    SELECT address, target, col, CASE (acl).grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid((acl).grantee)) END AS grantee,
           CASE WHEN (acl).is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option,
           string_agg(DISTINCT (acl).privilege_type, ', ' ORDER BY (acl).privilege_type) AS rights,
           string_agg(DISTINCT (acl).privilege_type || col, ', ' ORDER BY (acl).privilege_type || col) AS words
      FROM entry GROUP BY 1, 2, 3, 4, 5
)
SELECT 'grant', format('%%s%%s to %%s%%s', target, col, grantee, lower(option)), rights, format('GRANT %%s ON %%s TO %%s%%s', words, target, grantee, option),
       NULL, format('REVOKE %%s ON %%s FROM %%s', words, target, grantee), NULL, address, 0::int8 FROM summed
"""

DEFAULT_PRIVILEGES = """
WITH given AS (
    SELECT r.oid AS grantor, 0::oid AS schema, k.type, aclexplode(coalesce(
               (SELECT d.defaclacl FROM pg_default_acl d WHERE d.defaclrole = r.oid AND d.defaclnamespace = 0 AND d.defaclobjtype = k.type),
               acldefault(CASE k.type WHEN 'S' THEN 's' ELSE k.type END::"char", r.oid))) AS acl
      FROM pg_roles r CROSS JOIN unnest(ARRAY['r', 'S', 'f', 'T', 'n']::"char"[]) AS k (type) WHERE r.rolname = 'gesta_owner'
    UNION ALL
    SELECT d.defaclrole, d.defaclnamespace, d.defaclobjtype, aclexplode(d.defaclacl)
      FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
     WHERE d.defaclnamespace = ANY (%(scope)s) OR (d.defaclnamespace = 0 AND r.rolname IN ('gesta_system', 'gesta_api'))
), summed AS (
    SELECT format('FOR ROLE %%I%%s', pg_get_userbyid(grantor), (SELECT format(' IN SCHEMA %%I', nspname) FROM pg_namespace n WHERE n.oid = schema)) AS head,
           CASE type WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END AS what,
           CASE (acl).grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid((acl).grantee)) END AS grantee,
           CASE WHEN (acl).is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS option,
           string_agg(DISTINCT (acl).privilege_type, ', ' ORDER BY (acl).privilege_type) AS rights
      FROM given GROUP BY 1, 2, 3, 4
)
SELECT 'default privilege', format('%%s %%s to %%s%%s', lower(what), replace(head, 'FOR ROLE', 'made by'), grantee, lower(option)), rights,
       format('ALTER DEFAULT PRIVILEGES %%s GRANT %%s ON %%s TO %%s%%s', head, rights, what, grantee, option), NULL,
       format('ALTER DEFAULT PRIVILEGES %%s REVOKE %%s ON %%s FROM %%s', head, rights, what, grantee), NULL, NULL, 0::int8 FROM summed
"""

# 16384 is the first oid that is not the server's own.
COMMENTS = """
SELECT 'comment', o.what || ' ' || i.identity, d.description, format('COMMENT ON %%s %%s IS %%L', o.what, i.identity, d.description), NULL,
       format('COMMENT ON %%s %%s IS NULL', o.what, i.identity), NULL, format('%%s/%%s/%%s', d.classoid::regclass, d.objoid, d.objsubid), d.objoid::int8
  FROM pg_description d
 CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
 CROSS JOIN LATERAL (SELECT CASE WHEN i.type LIKE '%%column' THEN 'COLUMN' WHEN i.type = 'table constraint' THEN 'CONSTRAINT'
                                 WHEN i.type = 'statistics object' THEN 'STATISTICS' ELSE upper(i.type) END) AS o (what)
 WHERE d.objoid >= 16384 AND d.objoid <> ALL (%(skipped)s)
   AND d.classoid = ANY (ARRAY['pg_namespace', 'pg_class', 'pg_type', 'pg_proc', 'pg_constraint', 'pg_trigger', 'pg_policy', 'pg_rewrite',
                               'pg_statistic_ext']::regclass[])
"""

OWNERS = """
SELECT 'owner other than gesta_owner', o.name, pg_get_userbyid(o.owner)::text, NULL, NULL, NULL, NULL, o.address, 0::int8
  FROM (SELECT format('schema %%I', nspname), nspowner, format('pg_namespace/%%s/0', oid) FROM pg_namespace WHERE oid = ANY (%(scope)s)
        UNION ALL
        SELECT oid::regclass::text, relowner, format('pg_class/%%s/0', oid) FROM pg_class
         WHERE relnamespace = ANY (%(scope)s) AND oid <> ALL (%(skipped)s) AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT oid::regprocedure::text, proowner, format('pg_proc/%%s/0', oid) FROM pg_proc
         WHERE pronamespace = ANY (%(scope)s) AND oid <> ALL (%(skipped)s)) AS o (name, owner, address)
 WHERE pg_get_userbyid(o.owner) <> 'gesta_owner'
"""
