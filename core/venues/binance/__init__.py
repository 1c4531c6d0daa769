"""Binance spot: orders over REST, the account's events over the WS-API user stream."""
