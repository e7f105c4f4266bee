"""Benchmarks on boards: one job, the energy of it, and two builds in turns."""
