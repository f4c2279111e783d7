"""Readers that `make readers` installs into an environment of their own: Spark and HuggingFace."""
