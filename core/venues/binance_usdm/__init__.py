"""Binance USD-M futures as a venue."""
