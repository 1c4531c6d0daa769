"""Twelve Data: prices of stocks, crypto and currencies."""
