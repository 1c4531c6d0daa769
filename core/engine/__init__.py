"""The one loop: books, bars, clock, subscriptions, digest for clients."""
