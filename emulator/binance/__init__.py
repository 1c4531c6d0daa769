"""The Binance spot protocol in front of the simulated market."""
