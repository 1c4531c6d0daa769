"""Binance USD-M futures: routed stream roots, pu-chained books, marks, funding, liquidations."""
