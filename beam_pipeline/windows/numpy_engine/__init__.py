"""The numpy engine: windowed aggregates of sorted history, vectorised with numpy and pyarrow alone."""
