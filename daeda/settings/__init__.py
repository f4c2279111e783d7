"""What YAML files say: documents with line numbers, named dimensions, runtime and aggregation settings."""
