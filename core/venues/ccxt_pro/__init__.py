"""Any exchange ccxt trades at; for one account beside others, not for speed."""
