"""One part of a day: vectors looked up or pooled, and written as Parquet."""
