"""Histories: read once per run and partition, put in order, and handed to the windows chunk by chunk."""
