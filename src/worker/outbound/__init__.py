"""The way out: requests to addresses that tenants name. They reach the public internet, and nothing of ours."""
