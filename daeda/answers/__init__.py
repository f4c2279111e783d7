"""What commands answer with --json: one document on stdout, whose form and version `format` names.

The schema of each is docs/reference/answers.schema.json, made from these models. A key that is added leaves the
version as it is; one that is removed, or means something else, raises it.
"""
