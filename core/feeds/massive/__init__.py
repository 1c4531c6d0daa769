"""Massive (Polygon.io until 2025): US stocks and crypto."""
