"""Bytes only: websocket and HTTP sessions, rate limits, signing, the raw-frame tape."""
