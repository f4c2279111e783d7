"""The contract of days on disk: layout, manifests, fingerprints, source files, staging and publication."""
