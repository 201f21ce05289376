ALTER TABLE projections.tenant_users DROP COLUMN totp_since;
ALTER TABLE projections.approval_decisions DROP COLUMN signature_means, DROP COLUMN proof_id, DROP COLUMN proof;
