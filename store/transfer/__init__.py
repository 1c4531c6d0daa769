"""Moves market data between the store and the files of other programs."""
