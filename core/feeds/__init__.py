"""Wire message to market event; a folder per venue."""
