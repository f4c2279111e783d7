"""What users can name, of a version: commands and flags, keys of YAML, names in Python; and whether what went is told."""
