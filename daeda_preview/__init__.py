"""Features of a few rows, in one process: the skeleton in memory, then the vectors, then a table for people."""
