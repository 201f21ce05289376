"""What is looked at before a definition is published. Each module is one concern; `engine.validate` runs them in order."""
