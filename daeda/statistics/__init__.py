"""Statistics of a published day: what is in each of its columns, in bins that compare over days."""
