"""Venues on localhost: real wire formats over one simulated market with a real matching engine."""
