"""Alpaca: shares, coins and options, on paper and live."""
