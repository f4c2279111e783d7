"""From a project to the DAG of one service."""
