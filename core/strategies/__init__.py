"""The strategy API, the isolated host, the built-in strategies."""
