"""Two sets of published days, compared: schema, days, rows and values, and what explains each difference."""
