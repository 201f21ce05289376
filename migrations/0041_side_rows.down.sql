DROP TYPE ledger.dropped_row, ledger.timer_row, ledger.job_row, ledger.fence_row, ledger.claim_row;
