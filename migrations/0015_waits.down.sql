ALTER TABLE projections.node_activations DROP COLUMN waits;
