"""Hand-written scripts and other tools, each a process of its own that works on the files of a workload."""
