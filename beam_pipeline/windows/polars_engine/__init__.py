"""The rolling engine `polars`: the windows of `numpy_engine`, by Polars, sharing no code with it."""
