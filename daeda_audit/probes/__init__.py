"""The two probes: recomputed rows of a day, and a day from an input that goes on."""
