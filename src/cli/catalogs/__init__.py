"""What is made of the catalogue of tables (`projections.catalog`) for people: a reference, diagrams, sources for dbt. Pure."""
