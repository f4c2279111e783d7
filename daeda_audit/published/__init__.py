"""Published days, the stores and the configuration that they name."""
