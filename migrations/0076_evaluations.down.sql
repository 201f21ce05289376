DROP VIEW projections.evaluation_variants;
DROP TABLE projections.evaluation_results, projections.evaluations;
