"""What `gesta eval` does: it finds the cases, takes the runs, and shows what they come to."""
