"""Views of databases as Parquet files: one module per kind of database, and the process that reads them."""
