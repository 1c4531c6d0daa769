"""Alpaca market data: stocks and crypto, JSON or msgpack, without any sequence."""
