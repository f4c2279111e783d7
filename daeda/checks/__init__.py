"""Checks of a service: what they find on a day, before it is published, and over days, behind a run."""
