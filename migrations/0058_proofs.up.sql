-- Fresh proof of who decides: what was shown, and what the signature means; and which members have one-time passwords.
ALTER TABLE projections.approval_decisions
    ADD COLUMN proof text CHECK (proof IN ('key', 'totp')),
    ADD COLUMN proof_id uuid,
    ADD COLUMN signature_means text;
COMMENT ON COLUMN projections.approval_decisions.proof IS
    'What was shown of who decides: key, the secret of their key again; totp, a one-time password; null: nothing.';
COMMENT ON COLUMN projections.approval_decisions.proof_id IS 'The key, or the secret of the one-time passwords.';
COMMENT ON COLUMN projections.approval_decisions.signature_means IS 'What signing by it means, as it was said when it was asked.';

ALTER TABLE projections.tenant_users ADD COLUMN totp_since timestamptz;
COMMENT ON COLUMN projections.tenant_users.totp_since IS 'Since when one-time passwords prove who they are; null: they have none.';
