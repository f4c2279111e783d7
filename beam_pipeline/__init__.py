"""The skeleton: Apache Beam PTransforms that run DuckDB SQL, one day partition at a time."""
