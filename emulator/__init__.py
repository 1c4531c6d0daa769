"""Venues on localhost: real wire formats over one simulated market."""
