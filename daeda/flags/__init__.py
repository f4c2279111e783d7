"""The flags of all commands: one table, from which parsers are made and words for subprocesses are written."""
