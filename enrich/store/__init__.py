"""The embedding store: a pinned version of a Lance dataset, its ids, and the vectors of a day."""
