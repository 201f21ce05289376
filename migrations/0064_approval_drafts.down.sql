DROP TABLE runtime.approval_drafts;
