"""The enrichment: a Ray Data job that looks up and pools vectors of a Lance store, one part per actor call."""
