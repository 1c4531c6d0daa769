"""KuCoin spot market data."""
