"""Every other exchange, through ccxt.pro; loaded by name when it is asked for."""
