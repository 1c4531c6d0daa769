"""Kraken spot, websocket v2."""
