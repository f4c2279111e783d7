"""One row explained: the raw rows behind each of its values, by the rules of the audit, and a value of their own."""
