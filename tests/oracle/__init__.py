"""The slow path of the tests: plain Python that shares no code with the product."""
