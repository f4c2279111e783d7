"""Raw rows of views, read by pyarrow alone."""
