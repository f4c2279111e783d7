"""The sample of the art feed: a generator of the data that the root project is declared over."""
