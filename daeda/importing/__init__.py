"""`daeda import`: CSV, JSON lines and Parquet files become `dt=` partitions of Parquet with declared types."""
