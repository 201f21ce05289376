DROP TABLE projections.execution_waits;
DELETE FROM runtime.projection_generations WHERE state = 'wanted' AND reason = 'The new table execution_waits.';
