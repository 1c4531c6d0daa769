"""What every feed must do, as checks anyone can run against a feed of their own."""
