"""The nouns and messages everybody speaks."""
