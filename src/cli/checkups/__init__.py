"""What `gesta doctor` looks at: the surroundings of the processes, and the database."""
