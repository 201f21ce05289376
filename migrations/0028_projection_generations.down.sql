DROP TABLE runtime.projection_generations;
DROP SCHEMA IF EXISTS projections_next CASCADE;
-- Tables that served before may be needed by things of others: gesta projections drop-old first.
DROP SCHEMA IF EXISTS projections_old;
