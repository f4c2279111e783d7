"""SQL: checked expressions of users, and the statements that each operator becomes."""
