DROP TABLE projections.bulk_operations;
