"""SQL: checked expressions of users, and the statements that each operator becomes."""

# Whoever makes SQL imports something of this package, before its threads begin: sqlglot loads a dialect when it is
# asked for first, and a second thread that asks meanwhile gets a half-made one, whose SQL DuckDB does not understand.
import sqlglot.dialects.duckdb  # noqa: F401 - imported so that it is there
