"""Orders and accounts at OKX, over API v5."""
