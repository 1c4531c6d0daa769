"""Coinbase Advanced Trade: one sequence over all channels of a connection."""
