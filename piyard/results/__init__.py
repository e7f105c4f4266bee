"""Results of benchmarks: stored, judged, compared, and the rows that tables show of them."""
