"""KuCoin spot: a token before the socket, a welcome after it, sequences on every level."""
