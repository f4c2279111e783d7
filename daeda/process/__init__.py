"""One process and those beside it: messages, signals, streams, locks, subprocesses and their supervision."""
