"""The command line: flags, the driver over both halves, plan and explain, progress and tables."""
