"""Benchmarks: each module measures a figure and its peer or floor in the same run."""
