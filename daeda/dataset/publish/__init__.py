"""Publication of days: staging, claims, the lease on object storage, and the move into place."""
