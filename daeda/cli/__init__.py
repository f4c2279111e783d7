"""The command line: a module per command; `train` drives the skeleton and the enrichment."""
