"""What `gesta what-if` is made of: which executions (`cases`), through what (`versions`), and how it is told (`report`)."""
