"""What was published, told to lineage catalogs as events of OpenLineage. Imported where a run is asked for them."""
