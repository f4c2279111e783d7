"""The expressions of YAML a second time: a parser and an evaluator in plain Python, one row at a time."""
