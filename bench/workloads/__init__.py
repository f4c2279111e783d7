"""One module per workload, or per family of them: each has a function run(bench)."""
