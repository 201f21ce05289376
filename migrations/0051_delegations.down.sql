DROP TABLE projections.delegations;
