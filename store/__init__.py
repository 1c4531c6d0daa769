"""What is kept on disk: journal, predictions, reports, settings."""
