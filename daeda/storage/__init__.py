"""Where data lies: local paths and S3 addresses, and an S3 client that says what it does."""
