"""What `gesta doctor` looks at: the environment of the processes, and the database."""
