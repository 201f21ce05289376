-- The runner has put back the functions as they were when this was applied.
DROP TABLE gesta_meta.functions;
