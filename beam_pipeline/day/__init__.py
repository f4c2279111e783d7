"""The operators of one day, carried out without Beam."""
