"""What a venue says one of its keys may do."""
