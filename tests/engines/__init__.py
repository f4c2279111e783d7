"""Tests on real engines: Flink embedded in its job server and as a cluster, and Prism."""
