"""Orders and accounts at Deribit, over API v2."""
