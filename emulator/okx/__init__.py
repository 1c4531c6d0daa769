"""OKX v5: books chained by seqId, candles newest first, one error word for many mistakes."""
