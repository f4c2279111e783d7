"""The rolling engine `polars`: the same windows as `beam_pipeline.kernel`, by Polars, sharing no code with it."""
