"""Golden cases: a folder each, of a project's YAML files and input rows, and of what must come out."""
