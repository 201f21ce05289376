ALTER TABLE projections.approval_decisions DROP COLUMN link_id, DROP COLUMN via;
DROP TABLE projections.approval_links;
