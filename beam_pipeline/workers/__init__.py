"""Processes that build days: the context of a run, the runs that a process works for, day slots, time limits."""
