"""What users can name, of a version: commands, flags, keys of YAML, names in Python; what went is told."""
