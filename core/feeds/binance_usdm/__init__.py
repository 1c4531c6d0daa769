"""Binance USD-M futures market data: wire formats, the book's `pu` chain, routed streams."""
