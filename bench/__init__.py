"""Benchmarks: each is one command, prints a table and writes bench/results/<workload>.json."""
