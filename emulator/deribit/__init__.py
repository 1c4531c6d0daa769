"""Deribit v2: JSON-RPC over socket and HTTP, futures, perpetuals and an options chain."""
