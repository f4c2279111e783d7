"""Rolling windows: the contract of the engines, and the two engines, which share no code."""
