"""The input of an audit: copies and exports, partitions that are missing, and rows added behind a cut."""
