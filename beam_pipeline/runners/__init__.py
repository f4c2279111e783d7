"""Beam runners: which one is used, jobs on a portable one, and what they log."""
