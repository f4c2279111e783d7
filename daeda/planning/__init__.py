"""What a run would do, described without doing it: the days, and the checks before the first one."""
