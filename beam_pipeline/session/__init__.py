"""A day at work: its DuckDB connection, its directory, what it has read and what it tells."""
