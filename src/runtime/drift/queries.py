# ruff: noqa: E501  a fact is a row of nine columns; broken into short lines, nobody would see which is which
"""What the catalogs say, as rows of (kind, name, value, make, change, undo, address, parent, oid).

``value`` is what is compared. ``make`` and ``undo`` are the statements that bring the fact about and take it away, ``change``
the one that puts it in place of another value; NULL: there is none that a draft could use. ``address`` names the object for its
comments and children, as catalog/oid/column number. Where a fact is the exception (row-level security is on, a trigger is
disabled), it is there only while it holds.

Parameters: %(schemas)s names of schemas to look into, beside those of gesta_owner, and %(but_not)s of those to leave out; %(scope)s their oids; %(skipped)s oids of what
belongs to extensions. To be run with search_path = pg_catalog, so that every other name is written with its schema.
"""

SCOPE = """
SELECT coalesce(array_agg(oid::int8), '{}') FROM pg_namespace
 WHERE (nspname = ANY (%(schemas)s) OR nspowner = (SELECT oid FROM pg_roles WHERE rolname = 'gesta_owner'))
   AND nspname <> ALL (%(but_not)s)
"""

SKIPPED = "SELECT coalesce(array_agg(objid::int8), '{}') FROM pg_depend WHERE deptype = 'e'"

SCHEMAS = """
SELECT 'schema', quote_ident(nspname), 'exists', format('CREATE SCHEMA %%I', nspname), NULL, format('DROP SCHEMA %%I', nspname),
       format('pg_namespace/%%s/0', oid), NULL, oid::int8
  FROM pg_namespace WHERE oid = ANY (%(scope)s)
"""

# Types that stand for themselves: enums, domains, ranges and composites.
TYPES = """
SELECT 'type', format('%%I.%%I', n.nspname, t.typname),
       CASE t.typtype
            WHEN 'e' THEN 'enum ' || (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                                        FROM pg_enum WHERE enumtypid = t.oid)
            WHEN 'd' THEN concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                                    'DEFAULT ' || t.typdefault, (SELECT string_agg(pg_get_constraintdef(oid), ' ' ORDER BY conname)
                                                                   FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'))
            WHEN 'c' THEN 'composite ' || (SELECT string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
                                             FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped)
            ELSE 'of kind ' || t.typtype::text END,
       NULL, NULL, NULL, format('pg_type/%%s/0', t.oid), format('pg_namespace/%%s/0', n.oid), t.oid::int8
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE n.oid = ANY (%(scope)s) AND t.oid <> ALL (%(skipped)s)
   AND (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
"""

SEQUENCES = """
WITH s AS (
    SELECT c.oid, n.oid AS schema, format('%%I.%%I', n.nspname, c.relname) AS name,
           format('AS %%s INCREMENT BY %%s MINVALUE %%s MAXVALUE %%s START WITH %%s CACHE %%s%%s', format_type(q.seqtypid, NULL),
                  q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache, CASE WHEN q.seqcycle THEN ' CYCLE' ELSE '' END) AS words,
           d.refobjid AS owner, (SELECT format('%%I', attname) FROM pg_attribute WHERE attrelid = d.refobjid AND attnum = d.refobjsubid) AS col
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence q ON q.seqrelid = c.oid
      LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
                           AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
     WHERE n.oid = ANY (%(scope)s) AND c.oid <> ALL (%(skipped)s) AND d.deptype IS DISTINCT FROM 'i'
)
SELECT 'sequence', name, words, format('CREATE SEQUENCE %%s %%s', name, words), NULL, format('DROP SEQUENCE %%s', name),
       format('pg_class/%%s/0', oid), format('pg_namespace/%%s/0', schema), oid::int8 FROM s
UNION ALL
SELECT 'sequence owner', name, format('%%s.%%s', owner::regclass, col), format('ALTER SEQUENCE %%s OWNED BY %%s.%%s', name, owner::regclass, col),
       NULL, format('ALTER SEQUENCE %%s OWNED BY NONE', name), NULL, format('pg_class/%%s/0', oid), oid::int8 FROM s WHERE owner IS NOT NULL
"""

TABLES = """
WITH col AS (
    SELECT c.oid, a.attnum, quote_ident(a.attname) AS name, format_type(a.atttypid, a.atttypmod) || coalesce(
               (SELECT format(' COLLATE %%I.%%I', cn.nspname, k.collname) FROM pg_collation k JOIN pg_namespace cn ON cn.oid = k.collnamespace
                 WHERE k.oid = a.attcollation AND a.attcollation <> t.typcollation), '') AS type,
           CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END AS default_value,
           CASE a.attgenerated WHEN 's' THEN format('GENERATED ALWAYS AS (%%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                               WHEN 'v' THEN format('GENERATED ALWAYS AS (%%s) VIRTUAL', pg_get_expr(d.adbin, d.adrelid)) END AS generated,
           CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END AS identity,
           a.attnotnull AS required
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relnamespace = ANY (%(scope)s) AND c.oid <> ALL (%(skipped)s) AND c.relkind IN ('r', 'p', 'f')
), spec AS (
    SELECT *, concat_ws(' ', name, type, generated, identity, 'DEFAULT ' || default_value, CASE WHEN required THEN 'NOT NULL' END) AS words,
           oid::regclass AS of_table, format('pg_class/%%s/%%s', oid, attnum) AS address FROM col
), tab AS (
    SELECT c.oid, c.relnamespace, format('%%I.%%I', n.nspname, c.relname) AS name, c.relkind = 'r' AND NOT c.relispartition
               AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS plain, c.relpersistence = 'u' AS unlogged,
           concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'unlogged' END, CASE c.relkind WHEN 'f' THEN 'foreign' END, 'table',
               'partitioned by ' || pg_get_partkeydef(c.oid),
               'of ' || (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
               pg_get_expr(c.relpartbound, c.oid)) AS words
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.oid = ANY (%(scope)s) AND c.oid <> ALL (%(skipped)s) AND c.relkind IN ('r', 'p', 'f')
)
SELECT 'table', name, words,
       CASE WHEN plain THEN format(E'CREATE %%sTABLE %%s (\\n    %%s\\n)', CASE WHEN unlogged THEN 'UNLOGGED ' ELSE '' END, name,
           (SELECT string_agg(s.words, E',\\n    ' ORDER BY s.attnum) FROM spec s WHERE s.oid = tab.oid)) END,
       NULL, CASE WHEN plain THEN format('DROP TABLE %%s', name) END,
       format('pg_class/%%s/0', oid), format('pg_namespace/%%s/0', relnamespace), oid::int8 FROM tab
UNION ALL
SELECT 'column', format('%%s.%%s', of_table, name), type, format('ALTER TABLE %%s ADD COLUMN %%s', of_table, words),
       format('ALTER TABLE %%s ALTER COLUMN %%s TYPE %%s', of_table, name, type), format('ALTER TABLE %%s DROP COLUMN %%s', of_table, name),
       address, format('pg_class/%%s/0', oid), attnum::int8 FROM spec
UNION ALL
SELECT 'generated column', format('%%s.%%s', of_table, name), generated, NULL, NULL, NULL, NULL, address, attnum FROM spec WHERE generated IS NOT NULL
UNION ALL
SELECT 'identity', format('%%s.%%s', of_table, name), identity, format('ALTER TABLE %%s ALTER COLUMN %%s ADD %%s', of_table, name, identity), NULL,
       format('ALTER TABLE %%s ALTER COLUMN %%s DROP IDENTITY', of_table, name), NULL, address, attnum FROM spec WHERE identity IS NOT NULL
UNION ALL
SELECT 'default', format('%%s.%%s', of_table, name), default_value,
       format('ALTER TABLE %%s ALTER COLUMN %%s SET DEFAULT %%s', of_table, name, default_value), NULL,
       format('ALTER TABLE %%s ALTER COLUMN %%s DROP DEFAULT', of_table, name), NULL, address, attnum FROM spec WHERE default_value IS NOT NULL
UNION ALL
SELECT 'not null', format('%%s.%%s', of_table, name), 'NOT NULL', format('ALTER TABLE %%s ALTER COLUMN %%s SET NOT NULL', of_table, name), NULL,
       format('ALTER TABLE %%s ALTER COLUMN %%s DROP NOT NULL', of_table, name), NULL, address, attnum FROM spec WHERE required
"""

STORAGE = """
SELECT 'storage parameters', c.oid::regclass::text, array_to_string(c.reloptions, ', '),
       format('ALTER TABLE %%s SET (%%s)', c.oid::regclass, array_to_string(c.reloptions, ', ')), NULL,
       format('ALTER TABLE %%s RESET (%%s)', c.oid::regclass, (SELECT string_agg(split_part(o, '=', 1), ', ') FROM unnest(c.reloptions) o)),
       NULL, format('pg_class/%%s/0', c.oid), c.oid::int8
  FROM pg_class c WHERE c.relnamespace = ANY (%(scope)s) AND c.relkind IN ('r', 'p') AND c.reloptions IS NOT NULL AND c.oid <> ALL (%(skipped)s)
"""

VIEWS = """
WITH v AS (
    SELECT c.oid, c.relnamespace, c.oid::regclass AS name, CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS what,
           coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') AS options, pg_get_viewdef(c.oid) AS body
      FROM pg_class c WHERE c.relnamespace = ANY (%(scope)s) AND c.relkind IN ('v', 'm') AND c.oid <> ALL (%(skipped)s)
)
SELECT 'view', name::text, format('%%s%%s AS%%s', what, options, body), format('CREATE %%s %%s%%s AS%%s', what, name, options, rtrim(body, ';')), NULL,
       format('DROP %%s %%s', what, name), format('pg_class/%%s/0', oid), format('pg_namespace/%%s/0', relnamespace), oid::int8 FROM v
"""
