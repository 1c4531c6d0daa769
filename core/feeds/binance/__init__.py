"""Binance spot market data: stream, history, wire formats and the book's sequence rule."""
