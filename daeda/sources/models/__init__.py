"""What a view declares as its source: one module per kind, and the union of them in `source`."""
