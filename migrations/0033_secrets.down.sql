DROP TABLE runtime.secrets;
DROP TABLE projections.secrets;
