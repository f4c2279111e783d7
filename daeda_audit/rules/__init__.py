"""The rules of point in time, written once more, for one row and for many."""
