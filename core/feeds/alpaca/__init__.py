"""Alpaca market data: US stocks and crypto."""
