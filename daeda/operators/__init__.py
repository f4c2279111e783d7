"""The nine operators as checked, immutable descriptions, and the DAG that they form."""
